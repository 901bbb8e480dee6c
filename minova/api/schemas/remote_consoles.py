"""Bodies that ask for a console."""

from minova.api.validation import Body, Field


def _action(name: str, *kinds: str) -> Body:
    return Body(name, Field("type", {"enum": list(kinds)}, required=True))


GET_VNC = _action("os-getVNCConsole", "novnc", "xvpvnc")
GET_SPICE = _action("os-getSPICEConsole", "spice-html5")
GET_RDP = _action("os-getRDPConsole", "rdp-html5")
GET_SERIAL = _action("os-getSerialConsole", "serial")

_PROTOCOLS = ["vnc", "spice", "rdp", "serial"]
_TYPES = ["novnc", "xvpvnc", "rdp-html5", "serial", "spice-html5"]
_ALL, _ALL_TYPES = [*_PROTOCOLS, "mks"], [*_TYPES, "webmks"]
CREATE = Body(
    "remote_console",
    Field("protocol", {"enum": _PROTOCOLS}, until=(2, 7), required=True),
    Field("protocol", {"enum": _ALL}, since=(2, 8), required=True),
    Field("type", {"enum": _TYPES}, until=(2, 7), required=True),
    Field("type", {"enum": _ALL_TYPES}, since=(2, 8), until=(2, 98), required=True),
    Field("type", {"enum": [*_ALL_TYPES, "spice-direct"]}, since=(2, 99), required=True),
)

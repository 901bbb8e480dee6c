"""What each server action answers, by its name. Bodies are in the rows of `api.actions`."""

from minova.api.calls import consoles, servers
from minova.api.calls.call import Answer, Call
from minova.api.calls.shape import STRING, UUID, Shape, has, maybe, of

_ACCEPTED = (Answer(202),)
_USER_DATA = has("user_data", maybe(STRING), (2, 57))
_REBUILT_PLAIN = Shape(
    *servers.PLAIN,
    servers.GROUPS,
    has("key_name", maybe(STRING), (2, 54)),
    _USER_DATA,
    has("adminPass", STRING),
)
_REBUILT = Shape(
    *(field for field in servers.FULL if field.name != "OS-EXT-SRV-ATTR:user_data"),
    servers.GROUPS,
    _USER_DATA,
    has("adminPass", STRING),
)

ACTIONS: dict[str, tuple[Answer, ...]] = {
    **dict.fromkeys(("os-start", "os-stop", "reboot", "lock", "unlock"), _ACCEPTED),
    **dict.fromkeys(("pause", "unpause", "suspend", "resume"), _ACCEPTED),
    **dict.fromkeys(("restore", "forceDelete", "unrescue", "changePassword"), _ACCEPTED),
    "trigger_crash_dump": (Answer(202, since=(2, 17)),),
    "rescue": (Answer(200, of("adminPass", STRING)),),
    **dict.fromkeys(("os-resetState", "addSecurityGroup", "removeSecurityGroup"), _ACCEPTED),
    **dict.fromkeys(("addFloatingIp", "removeFloatingIp"), _ACCEPTED),
    **dict.fromkeys(("addFixedIp", "removeFixedIp"), _ACCEPTED),
    **dict.fromkeys(("resize", "revertResize", "migrate"), _ACCEPTED),
    "confirmResize": (Answer(204),),
    "os-migrateLive": (Answer(202, since=(2, 34)),),
    "evacuate": (Answer(200), Answer(200, of("adminPass", STRING), until=(2, 13))),
    **dict.fromkeys(("shelve", "shelveOffload", "unshelve"), _ACCEPTED),
    "rebuild": (
        Answer(202, of("server", _REBUILT_PLAIN), until=(2, 74)),
        Answer(202, of("server", _REBUILT), since=(2, 75)),
    ),
    "createImage": (
        Answer(202, until=(2, 44)),
        Answer(202, of("image_id", UUID), since=(2, 45)),
    ),
    # Of a rotation of 0 nothing stays that could be named.
    "createBackup": (Answer(202), Answer(202, of("image_id", UUID), since=(2, 45))),
    **dict.fromkeys(("os-getVNCConsole", "os-getSerialConsole"), (consoles.ACTION,)),
    # Asked for, refused: this cloud has none of them.
    **dict.fromkeys(("os-getSPICEConsole", "os-getRDPConsole"), ()),
    "injectNetworkInfo": _ACCEPTED,
    # Gone: 410.
    "resetNetwork": (),
    "os-getConsoleOutput": (Answer(200, of("output", STRING)),),
}

CALLS = {
    "POST /v2.1/servers/{server_id}/action": Call(actions=ACTIONS, errors=(409, 410, 501)),
}

"""What a server's console has said, and, until 2.5, the URLs at which it can be used."""

from collections.abc import Callable
from typing import Any

from minova.api import consoles
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import actions as schemas
from minova.api.schemas import remote_consoles
from minova.api.validation import Body
from minova.common import errors


def _output(tools: Tools, call: Call) -> dict[str, str]:
    length = call.value.get("length")
    lines = None if length is None or int(length) < 0 else int(length)
    return {"output": tools.lifecycle.console_output(call.ctxt, call.instance, lines)}


def _url_of(protocol: str) -> Callable[[Tools, Call], dict[str, Any]]:
    def get(tools: Tools, call: Call) -> dict[str, Any]:
        kind = call.value["type"]
        url = consoles.url(tools.db, tools.lifecycle, call.ctxt, call.instance, protocol, kind)
        return {"console": {"type": kind, "url": url}}

    return get


def _no_rdp(tools: Tools, call: Call) -> None:
    """Nova has none since Hyper-V is gone, and says it so."""
    raise errors.Invalid(
        "The server could not comply with the request since it is either malformed or "
        "otherwise incorrect."
    )


def _remote(run: Callable[[Tools, Call], Any], schema: Body) -> Action:
    return Action(run, "os-remote-consoles", schema, status=200, until=(2, 5))


ACTIONS = {
    "os-getConsoleOutput": Action(_output, "os-console-output", schemas.CONSOLE_OUTPUT, status=200),
    "os-getVNCConsole": _remote(_url_of("vnc"), remote_consoles.GET_VNC),
    "os-getSPICEConsole": _remote(_url_of("spice"), remote_consoles.GET_SPICE),
    "os-getSerialConsole": _remote(_url_of("serial"), remote_consoles.GET_SERIAL),
    "os-getRDPConsole": _remote(_no_rdp, remote_consoles.GET_RDP),
}

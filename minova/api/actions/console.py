"""What a server's console has said."""

from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import actions as schemas


def _output(tools: Tools, call: Call) -> dict[str, str]:
    length = call.value.get("length")
    lines = None if length is None or int(length) < 0 else int(length)
    return {"output": tools.lifecycle.console_output(call.ctxt, call.instance, lines)}


ACTIONS = {
    "os-getConsoleOutput": Action(_output, "os-console-output", schemas.CONSOLE_OUTPUT, status=200),
}

"""Start, stop, reboot, and the crash that an NMI makes."""

from minova.api.actions.row import Action, Call, Tools, begins
from minova.api.schemas import actions as schemas


def _start(tools: Tools, call: Call) -> None:
    tools.lifecycle.begin(call.ctxt, call.instance, "start")


def _stop(tools: Tools, call: Call) -> None:
    tools.lifecycle.begin(call.ctxt, call.instance, "stop")


def _reboot(tools: Tools, call: Call) -> None:
    action = "reboot_hard" if call.value["type"].upper() == "HARD" else "reboot"
    tools.lifecycle.begin(call.ctxt, call.instance, action, word="reboot")


ACTIONS = {
    "os-start": Action(_start, "servers:start", schemas.START),
    "os-stop": Action(_stop, "servers:stop", schemas.STOP),
    "trigger_crash_dump": Action(
        begins("trigger_crash_dump"),
        "servers:trigger_crash_dump",
        schemas.TRIGGER_CRASH_DUMP,
        since=(2, 17),
    ),
    "reboot": Action(_reboot, "servers:reboot", schemas.REBOOT),
}

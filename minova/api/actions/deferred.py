"""Servers that were deleted and kept for a while: back, or away for good."""

from minova.api.actions.row import Action, Call, Tools, begins
from minova.api.schemas import actions as schemas
from minova.db import launches


def _restore(tools: Tools, call: Call) -> None:
    tools.lifecycle.begin(call.ctxt, call.instance, "restore", within=launches.readmit)


ACTIONS = {
    "restore": Action(_restore, "os-deferred-delete:restore", schemas.RESTORE),
    "forceDelete": Action(begins("forceDelete"), "os-deferred-delete:force", schemas.FORCE_DELETE),
}

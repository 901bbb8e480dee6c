"""What only administrators do to a server's record."""

from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import actions as schemas
from minova.db import states
from minova.model import states as model_states

_STATES = {"active": model_states.ACTIVE, "error": model_states.ERROR}


def _reset_state(tools: Tools, call: Call) -> None:
    states.reset(tools.db, call.instance.uuid, _STATES[call.value["state"]])


ACTIONS = {
    "os-resetState": Action(_reset_state, "os-admin-actions:reset_state", schemas.RESET_STATE),
}

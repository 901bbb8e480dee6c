"""What only administrators do to a server's record."""

from minova.api import errors
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import actions as schemas
from minova.db import states
from minova.model import states as model_states

_STATES = {"active": model_states.ACTIVE, "error": model_states.ERROR}


def _reset_state(tools: Tools, call: Call) -> None:
    states.reset(tools.db, call.ctxt, call.instance.uuid, _STATES[call.value["state"]])


def _inject_network_info(tools: Tools, call: Call) -> None:
    """Guests learn of their network by DHCP and config drive: there is nothing to inject."""


def _reset_network(tools: Tools, call: Call) -> None:
    raise errors.Gone("resetNetwork is no part of the API any more.")


ACTIONS = {
    "os-resetState": Action(_reset_state, "os-admin-actions:reset_state", schemas.RESET_STATE),
    "injectNetworkInfo": Action(
        _inject_network_info,
        "os-admin-actions:inject_network_info",
        schemas.INJECT_NETWORK_INFO,
    ),
    "resetNetwork": Action(_reset_network, "os-admin-actions:reset_network", schemas.RESET_NETWORK),
}

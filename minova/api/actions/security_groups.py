"""Security groups put on and taken off a running server."""

from minova.api import port_security_groups
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import actions as schemas


def _add(tools: Tools, call: Call) -> None:
    port_security_groups.add(tools.db, call.ctxt, call.instance, call.value["name"])


def _remove(tools: Tools, call: Call) -> None:
    port_security_groups.remove(tools.db, call.ctxt, call.instance, call.value["name"])


ACTIONS = {
    "addSecurityGroup": Action(_add, "os-security-groups:add", schemas.ADD_GROUP),
    "removeSecurityGroup": Action(_remove, "os-security-groups:remove", schemas.REMOVE_GROUP),
}

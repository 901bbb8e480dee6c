"""changePassword: a new administrator's password, set in the guest while the caller waits."""

from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import password as schemas


def _change(tools: Tools, call: Call) -> None:
    tools.lifecycle.change_password(call.ctxt, call.instance, call.value["adminPass"])


ACTIONS = {"changePassword": Action(_change, "os-admin-password", schemas.CHANGE_PASSWORD)}

"""Lock and unlock: an owner keeps himself, an admin keeps him, from changing a server."""

from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import actions as schemas
from minova.db import states


def _lock(tools: Tools, call: Call) -> None:
    instance = call.instance
    wanted = call.value if isinstance(call.value, dict) else {}
    states.set_lock(
        tools.db,
        call.ctxt,
        instance.uuid,
        "lock",
        locked=True,
        locked_by="owner" if instance.project_id == call.ctxt.project_id else "admin",
        locked_reason=wanted.get("locked_reason"),
    )


def _unlock(tools: Tools, call: Call) -> None:
    instance = call.instance
    if instance.locked_by == "admin":
        tools.access.check(
            call.req,
            "os-lock-server:unlock:unlock_override",
            project_id=instance.project_id,
            user_id=instance.user_id,
        )
    free = {"locked": False, "locked_by": None, "locked_reason": None}
    states.set_lock(tools.db, call.ctxt, instance.uuid, "unlock", **free)


ACTIONS = {
    "lock": Action(_lock, "os-lock-server:lock", schemas.LOCK),
    "unlock": Action(_unlock, "os-lock-server:unlock", schemas.UNLOCK),
}

"""POST /servers/{server_id}/action: one table of the actions there are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import falcon

from minova.api import port_security_groups
from minova.api.access import Access
from minova.api.lifecycle import Lifecycle
from minova.api.schemas import actions as schemas
from minova.api.validation import Body
from minova.common import errors, wsgi
from minova.common.context import RequestContext
from minova.common.wsgi import Route
from minova.db import instances, states
from minova.model import states as model_states
from minova.model.instance import Instance

Act = Callable[["ServerActions", RequestContext, Instance, Any], Any]


@dataclass(frozen=True)
class Action:
    """A row: what runs it, who may, what its body looks like, and the answer's status."""

    run: Act
    rule: str
    schema: Body
    status: int = 202


class ServerActions:
    """The handler of server actions."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access, self._db = access, access.db
        self._lifecycle = lifecycle

    def routes(self) -> list[Route]:
        return [Route("POST", "/v2.1/servers/{server_id}/action", self.act, 202)]

    def act(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> Any:
        """POST /servers/{server_id}/action"""
        body = wsgi.body_of(req)
        if not isinstance(body, dict) or len(body) != 1:
            raise errors.Invalid("The body of an action is an object with the action's name.")
        (name,) = body
        action = ACTIONS.get(name)
        if action is None:
            if name in LATER:
                raise errors.NotSupported(feature=f"The server action {name}")
            raise errors.Invalid(f"There is no such action: {name[:64]}")
        instance = self._access.server(req, server_id, action.rule)
        schema = action.schema
        if name == "lock" and req.context.version < (2, 73):
            schema = schemas.LOCK_OLD
        schema.check(req.context.version, body)
        resp.status = action.status
        return action.run(self, req.context.ctxt, instance, _Call(req, body[name]))

    def start(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        self._lifecycle.begin(ctxt, instance, "start")

    def stop(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        self._lifecycle.begin(ctxt, instance, "stop")

    def reboot(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        hard = call.value["type"].upper() == "HARD"
        self._lifecycle.begin(ctxt, instance, "reboot_hard" if hard else "reboot", word="reboot")

    def lock(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        wanted = call.value if isinstance(call.value, dict) else {}
        instances.update(
            self._db,
            instance.uuid,
            locked=True,
            locked_by="owner" if instance.project_id == ctxt.project_id else "admin",
            locked_reason=wanted.get("locked_reason"),
        )

    def unlock(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        if instance.locked_by == "admin":
            self._access.check(
                call.req,
                "os-lock-server:unlock:unlock_override",
                project_id=instance.project_id,
                user_id=instance.user_id,
            )
        instances.update(self._db, instance.uuid, locked=False, locked_by=None, locked_reason=None)

    def reset_state(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        wanted = {"active": model_states.ACTIVE, "error": model_states.ERROR}
        states.reset(self._db, instance.uuid, wanted[call.value["state"]])

    def console_output(
        self, ctxt: RequestContext, instance: Instance, call: "_Call"
    ) -> dict[str, str]:
        length = call.value.get("length")
        lines = None if length is None or int(length) < 0 else int(length)
        return {"output": self._lifecycle.console_output(ctxt, instance, lines)}

    def add_group(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        port_security_groups.add(self._db, ctxt, instance, call.value["name"])

    def remove_group(self, ctxt: RequestContext, instance: Instance, call: "_Call") -> None:
        port_security_groups.remove(self._db, ctxt, instance, call.value["name"])


@dataclass(frozen=True)
class _Call:
    """The request, and what stands behind the action's name in its body."""

    req: falcon.Request
    value: Any


ACTIONS: dict[str, Action] = {
    "os-start": Action(ServerActions.start, "servers:start", schemas.START),
    "os-stop": Action(ServerActions.stop, "servers:stop", schemas.STOP),
    "reboot": Action(ServerActions.reboot, "servers:reboot", schemas.REBOOT),
    "lock": Action(ServerActions.lock, "os-lock-server:lock", schemas.LOCK),
    "unlock": Action(ServerActions.unlock, "os-lock-server:unlock", schemas.UNLOCK),
    "os-resetState": Action(
        ServerActions.reset_state, "os-admin-actions:reset_state", schemas.RESET_STATE
    ),
    "os-getConsoleOutput": Action(
        ServerActions.console_output, "os-console-output", schemas.CONSOLE_OUTPUT, status=200
    ),
    "addSecurityGroup": Action(
        ServerActions.add_group, "os-security-groups:add", schemas.ADD_GROUP
    ),
    "removeSecurityGroup": Action(
        ServerActions.remove_group, "os-security-groups:remove", schemas.REMOVE_GROUP
    ),
}

# Nova's actions that are not here yet: 501 says so, where 400 would deny that they exist.
LATER = frozenset(
    (
        *("pause", "unpause", "suspend", "resume", "rescue", "unrescue", "rebuild", "resize"),
        *("confirmResize", "revertResize", "migrate", "os-migrateLive", "evacuate", "createImage"),
        *("createBackup", "shelve", "shelveOffload", "unshelve", "changePassword", "restore"),
        *("forceDelete", "trigger_crash_dump", "os-getVNCConsole", "os-getSPICEConsole"),
        *("os-getSerialConsole", "os-getRDPConsole", "resetNetwork", "injectNetworkInfo"),
        *("addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp"),
    )
)

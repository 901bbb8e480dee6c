"""POST /servers/{server_id}/action: finds the action's row, checks, and runs it."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.api.actions import ACTIONS, LATER, Action, Call, Tools
from minova.api.lifecycle import Lifecycle
from minova.api.microversions import Version
from minova.common import errors, wsgi
from minova.common.wsgi import Route


class ServerActions:
    """The handler of server actions."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access = access
        self._tools = Tools(access, lifecycle)

    def routes(self) -> list[Route]:
        return [Route("POST", "/v2.1/servers/{server_id}/action", self.act, 202)]

    def act(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> Any:
        """POST /servers/{server_id}/action"""
        body = wsgi.body_of(req)
        if not isinstance(body, dict) or len(body) != 1:
            raise errors.Invalid("Malformed request body")
        (name,) = body
        req.context.action = name
        action = _row(name, req.context.version)
        instance = self._access.server(req, server_id, action.rule)
        action.schema.check(req.context.version, body)
        resp.status = action.status
        return action.run(self._tools, Call(req, resp, instance, body[name]))


def _row(name: str, version: Version) -> Action:
    action = ACTIONS.get(name)
    if action is None:
        if name in LATER:
            raise errors.NotSupported(feature=f"The server action {name}")
        raise errors.Invalid(f"There is no such action: {name[:64]}")
    if not action.since <= version <= action.until:
        raise errors.NotFound("The resource could not be found.")
    return action

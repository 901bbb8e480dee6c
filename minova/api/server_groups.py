"""Server groups: servers that belong together on a host, or apart."""

from typing import Any

import falcon
from oslo_config import cfg

from minova.api import paging
from minova.api.access import Access
from minova.api.schemas import server_groups as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import server_groups
from minova.db.server_groups import ServerGroup


class ServerGroups:
    """The handlers of /os-server-groups."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-server-groups", self.index),
            Route("POST", "/v2.1/os-server-groups", self.create),
            Route("GET", "/v2.1/os-server-groups/{group_id}", self.show),
            Route("DELETE", "/v2.1/os-server-groups/{group_id}", self.delete, 204),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-server-groups"""
        ctxt = self._access.check(req, "os-server-groups:index")
        project: str | None = str(ctxt.project_id)
        # Who may not see them all gets his own, as if he had not asked.
        if "all_projects" in req.params and self._access.allows(
            req, "os-server-groups:index:all_projects"
        ):
            project = None
        found = server_groups.find(
            self._db,
            project_id=project,
            # In lists with an offset, 0 means as many as there may be.
            limit=paging.limit_of(req) or cfg.CONF.api.max_limit,
            offset=paging.offset_of(req),
        )
        return {"server_groups": [_shown(req, group) for group in found]}

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-server-groups"""
        ctxt = self._access.check(req, "os-server-groups:create")
        wanted = schemas.CREATE.of(req)["server_group"]
        policy = wanted["policy"] if "policy" in wanted else wanted["policies"][0]
        rules = {name: int(value) for name, value in wanted.get("rules", {}).items()}
        if rules and policy != server_groups.ANTI_AFFINITY:
            raise errors.Invalid("Only anti-affinity policy supports rules.")
        group = server_groups.create(
            self._db,
            name=wanted["name"],
            project_id=str(ctxt.project_id),
            user_id=str(ctxt.user_id),
            policy=policy,
            rules=rules,
        )
        return {"server_group": _shown(req, group)}

    def show(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> dict[str, Any]:
        """GET /os-server-groups/{group_id}"""
        return {"server_group": _shown(req, self._get(req, group_id, "os-server-groups:show"))}

    def delete(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        """DELETE /os-server-groups/{group_id}: its servers stay"""
        group = self._get(req, group_id, "os-server-groups:delete")
        server_groups.delete(self._db, group.uuid)

    def _get(self, req: falcon.Request, group_id: str, rule: str) -> ServerGroup:
        """The group, if the request may do `rule` to it; errors.NotFound for foreign ones."""
        if len(group_id) > 36 or not group_id.isprintable():
            raise server_groups.not_found(group_id)
        group = server_groups.get(self._db, group_id)
        if group.project_id != req.context.ctxt.project_id and not self._access.privileged(req):
            raise server_groups.not_found(group_id)
        self._access.check(req, rule, project_id=group.project_id)
        return group


def _shown(req: falcon.Request, group: ServerGroup) -> dict[str, Any]:
    version = req.context.version
    shown: dict[str, Any] = {"id": group.uuid, "name": group.name, "members": group.members}
    if version >= (2, 64):
        shown |= {"policy": group.policy, "rules": group.rules}
    else:
        # `metadata` never held anything; 2.64 took it away.
        shown |= {"policies": [group.policy], "metadata": {}}
    if version >= (2, 13):
        shown |= {"project_id": group.project_id, "user_id": group.user_id}
    return shown

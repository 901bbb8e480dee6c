"""Servers: launch, list, show, rename, delete. What a launch decides is in `launch`."""

from typing import Any

import falcon

from minova.api import paging, server_filters
from minova.api.access import Access
from minova.api.launch import Launched, Launcher
from minova.api.lifecycle import Lifecycle
from minova.api.schemas import servers as schemas
from minova.api.validation import address, boolean
from minova.api.views import links
from minova.api.views import servers as views
from minova.common.wsgi import Route
from minova.db import instances, server_list


class Servers:
    """The handlers of /servers."""

    def __init__(self, access: Access, launcher: Launcher, lifecycle: Lifecycle) -> None:
        self._access, self._db = access, access.db
        self._launcher, self._lifecycle = launcher, lifecycle

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/servers", self.index),
            Route("GET", "/v2.1/servers/detail", self.detail),
            Route("POST", "/v2.1/servers", self.create, 202),
            Route("GET", "/v2.1/servers/{server_id}", self.show),
            Route("PUT", "/v2.1/servers/{server_id}", self.update),
            Route("DELETE", "/v2.1/servers/{server_id}", self.delete, 204),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /servers"""
        self._access.check(req, "servers:index")
        wanted = server_filters.read(self._access, req)
        found = server_list.names(self._db, *wanted) if wanted else []
        body = {"servers": [views.brief(req, uuid, name) for uuid, name in found]}
        full = wanted is not None and len(found) == wanted[1].limit
        return paging.with_next(req, "servers", body, found[-1][0] if found else None, full)

    def detail(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /servers/detail"""
        self._access.check(req, "servers:detail")
        wanted = server_filters.read(self._access, req)
        found = server_list.servers(self._db, *wanted) if wanted else []
        view = views.View(self._access, req)
        body = {"servers": [view.full(instance, groups=False) for instance in found]}
        full = wanted is not None and len(found) == wanted[1].limit
        return paging.with_next(req, "servers", body, found[-1].uuid if found else None, full)

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /servers: step 2 of a launch; steps 3 to 5 happen inside."""
        self._access.check(req, "servers:create")
        body = schemas.CREATE.of(req)
        launched = self._launcher.launch(req, body)
        if boolean(body["server"].get("return_reservation_id", False)):
            return {"reservation_id": launched.reservation_id}
        return self._created(req, resp, launched)

    @staticmethod
    def _created(req: falcon.Request, resp: falcon.Response, launched: Launched) -> dict[str, Any]:
        first = launched.instances[0]
        where = links.of(req, f"servers/{first.uuid}")
        resp.set_header("Location", where[0]["href"])
        return {
            "server": {
                "id": first.uuid,
                "links": where,
                "OS-DCF:diskConfig": first.disk_config,
                "security_groups": [{"name": name} for name in first.security_group_names],
                "adminPass": launched.admin_password,
            }
        }

    def show(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}"""
        instance = self._access.server(req, server_id, "servers:show")
        return {"server": views.View(self._access, req).full(instance, groups=True)}

    def update(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """PUT /servers/{server_id}: names, addresses, description"""
        instance = self._access.server(req, server_id, "servers:update")
        wanted = schemas.UPDATE.of(req)["server"]
        columns = {
            "name": "name",
            "description": "description",
            "hostname": "hostname",
            "accessIPv4": "access_ip_v4",
            "accessIPv6": "access_ip_v6",
            "OS-DCF:diskConfig": "disk_config",
        }
        values = {columns[key]: value for key, value in wanted.items()}
        for column in ("access_ip_v4", "access_ip_v6"):
            if column in values:
                values[column] = address(values[column])
        if values:
            instances.update(self._db, instance.uuid, **values)
        instance = instances.get(self._db, instance.uuid)
        view = views.View(self._access, req)
        if req.context.version >= (2, 75):
            return {"server": view.full(instance, groups=True)}
        return {"server": view.plain(instance)}

    def delete(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        """DELETE /servers/{server_id}"""
        instance = self._access.server(req, server_id, "servers:delete")
        self._lifecycle.delete(req.context.ctxt, instance)

"""Consoles opened from afar, since 2.6: one resource for every protocol. Before, see actions."""

from typing import Any

import falcon

from minova.api import consoles, microversions
from minova.api.access import Access
from minova.api.lifecycle import Lifecycle
from minova.api.schemas import remote_consoles as schemas
from minova.common.wsgi import Route


class RemoteConsoles:
    """The handler of /servers/{server_id}/remote-consoles."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access, self._lifecycle = access, lifecycle

    def routes(self) -> list[Route]:
        return [Route("POST", "/v2.1/servers/{server_id}/remote-consoles", self.create)]

    @microversions.window("2.6")
    def create(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """POST /servers/{server_id}/remote-consoles"""
        instance = self._access.server(req, server_id, "os-remote-consoles")
        wanted = schemas.CREATE.of(req)["remote_console"]
        protocol, kind = wanted["protocol"], wanted["type"]
        url = consoles.url(
            self._access.db, self._lifecycle, req.context.ctxt, instance, protocol, kind
        )
        return {"remote_console": {"protocol": protocol, "type": kind, "url": url}}

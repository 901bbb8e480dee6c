"""Small looks at one server: its addresses, and its NUMA topology."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.api.microversions import window
from minova.api.views import servers as views
from minova.common import errors
from minova.common.wsgi import Route


class ServerDetails:
    """The handlers of /servers/{server_id}/ips and /topology."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/servers/{server_id}/ips", self.ips),
            Route("GET", "/v2.1/servers/{server_id}/ips/{label}", self.ips_of),
            Route("GET", "/v2.1/servers/{server_id}/topology", self.topology),
        ]

    def ips(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/ips"""
        instance = self._access.server(req, server_id, "ips:index")
        return {"addresses": views.short_addresses(instance)}

    def ips_of(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, label: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/ips/{label}"""
        instance = self._access.server(req, server_id, "ips:show")
        found = views.short_addresses(instance)
        if label not in found:
            raise errors.NotFound("Instance is not a member of specified network")
        return {label: found[label]}

    @window("2.78")
    def topology(
        self, req: falcon.Request, resp: falcon.Response, server_id: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/topology: guests have no NUMA nodes of their own here"""
        self._access.server(req, server_id, "compute:server:topology:index")
        return {"nodes": [], "pagesize_kb": None}

"""A server's security groups, and the rules they have."""

from typing import Any

import falcon

from minova.api import port_security_groups
from minova.api.access import Access
from minova.api.views import security_groups as views
from minova.clients.session import RestClient
from minova.common.wsgi import Route


class SecurityGroups:
    """The handler of /servers/{server_id}/os-security-groups."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [Route("GET", "/v2.1/servers/{server_id}/os-security-groups", self.index)]

    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/os-security-groups"""
        instance = self._access.server(req, server_id, "os-security-groups:list")
        ctxt = req.context.ctxt
        groups = port_security_groups.of_server(ctxt, instance)
        groups.sort(key=lambda group: (views.project_of(group), group["name"]))
        names = views.sources(RestClient("network", "network", "/v2.0", caller=ctxt), groups)
        return {"security_groups": [views.group(group, names) for group in groups]}

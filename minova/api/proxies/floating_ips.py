"""Floating IPs and their pools, as far as the network service has any.

A server's own record of its addresses is renewed when one comes or goes.
"""

from typing import Any

import falcon

from minova.api import floating
from minova.api.access import Access
from minova.api.floating import FloatingIP
from minova.api.microversions import window
from minova.api.schemas import proxies as schemas
from minova.common import errors, wsgi
from minova.common.wsgi import Route


class FloatingIPProxies:
    """The handlers of /os-floating-ips and /os-floating-ip-pools."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        path = "/v2.1/os-floating-ips"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create),
            Route("GET", path + "/{floating_id}", self.show),
            Route("DELETE", path + "/{floating_id}", self.delete, 202),
            Route("GET", "/v2.1/os-floating-ip-pools", self.pools),
        ]

    @window("2.1", "2.35")
    def pools(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-floating-ip-pools"""
        ctxt = self._access.check(req, "os-floating-ip-pools")
        found = floating.Client(ctxt).pools()
        return {"floating_ip_pools": [{"name": pool["name"] or pool["id"]} for pool in found]}

    @window("2.1", "2.35")
    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-floating-ips"""
        ctxt = self._access.check(req, "os-floating-ips:list")
        found = floating.Client(ctxt).find(project_id=ctxt.project_id)
        return {"floating_ips": [_shown(each) for each in found]}

    @window("2.1", "2.35")
    def show(self, req: falcon.Request, resp: falcon.Response, floating_id: str) -> dict[str, Any]:
        """GET /os-floating-ips/{floating_id}"""
        ctxt = self._access.check(req, "os-floating-ips:show")
        return {"floating_ip": _shown(floating.Client(ctxt).get(floating_id))}

    @window("2.1", "2.35")
    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-floating-ips"""
        ctxt = self._access.check(req, "os-floating-ips:create")
        body = wsgi.body_of(req) if req.content_length else None
        if body is not None:
            schemas.FLOATING_IP.check(req.context.version, body)
        pool = body.get("pool") if body else None
        return {"floating_ip": _shown(floating.Client(ctxt).allocate(pool))}

    @window("2.1", "2.35")
    def delete(self, req: falcon.Request, resp: falcon.Response, floating_id: str) -> None:
        """DELETE /os-floating-ips/{floating_id}"""
        ctxt = self._access.check(req, "os-floating-ips:delete")
        client = floating.Client(ctxt)
        found = client.get(floating_id)
        client.release(found)
        if found.server_id:
            floating.refresh(self._access.db, client, found.server_id)


def _shown(found: FloatingIP) -> dict[str, Any]:
    if not found.address:
        raise errors.NotFound("Floating IP not found")
    return {
        "id": found.id,
        "ip": found.address,
        "pool": found.pool,
        "fixed_ip": found.fixed_address,
        "instance_id": found.server_id,
    }

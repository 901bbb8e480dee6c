"""The administrator's password that a guest has posted, encrypted for its owner's key pair."""

import falcon

from minova.api.access import Access
from minova.common.wsgi import Route
from minova.db import instances

_PATH = "/v2.1/servers/{server_id}/os-server-password"


class ServerPassword:
    """The handlers of /servers/{server_id}/os-server-password."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [Route("GET", _PATH, self.show), Route("DELETE", _PATH, self.clear, 204)]

    def show(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, str]:
        """GET /servers/{server_id}/os-server-password; empty when the guest has posted none"""
        instance = self._access.server(req, server_id, "os-server-password:show")
        return {"password": instance.password or ""}

    def clear(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        """DELETE /servers/{server_id}/os-server-password: the guest may post another"""
        instance = self._access.server(req, server_id, "os-server-password:clear")
        instances.update(self._access.db, instance.uuid, password=None)

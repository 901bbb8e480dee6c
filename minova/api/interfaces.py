"""A server's network interfaces: its ports."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.wsgi import Route
from minova.model.instance import Instance


class Interfaces:
    """The handlers of /servers/{server_id}/os-interface."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/os-interface"
        return [
            Route("GET", path, self.index),
            Route("GET", path + "/{port_id}", self.show),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/os-interface"""
        instance = self._access.server(req, server_id, "os-attach-interfaces:list")
        ports = NetworkClient(req.context.ctxt).ports(device_id=instance.uuid)
        return {"interfaceAttachments": [_shown(req, instance, port) for port in ports]}

    def show(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, port_id: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/os-interface/{port_id}"""
        instance = self._access.server(req, server_id, "os-attach-interfaces:show")
        for port in NetworkClient(req.context.ctxt).ports(device_id=instance.uuid):
            if port["id"] == port_id:
                return {"interfaceAttachment": _shown(req, instance, port)}
        raise errors.NotFound(
            f"Instance {instance.uuid} does not have a port with id {port_id[:64]}"
        )


def _shown(req: falcon.Request, instance: Instance, port: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "net_id": port["network_id"],
        "port_id": port["id"],
        "mac_addr": port["mac_address"],
        "port_state": port["status"],
        "fixed_ips": [
            {"subnet_id": fixed["subnet_id"], "ip_address": fixed["ip_address"]}
            for fixed in port.get("fixed_ips", [])
        ],
    }
    if req.context.version >= (2, 70):
        tags = {vif.port_id: vif.tag for vif in instance.vifs}
        shown["tag"] = tags.get(port["id"])
    return shown

"""A server's network interfaces, which are its ports: listed, attached and detached."""

import logging
from dataclasses import replace
from typing import Any

import falcon

from minova.api import interface_attaching
from minova.api.access import Access
from minova.api.errors import InterfaceAttachFailed
from minova.api.lifecycle import Lifecycle
from minova.api.schemas import interfaces as schemas
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.common.wsgi import Route
from minova.db import states
from minova.model.instance import Instance

LOG = logging.getLogger(__name__)
# Seconds a guest has to take a new interface before the client is answered all the same.
_PATIENCE = 30.0


class Interfaces:
    """The handlers of /servers/{server_id}/os-interface."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access, self._lifecycle = access, lifecycle

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/os-interface"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create),
            Route("GET", path + "/{port_id}", self.show),
            Route("DELETE", path + "/{port_id}", self.delete, 202),
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
        port = _port(NetworkClient(req.context.ctxt), instance, port_id)
        return {"interfaceAttachment": _shown(req, instance, port)}

    def create(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """POST /servers/{server_id}/os-interface: answered when the guest has it"""
        instance = self._access.server(req, server_id, "os-attach-interfaces:create")
        wanted = schemas.ATTACH.of(req).get("interfaceAttachment") or {}
        ctxt: RequestContext = req.context.ctxt
        states.check(ctxt, instance, "attach_interface")
        if instance.host is None:
            raise errors.Conflict(f"Instance {instance.uuid} is not ready")
        with Undo() as undo:
            vif = interface_attaching.made(self._access.db, req, instance, wanted, undo)
            begun = self._lifecycle.begin(
                ctxt, instance, "attach_interface", request={"port_id": vif.port_id}
            )
            undo.clear()
        failure = self._lifecycle.outcome(begun, _PATIENCE)
        if failure:
            # A server that is being deleted meanwhile has refused it, and says so.
            now = self._access.server(req, server_id, "os-attach-interfaces:create")
            states.check(ctxt, now, "attach_interface")
            LOG.error("%s", failure)
            raise InterfaceAttachFailed(instance=instance.uuid)
        port = NetworkClient().port(vif.port_id)
        return {"interfaceAttachment": _shown(req, replace(instance, vifs=[vif]), port)}

    def delete(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, port_id: str
    ) -> None:
        """DELETE /servers/{server_id}/os-interface/{port_id}"""
        instance = self._access.server(req, server_id, "os-attach-interfaces:delete")
        states.check(req.context.ctxt, instance, "detach_interface")
        if all(vif.port_id != port_id for vif in instance.vifs):
            _port(NetworkClient(), instance, port_id)
        self._lifecycle.begin(
            req.context.ctxt, instance, "detach_interface", request={"port_id": port_id}
        )


def _port(client: NetworkClient, instance: Instance, port_id: str) -> dict[str, Any]:
    for port in client.ports(device_id=instance.uuid):
        if port["id"] == port_id:
            return port
    raise errors.NotFound(f"Instance {instance.uuid} does not have a port with id {port_id[:64]}")


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

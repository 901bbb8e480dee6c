"""Networks as the first compute API showed them: of thirty fields, two still say something."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.api.microversions import window
from minova.api.validation import is_uuid
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.wsgi import Route

_EMPTY = (
    *("cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6"),
    "netmask_v6",
)
_EMPTY_FOR_ADMINS = (
    *("created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan"),
    *("vpn_public_address", "vpn_public_port", "vpn_private_address", "dhcp_start", "project_id"),
    *("host", "bridge_interface", "multi_host", "priority", "rxtx_base", "mtu", "dhcp_server"),
    *("enable_dhcp", "share_address"),
)
Network = dict[str, Any]


class NetworkProxies:
    """The handlers of /os-networks and /os-tenant-networks."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        every, own = "/v2.1/os-networks", "/v2.1/os-tenant-networks"
        return [
            Route("GET", every, self.index),
            Route("GET", every + "/{network_id}", self.show),
            Route("GET", own, self.index_own),
            Route("GET", own + "/{network_id}", self.show_own),
        ]

    @window("2.1", "2.35")
    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-networks"""
        ctxt = self._access.check(req, "os-networks:list")
        return {"networks": [self._full(req, network) for network in _usable(ctxt)]}

    @window("2.1", "2.35")
    def show(self, req: falcon.Request, resp: falcon.Response, network_id: str) -> dict[str, Any]:
        """GET /os-networks/{network_id}"""
        ctxt = self._access.check(req, "os-networks:show")
        return {"network": self._full(req, _get(ctxt, network_id))}

    @window("2.1", "2.35")
    def index_own(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-tenant-networks"""
        ctxt = self._access.check(req, "os-tenant-networks:list")
        return {"networks": [_brief(network) for network in _usable(ctxt)]}

    @window("2.1", "2.35")
    def show_own(
        self, req: falcon.Request, resp: falcon.Response, network_id: str
    ) -> dict[str, Any]:
        """GET /os-tenant-networks/{network_id}"""
        ctxt = self._access.check(req, "os-tenant-networks:show")
        return {"network": _brief(_get(ctxt, network_id))}

    def _full(self, req: falcon.Request, network: Network) -> dict[str, Any]:
        admin = _EMPTY_FOR_ADMINS if self._access.privileged(req) else ()
        return {**dict.fromkeys((*_EMPTY, *admin)), "id": network["id"], "label": network["name"]}


def _usable(ctxt: RequestContext) -> list[Network]:
    """The project's networks, and the shared ones."""
    return [
        network
        for network in NetworkClient(ctxt).networks()
        if network.get("shared") or network.get("project_id") == ctxt.project_id
    ]


def _get(ctxt: RequestContext, network_id: str) -> Network:
    missing = errors.NotFound("Network not found")
    if not is_uuid(network_id):
        raise missing
    try:
        return NetworkClient(ctxt).network(network_id)
    except errors.NotFound:
        raise missing from None


def _brief(network: Network) -> dict[str, Any]:
    # The word `None`, which Nova always answered with the network service behind it.
    return {"id": network["id"], "label": network["name"], "cidr": "None"}

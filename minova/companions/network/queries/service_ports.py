"""Ports the network service makes for itself: of routers, and for floating addresses."""

from collections.abc import Sequence
from typing import Any

from minova.companions.network.queries import ports
from minova.companions.network.queries.networks import DHCP_OWNER
from minova.companions.network.queries.subnets import ROUTER_OWNER
from minova.db.engine import Database

Row = dict[str, Any]
INTERFACE_OWNER = ROUTER_OWNER
GATEWAY_OWNER = "network:router_gateway"
FLOATING_OWNER = "network:floatingip"
OWNERS = frozenset({DHCP_OWNER, INTERFACE_OWNER, GATEWAY_OWNER, FLOATING_OWNER})


def create(
    db: Database,
    network: Row,
    subnets: Sequence[Row],
    mac_prefix: str,
    *,
    device_id: str,
    device_owner: str,
    project_id: str = "",
    fixed_ips: Sequence[Row] | None = None,
) -> Row:
    """A port that nobody may change or delete by the port API. Errors as `ports.create`."""
    values: Row = {
        "project_id": project_id,
        "name": "",
        "description": "",
        "admin_state_up": True,
        "status": "ACTIVE",
        "device_id": device_id,
        "device_owner": device_owner,
        "port_security_enabled": False,
        "allowed_address_pairs": [],
        "dns_name": "",
        "vnic_type": "normal",
        "host": "",
        "vif_type": "unbound",
        "profile": {},
    }
    request = ports.PortRequest(network, subnets, fixed_ips=fixed_ips, values=values)
    return ports.create(db, [request], mac_prefix)[0]

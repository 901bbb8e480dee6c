"""Subnets in the database, and the DHCP port that serves those of a network.

A network with a subnet that wants DHCP has one port `network:dhcp`. It holds
the first free address of each such IPv4 subnet, so that every agent knows
where DHCP, DNS and metadata answer.
"""

import ipaddress
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from minova.common import errors as common_errors
from minova.companions.network import addresses, errors
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import quotas
from minova.companions.network.queries.networks import DHCP_OWNER
from minova.companions.network.queries.standard import stamp, update_values
from minova.companions.network.tables import ip_allocations, networks, ports, subnets
from minova.db.engine import Database, retried

Row = dict[str, Any]
ROUTER_OWNER = "network:router_interface"


@retried
def create(db: Database, wanted: Sequence[Row], mac_prefix: str) -> list[Row]:
    """Insert subnets, all or none. OverQuota, NetworkNotFound, InvalidInput on overlap."""
    for attempt in range(8):
        try:
            with db.transaction() as connection:
                quotas.check(connection, "subnet", [values["project_id"] for values in wanted])
                return [_create_one(connection, values, mac_prefix) for values in wanted]
        except common_errors.DuplicateEntry:
            if attempt == 7:
                raise
    raise AssertionError("unreachable")


def get(connection: sa.Connection, subnet_id: str) -> Row:
    """The subnet with its network's `network:project_id` and `network:shared`."""
    row = (
        connection.execute(
            sa.select(
                subnets,
                networks.c.project_id.label("network:project_id"),
                sa.or_(networks.c.shared, networks.c.external).label("network:shared"),
            )
            .join(networks, networks.c.id == subnets.c.network_id)
            .where(subnets.c.id == subnet_id)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise errors.SubnetNotFound(id=subnet_id)
    return dict(row)


def of_network(connection: sa.Connection, network_id: str) -> list[Row]:
    """The network's subnets, in order of creation."""
    rows = connection.execute(
        sa.select(subnets)
        .where(subnets.c.network_id == network_id)
        .order_by(subnets.c.created_at, subnets.c.id)
    )
    return [dict(row) for row in rows.mappings()]


@retried
def update(db: Database, subnet: Row, changes: Row, mac_prefix: str) -> None:
    """Apply `changes`; GatewayIpInUse when the gateway would change, and is a router's."""
    with db.transaction() as connection:
        network_queries.get(connection, subnet["network_id"], lock=True)
        gateway = subnet["gateway_ip"]
        if gateway is not None and changes.get("gateway_ip", gateway) != gateway:
            router_port = connection.execute(
                sa.select(ip_allocations.c.port_id)
                .join(ports, ports.c.id == ip_allocations.c.port_id)
                .where(
                    ip_allocations.c.network_id == subnet["network_id"],
                    ip_allocations.c.ip_address == gateway,
                    ports.c.device_owner == ROUTER_OWNER,
                )
            ).scalar()
            if router_port is not None:
                raise errors.GatewayIpInUse(ip=gateway, port_id=router_port)
        connection.execute(
            sa.update(subnets)
            .where(subnets.c.id == subnet["id"])
            .values(**update_values(subnets), **changes)
        )
        wants_dhcp = changes.get("enable_dhcp", subnet["enable_dhcp"])
        if wants_dhcp and subnet["dhcp_ip"] is None:
            _give_dhcp(connection, {**subnet, **changes}, mac_prefix)
        elif not wants_dhcp and subnet["dhcp_ip"] is not None:
            _take_dhcp(connection, subnet)


@retried
def delete(db: Database, subnet_id: str) -> None:
    """Remove the subnet; SubnetInUse while ports other than DHCP's have addresses of it."""
    with db.transaction() as connection:
        subnet = get(connection, subnet_id)
        network_queries.get(connection, subnet["network_id"], lock=True)
        in_use = connection.execute(
            sa.select(ip_allocations.c.port_id)
            .join(ports, ports.c.id == ip_allocations.c.port_id)
            .where(ip_allocations.c.subnet_id == subnet_id, ports.c.device_owner != DHCP_OWNER)
            .limit(1)
        ).first()
        if in_use:
            raise errors.SubnetInUse(id=subnet_id)
        _take_dhcp(connection, subnet)
        connection.execute(sa.delete(subnets).where(subnets.c.id == subnet_id))


def _create_one(connection: sa.Connection, values: Row, mac_prefix: str) -> Row:
    network = network_queries.get(connection, values["network_id"], lock=True)
    overlapped = addresses.overlapping(
        values["cidr"], [other["cidr"] for other in of_network(connection, network["id"])]
    )
    if overlapped is not None:
        raise errors.InvalidInput(
            reason=f"Requested subnet with cidr: {values['cidr']} for network: {network['id']} "
            f"overlaps with another subnet ({overlapped})"
        )
    row = {"id": str(uuid.uuid4()), "dhcp_ip": None, **stamp(), **values}
    connection.execute(sa.insert(subnets).values(**row))
    if network["nat"] and not _may_nat(connection, row):
        connection.execute(
            sa.update(networks).where(networks.c.id == network["id"]).values(nat=False)
        )
    if row["enable_dhcp"]:
        row["dhcp_ip"] = _give_dhcp(connection, row, mac_prefix)
    return row


def _may_nat(connection: sa.Connection, subnet: Row) -> bool:
    """Whether the host may hold this subnet's gateway.

    Two networks of one range cannot both be reached from the host: the older
    one is. A range of the Internet only by an admin's wish (a flat or an external
    network), or anyone could take a part of the Internet away from the host.
    """
    if subnet["ip_version"] == 6:
        return True
    others = connection.execute(
        sa.select(
            subnets.c.cidr,
            networks.c.id,
            sa.or_(networks.c.network_type == "flat", networks.c.external),
        )
        .join(networks, networks.c.id == subnets.c.network_id)
        .where(
            subnets.c.ip_version == 4,
            sa.or_(networks.c.nat, networks.c.id == subnet["network_id"]),
        )
    ).all()
    by_admin = any(
        network_id == subnet["network_id"] and admins for _, network_id, admins in others
    )
    if not by_admin and not addresses.is_private(ipaddress.ip_network(subnet["cidr"])):
        return False
    foreign = [cidr for cidr, network_id, _ in others if network_id != subnet["network_id"]]
    return addresses.overlapping(subnet["cidr"], foreign) is None


def _give_dhcp(connection: sa.Connection, subnet: Row, mac_prefix: str) -> str | None:
    """Give the network's DHCP port the subnet's first free address; None when it is full."""
    if subnet["ip_version"] != 4:
        return None
    taken = connection.scalars(
        sa.select(ip_allocations.c.ip_address).where(ip_allocations.c.subnet_id == subnet["id"])
    )
    ip = addresses.first_free(subnet["allocation_pools"], set(taken))
    if ip is None:
        return None
    port_id = _dhcp_port(connection, subnet["network_id"], mac_prefix)
    connection.execute(
        sa.insert(ip_allocations).values(
            network_id=subnet["network_id"],
            ip_address=ip,
            subnet_id=subnet["id"],
            port_id=port_id,
            position=0,
        )
    )
    connection.execute(sa.update(subnets).where(subnets.c.id == subnet["id"]).values(dhcp_ip=ip))
    return ip


def _take_dhcp(connection: sa.Connection, subnet: Row) -> None:
    """Take the DHCP port's address back, and the port when it was the last."""
    connection.execute(
        sa.delete(ip_allocations).where(
            ip_allocations.c.network_id == subnet["network_id"],
            ip_allocations.c.ip_address == subnet["dhcp_ip"],
        )
    )
    connection.execute(sa.update(subnets).where(subnets.c.id == subnet["id"]).values(dhcp_ip=None))
    connection.execute(
        sa.delete(ports).where(
            ports.c.network_id == subnet["network_id"],
            ports.c.device_owner == DHCP_OWNER,
            ports.c.id.not_in(sa.select(ip_allocations.c.port_id)),
        )
    )


def _dhcp_port(connection: sa.Connection, network_id: str, mac_prefix: str) -> str:
    known = connection.execute(
        sa.select(ports.c.id).where(
            ports.c.network_id == network_id, ports.c.device_owner == DHCP_OWNER
        )
    ).scalar()
    if known is not None:
        return str(known)
    network = network_queries.get(connection, network_id)
    port_id = str(uuid.uuid4())
    connection.execute(
        sa.insert(ports).values(
            id=port_id,
            project_id=network["project_id"],
            network_id=network_id,
            mac_address=addresses.random_mac(mac_prefix),
            admin_state_up=True,
            status="ACTIVE",
            device_id=f"dhcp-{network_id}",
            device_owner=DHCP_OWNER,
            port_security_enabled=False,
            allowed_address_pairs=[],
            dns_name="",
            vnic_type="normal",
            host="",
            vif_type="unbound",
            profile={},
            **stamp(),
        )
    )
    return port_id

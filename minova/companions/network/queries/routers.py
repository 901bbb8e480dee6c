"""Routers in the database, their ways out, and what hosts have to know of them.

A host is the gateway of its networks anyway; what a router adds is that the
subnets on it reach each other, that the host holds its addresses on them, and
that floating addresses can lead to their ports.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from minova.companions.network import errors
from minova.companions.network.queries import interfaces, quotas
from minova.companions.network.queries.service_ports import INTERFACE_OWNER
from minova.companions.network.queries.standard import stamp, update_values
from minova.companions.network.tables import (
    floating_ips,
    ip_allocations,
    networks,
    ports,
    routers,
    subnets,
)
from minova.db.engine import Database, retried

Row = dict[str, Any]


@retried
def create(db: Database, values: Row) -> Row:
    """Insert a router without a way out. OverQuota."""
    row = {
        "id": str(uuid.uuid4()),
        **stamp(),
        "external_network_id": None,
        "gateway_port_id": None,
        "routes": [],
        "enable_snat": True,
        **values,
    }
    with db.transaction() as connection:
        quotas.check(connection, "router", [row["project_id"]])
        connection.execute(sa.insert(routers), row)
    return row


@retried
def update(db: Database, router_id: str, changes: Row) -> None:
    """Apply `changes` to the plain columns."""
    with db.transaction() as connection:
        connection.execute(
            sa.update(routers)
            .where(routers.c.id == router_id)
            .values(**update_values(routers), **changes)
        )


@retried
def set_gateway(
    db: Database,
    router: Row,
    network_id: str | None,
    port_id: str | None,
    enable_snat: bool = True,
) -> None:
    """Give the router this way out, or None, in place of the one `router` has.

    RouterExternalGatewayInUseByFloatingIp when addresses of the former network
    lead through it; Conflict when someone else changed it meanwhile.
    """
    with db.transaction() as connection:
        if router["external_network_id"] is not None:
            led = sa.select(floating_ips.c.id).where(
                floating_ips.c.router_id == router["id"], floating_ips.c.port_id.is_not(None)
            )
            if connection.execute(led.limit(1)).first():
                raise errors.RouterExternalGatewayInUseByFloatingIp(
                    id=router["id"], network_id=router["external_network_id"]
                )
        former = routers.c.gateway_port_id
        known = router["gateway_port_id"]
        changed = connection.execute(
            sa.update(routers)
            .where(routers.c.id == router["id"], former == known if known else former.is_(None))
            .values(
                **update_values(routers),
                external_network_id=network_id,
                gateway_port_id=port_id,
                enable_snat=enable_snat,
            )
        )
        if not changed.rowcount:
            raise errors.RouterChanged(id=router["id"])
        if known:
            connection.execute(sa.delete(ports).where(ports.c.id == known))


@retried
def delete(db: Database, router: Row) -> None:
    """Remove the router and its way out; RouterInUse while it has interfaces."""
    with db.transaction() as connection:
        if interfaces.of_router(connection, router["id"]):
            raise errors.RouterInUse(id=router["id"])
        found = connection.execute(
            sa.select(routers.c.gateway_port_id)
            .where(routers.c.id == router["id"])
            .with_for_update()
        ).first()
        if found is None:
            raise errors.RouterNotFound(id=router["id"])
        connection.execute(sa.delete(routers).where(routers.c.id == router["id"]))
        connection.execute(sa.delete(ports).where(ports.c.id == found[0]))


def leading(connection: sa.Connection, subnet_id: str, external_network_id: str) -> str | None:
    """The router between a subnet and an external network; of several, the subnet's gateway."""
    found = connection.scalar(
        sa.select(routers.c.id)
        .join(ports, ports.c.device_id == routers.c.id)
        .join(ip_allocations, ip_allocations.c.port_id == ports.c.id)
        .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
        .where(
            ports.c.device_owner == INTERFACE_OWNER,
            ip_allocations.c.subnet_id == subnet_id,
            routers.c.external_network_id == external_network_id,
        )
        .order_by(
            sa.case((ip_allocations.c.ip_address == subnets.c.gateway_ip, 0), else_=1),
            routers.c.created_at,
        )
        .limit(1)
    )
    return str(found) if found is not None else None


def joined(connection: sa.Connection) -> dict[str, list[Row]]:
    """router -> the IPv4 subnets it routes between, as {network_id, cidr}; of those that are up.

    Networks that hosts cannot route to, as their ranges overlap, are left out.
    """
    rows = connection.execute(
        sa.select(routers.c.id, subnets.c.network_id, subnets.c.cidr)
        .join(ports, ports.c.device_id == routers.c.id)
        .join(ip_allocations, ip_allocations.c.port_id == ports.c.id)
        .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
        .join(networks, networks.c.id == subnets.c.network_id)
        .where(
            ports.c.device_owner == INTERFACE_OWNER,
            routers.c.admin_state_up,
            networks.c.nat,
            subnets.c.ip_version == 4,
        )
        .order_by(routers.c.id, subnets.c.id)
    )
    found: dict[str, list[Row]] = {}
    for router_id, network_id, cidr in rows:
        found.setdefault(router_id, []).append({"network_id": network_id, "cidr": cidr})
    return found


def unmasked(connection: sa.Connection) -> list[str]:
    """The IPv4 subnets that go outside with their own addresses.

    That is, those of which a router has a way out without SNAT, and none one with it.
    """
    rows = connection.execute(
        sa.select(subnets.c.cidr, sa.or_(routers.c.enable_snat.is_(None), routers.c.enable_snat))
        .join(ip_allocations, ip_allocations.c.subnet_id == subnets.c.id)
        .join(ports, ports.c.id == ip_allocations.c.port_id)
        .join(routers, routers.c.id == ports.c.device_id)
        .join(networks, networks.c.id == subnets.c.network_id)
        .where(
            ports.c.device_owner == INTERFACE_OWNER,
            routers.c.admin_state_up,
            routers.c.external_network_id.is_not(None),
            networks.c.nat,
            subnets.c.ip_version == 4,
        )
    )
    masked: dict[str, bool] = {}
    for cidr, snat in rows:
        masked[cidr] = masked.get(cidr, False) or bool(snat)
    return sorted(cidr for cidr, snat in masked.items() if not snat)


def held_by_hosts(connection: sa.Connection, of: Sequence[Row]) -> dict[str, list[str]]:
    """subnet -> the IPv4 addresses its hosts hold: its routers', and the gateway's.

    A host is the gateway of its networks, router or not, unless a guest is.
    """
    found = {row["id"]: set(_gateway_of(row)) for row in of}
    query = (
        sa.select(
            ip_allocations.c.subnet_id,
            ip_allocations.c.ip_address,
            ports.c.device_owner == INTERFACE_OWNER,
            routers.c.admin_state_up,
        )
        .join(ports, ports.c.id == ip_allocations.c.port_id)
        .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
        .outerjoin(routers, routers.c.id == ports.c.device_id)
        .where(
            subnets.c.network_id.in_({row["network_id"] for row in of}),
            subnets.c.ip_version == 4,
            sa.or_(
                ports.c.device_owner == INTERFACE_OWNER,
                ip_allocations.c.ip_address == subnets.c.gateway_ip,
            ),
        )
    )
    for subnet_id, ip, of_router, is_up in connection.execute(query) if of else ():
        if subnet_id not in found:
            continue
        if not of_router:
            found[subnet_id].discard(ip)
        elif is_up:
            found[subnet_id].add(ip)
    return {subnet_id: sorted(ips) for subnet_id, ips in found.items()}


def _gateway_of(subnet: Row) -> list[str]:
    wanted = subnet["ip_version"] == 4 and subnet["gateway_ip"]
    return [subnet["gateway_ip"]] if wanted else []


def gateways(connection: sa.Connection, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """router -> the addresses of its way out, as `fixed_ips`."""
    wanted = {row["gateway_port_id"]: row["id"] for row in rows if row["gateway_port_id"]}
    found: dict[str, list[Row]] = {row["id"]: [] for row in rows}
    query = sa.select(
        ip_allocations.c.port_id, ip_allocations.c.subnet_id, ip_allocations.c.ip_address
    ).where(ip_allocations.c.port_id.in_(list(wanted)))
    for port_id, subnet_id, ip in connection.execute(query) if wanted else ():
        found[wanted[port_id]].append({"subnet_id": subnet_id, "ip_address": ip})
    return found

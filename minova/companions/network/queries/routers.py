"""Routers in the database.

A router's interfaces are ports whose `device_id` is the router. A host is the
gateway of its networks anyway; what a router adds is that the networks on it
reach each other, and that floating addresses can lead to their ports.
"""

import ipaddress
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from minova.companions.network import errors
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import quotas
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
def set_gateway(db: Database, router: Row, network_id: str | None, port_id: str | None) -> None:
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
                **update_values(routers), external_network_id=network_id, gateway_port_id=port_id
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
        if interfaces(connection, [router["id"]])[router["id"]]:
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


def interfaces(connection: sa.Connection, router_ids: Collection[str]) -> dict[str, list[Row]]:
    """router -> its interface ports, each with one entry of `fixed_ips` or more."""
    found: dict[str, list[Row]] = {router_id: [] for router_id in router_ids}
    rows = connection.execute(
        sa.select(ports).where(
            ports.c.device_owner == INTERFACE_OWNER, ports.c.device_id.in_(list(router_ids))
        )
    )
    of_all = port_queries.with_parts(connection, [dict(row) for row in rows.mappings()])
    for port in of_all:
        found[port["device_id"]].append(port)
    return found


def check_interface(connection: sa.Connection, router_id: str, subnet: Row) -> None:
    """BadRequest unless the subnet can be joined to the router."""
    for port in interfaces(connection, [router_id])[router_id]:
        for fixed in port["fixed_ips"]:
            if fixed["subnet_id"] == subnet["id"]:
                raise errors.HTTPBadRequest(f"Router already has a port on subnet {subnet['id']}")
            cidr = connection.scalar(
                sa.select(subnets.c.cidr).where(subnets.c.id == fixed["subnet_id"])
            )
            known, wanted = ipaddress.ip_network(str(cidr)), ipaddress.ip_network(subnet["cidr"])
            if known.version == wanted.version and known.overlaps(wanted):
                raise errors.HTTPBadRequest(
                    f"Cidr {subnet['cidr']} of subnet {subnet['id']} overlaps with cidr {cidr} "
                    f"of subnet {fixed['subnet_id']}"
                )


@retried
def take_interface(db: Database, port_id: str, router_id: str) -> None:
    """Make a port that nobody has the router's. PortInUse."""
    with db.transaction() as connection:
        taken = connection.execute(
            sa.update(ports)
            .where(ports.c.id == port_id, ports.c.device_id == "")
            .values(
                **update_values(ports),
                device_id=router_id,
                device_owner=INTERFACE_OWNER,
                status="ACTIVE",
            )
        )
        if not taken.rowcount:
            raise errors.PortInUse(id=port_id)


@retried
def remove_interface(db: Database, router_id: str, port_id: str) -> None:
    """Delete an interface; RouterInterfaceInUseByFloatingIP when addresses lead through it."""
    with db.transaction() as connection:
        of_port = sa.select(ip_allocations.c.subnet_id).where(ip_allocations.c.port_id == port_id)
        led = (
            sa.select(floating_ips.c.id)
            .join(ip_allocations, ip_allocations.c.port_id == floating_ips.c.port_id)
            .where(
                floating_ips.c.router_id == router_id,
                floating_ips.c.fixed_ip_address == ip_allocations.c.ip_address,
                ip_allocations.c.subnet_id.in_(of_port),
            )
        )
        if connection.execute(led.limit(1)).first():
            raise errors.RouterInterfaceInUseByFloatingIP(id=router_id)
        connection.execute(sa.delete(ports).where(ports.c.id == port_id))


def leading(connection: sa.Connection, subnet_id: str, external_network_id: str) -> str | None:
    """The router between a subnet and an external network, if there is one."""
    found = connection.scalar(
        sa.select(routers.c.id)
        .join(ports, ports.c.device_id == routers.c.id)
        .join(ip_allocations, ip_allocations.c.port_id == ports.c.id)
        .where(
            ports.c.device_owner == INTERFACE_OWNER,
            ip_allocations.c.subnet_id == subnet_id,
            routers.c.external_network_id == external_network_id,
        )
        .limit(1)
    )
    return str(found) if found is not None else None


def joined_networks(connection: sa.Connection) -> list[tuple[str, list[str]]]:
    """(router, the networks the host routes between) of each that has several and is up."""
    rows = connection.execute(
        sa.select(routers.c.id, ports.c.network_id)
        .join(ports, ports.c.device_id == routers.c.id)
        .join(networks, networks.c.id == ports.c.network_id)
        .where(
            ports.c.device_owner == INTERFACE_OWNER,
            routers.c.admin_state_up,
            networks.c.nat,
        )
        .distinct()
    )
    found: dict[str, list[str]] = {}
    for router_id, network_id in rows:
        found.setdefault(router_id, []).append(network_id)
    return [(router_id, sorted(ids)) for router_id, ids in sorted(found.items()) if len(ids) > 1]


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

"""A router's interfaces: ports whose `device_id` is the router.

Each has the addresses its port has, on at most one IPv4 subnet and any of
IPv6; no two of a router's subnets overlap.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from minova.companions.network import addresses, errors
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries.service_ports import GATEWAY_OWNER, INTERFACE_OWNER
from minova.companions.network.queries.standard import update_values
from minova.companions.network.tables import (
    floating_ips,
    ip_allocations,
    ports,
    routers,
    subnets,
)
from minova.db.engine import Database, retried

Row = dict[str, Any]


def of_router(
    connection: sa.Connection, router_id: str, *owners: str, ipv6_on: str | None = None
) -> list[Row]:
    """The router's interfaces with their parts, the oldest first; or its ports of `owners`.

    `ipv6_on`: only those with an IPv6 address on the network of this id.
    """
    rows = connection.execute(
        sa.select(ports)
        .where(
            ports.c.device_id == router_id, ports.c.device_owner.in_(owners or [INTERFACE_OWNER])
        )
        .order_by(ports.c.created_at, ports.c.id)
    )
    found = port_queries.with_parts(connection, [dict(row) for row in rows.mappings()])
    if ipv6_on is None:
        return found
    return [port for port in found if port["network_id"] == ipv6_on and has_ipv6(port)]


def routes_of(connection: sa.Connection, router_id: str) -> list[Row]:
    """The router's routes, which stay until the end of the transaction; RouterNotFound."""
    query = sa.select(routers.c.routes).where(routers.c.id == router_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise errors.RouterNotFound(id=router_id)
    return row[0] or []


def has_ipv6(port: Row) -> bool:
    """Whether a port has an address of IPv6."""
    return any(":" in fixed["ip_address"] for fixed in port["fixed_ips"])


def check_change(
    connection: sa.Connection, port: Row, of_network: Sequence[Row], fixed_ips: Sequence[Row]
) -> None:
    """BadRequest unless the interface can get these addresses in place of its own."""
    new = [subnet for fixed in fixed_ips for subnet in of_network if _is_meant(subnet, fixed)]
    _check_versions(new)
    check(connection, port["device_id"], new, but=port["id"])


def _is_meant(subnet: Row, fixed: Row) -> bool:
    if fixed.get("subnet_id"):
        return bool(subnet["id"] == fixed["subnet_id"])
    try:
        return addresses.is_within(fixed.get("ip_address") or "", subnet["cidr"])
    except ValueError:
        return False  # it is refused as an address


def check(
    connection: sa.Connection,
    router_id: str,
    new: Sequence[Row],
    *,
    way_out: bool = False,
    but: str | None = None,
) -> None:
    """BadRequest unless these subnets can be joined to the router, or be its `way_out`.

    What the port `but` has does not count.
    """
    wanted = {subnet["id"] for subnet in new}
    own = INTERFACE_OWNER if not way_out else GATEWAY_OWNER
    present = []
    for port in of_router(connection, router_id, INTERFACE_OWNER, GATEWAY_OWNER):
        if port["id"] == but:
            continue
        for fixed in port["fixed_ips"]:
            if fixed["subnet_id"] in wanted:
                raise errors.BadRequest(
                    resource="router",
                    msg=f"Router already has a port on subnet {fixed['subnet_id']}",
                )
            if port["device_owner"] == own:
                present.append(fixed["subnet_id"])
    query = sa.select(subnets.c.id, subnets.c.cidr).where(subnets.c.id.in_(present))
    for subnet_id, cidr in connection.execute(query) if present else ():
        known = ipaddress.ip_network(cidr)
        for subnet in new:
            other = ipaddress.ip_network(subnet["cidr"])
            if known.version == other.version and known.overlaps(other):
                raise errors.BadRequest(
                    resource="router",
                    msg=f"Cidr {subnet['cidr']} of subnet {subnet['id']} overlaps with cidr {cidr} "
                    f"of subnet {subnet_id}",
                )


@retried
def take(db: Database, port_id: str, router_id: str) -> tuple[Row, list[Row]]:
    """Make a port that nobody has the router's; returns it, and the subnets it is on.

    PortInUse, or BadRequest when its addresses do not go with the router's others.
    """
    with db.transaction() as connection:
        # One at a time, so that no two join what overlaps.
        held = sa.select(routers.c.id).where(routers.c.id == router_id).with_for_update()
        if connection.execute(held).first() is None:
            raise errors.RouterNotFound(id=router_id)
        port = port_queries.get(connection, port_id, lock=True)
        if port["device_id"]:
            raise errors.PortInUse(
                id=port_id, network_id=port["network_id"], device_id=port["device_id"]
            )
        of_port = _subnets_of(connection, port)
        _check_port(connection, router_id, port, of_port)
        connection.execute(
            sa.update(ports)
            .where(ports.c.id == port_id)
            .values(
                **update_values(ports),
                device_id=router_id,
                device_owner=INTERFACE_OWNER,
                status="ACTIVE",
            )
        )
        return port, of_port


def _subnets_of(connection: sa.Connection, port: Row) -> list[Row]:
    """A row for each of the port's addresses, in their order."""
    wanted = [fixed["subnet_id"] for fixed in port["fixed_ips"]]
    rows = connection.execute(sa.select(subnets).where(subnets.c.id.in_(wanted)))
    by_id = {row["id"]: dict(row) for row in rows.mappings()}
    return [by_id[subnet_id] for subnet_id in wanted]


def _check_port(
    connection: sa.Connection, router_id: str, port: Row, of_port: Sequence[Row]
) -> None:
    if not of_port:
        raise errors.BadRequest(
            resource="router", msg="Router port must have at least one fixed IP"
        )
    others = of_router(connection, router_id, ipv6_on=port["network_id"])
    if has_ipv6(port) and others:
        raise errors.BadRequest(
            resource="router",
            msg="Cannot have multiple router ports with the same network id if both contain IPv6 "
            f"subnets. Existing port {others[0]['id']} has IPv6 subnet(s) and network id "
            f"{port['network_id']}",
        )
    check(connection, router_id, of_port)
    _check_versions(of_port)


def _check_versions(of_port: Sequence[Row]) -> None:
    if len([subnet for subnet in of_port if subnet["ip_version"] == 4]) > 1:
        raise errors.BadRequest(
            resource="router", msg="Cannot have multiple IPv4 subnets on router port"
        )


@retried
def remove(db: Database, router_id: str, port: Row, subnet_ids: Sequence[str]) -> None:
    """Take the port's addresses on these subnets away, and with its last the port.

    RouterInterfaceInUseByFloatingIP when floating addresses lead through one,
    RouterInterfaceInUseByRoute when a route does.
    """
    with db.transaction() as connection:
        _check_routes(connection, router_id, subnet_ids)
        led = connection.scalar(
            sa.select(ip_allocations.c.subnet_id)
            .join(floating_ips, floating_ips.c.port_id == ip_allocations.c.port_id)
            .where(
                floating_ips.c.router_id == router_id,
                floating_ips.c.fixed_ip_address == ip_allocations.c.ip_address,
                ip_allocations.c.subnet_id.in_(subnet_ids),
            )
            .limit(1)
        )
        if led is not None:
            raise errors.RouterInterfaceInUseByFloatingIP(id=router_id, subnet_id=led)
        if all(fixed["subnet_id"] in subnet_ids for fixed in port["fixed_ips"]):
            connection.execute(sa.delete(ports).where(ports.c.id == port["id"]))
            return
        connection.execute(
            sa.delete(ip_allocations).where(
                ip_allocations.c.port_id == port["id"], ip_allocations.c.subnet_id.in_(subnet_ids)
            )
        )
        connection.execute(
            sa.update(ports).where(ports.c.id == port["id"]).values(**update_values(ports))
        )


def _check_routes(connection: sa.Connection, router_id: str, leaving: Sequence[str]) -> None:
    """RouterInterfaceInUseByRoute if a next hop is on a subnet that leaves the router."""
    routes = routes_of(connection, router_id)
    query = sa.select(subnets.c.id, subnets.c.cidr).where(subnets.c.id.in_(leaving))
    for subnet_id, cidr in connection.execute(query) if routes else ():
        if any(addresses.is_within(route["nexthop"], cidr) for route in routes):
            raise errors.RouterInterfaceInUseByRoute(id=router_id, subnet_id=subnet_id)

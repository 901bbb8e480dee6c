"""The routes of a router: each to a next hop on a network that the router is on."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from minova.companions.network import addresses, errors
from minova.companions.network.queries import interfaces
from minova.companions.network.queries.service_ports import GATEWAY_OWNER, INTERFACE_OWNER
from minova.companions.network.queries.standard import update_values
from minova.companions.network.tables import ip_allocations, networks, ports, routers, subnets
from minova.db.engine import Database, retried

Row = dict[str, Any]
Routes = list[Row]
MOST = 30


@retried
def change(db: Database, router_id: str, new: Callable[[Routes], Routes]) -> None:
    """Give the router the routes that `new` makes of those it has.

    RoutesExhausted; InvalidRoutes when a next hop is on no network of the
    router, or is the router itself.
    """
    with db.transaction() as connection:
        routes = new(interfaces.routes_of(connection, router_id))
        if len(routes) > MOST:
            raise errors.RoutesExhausted(id=router_id, most=MOST)
        _check(connection, router_id, routes)
        connection.execute(
            sa.update(routers)
            .where(routers.c.id == router_id)
            .values(**update_values(routers), routes=routes)
        )


def for_hosts(connection: sa.Connection) -> dict[str, Row]:
    """router -> its IPv4 `routes` with their networks, and the cidrs it decides for: `led`.

    It decides for subnets of its own project's networks, and for those whose
    gateway it is: nobody else's guests are led away.
    """
    rows = connection.execute(
        sa.select(
            routers.c.id,
            routers.c.routes,
            ports.c.device_owner,
            ip_allocations.c.ip_address,
            subnets.c.network_id,
            subnets.c.cidr,
            subnets.c.gateway_ip,
            (networks.c.project_id == routers.c.project_id).label("own"),
        )
        .join(ports, ports.c.device_id == routers.c.id)
        .join(ip_allocations, ip_allocations.c.port_id == ports.c.id)
        .join(subnets, subnets.c.id == ip_allocations.c.subnet_id)
        .join(networks, networks.c.id == subnets.c.network_id)
        .where(
            ports.c.device_owner.in_([INTERFACE_OWNER, GATEWAY_OWNER]),
            routers.c.admin_state_up,
            networks.c.nat,
            subnets.c.ip_version == 4,
        )
        .order_by(routers.c.id, subnets.c.id)
    )
    found: dict[str, Row] = {}
    for row in rows:
        if not row.routes:
            continue
        of_one = found.setdefault(row.id, {"routes": [], "led": []})
        for route in row.routes:
            if addresses.is_within(route["nexthop"], row.cidr):
                of_one["routes"].append({**route, "network_id": row.network_id})
        is_gateway = row.ip_address == row.gateway_ip
        if row.device_owner == INTERFACE_OWNER and (row.own or is_gateway):
            of_one["led"].append(row.cidr)
    return found


def _check(connection: sa.Connection, router_id: str, routes: Routes) -> None:
    fixed = [
        fixed
        for port in interfaces.of_router(connection, router_id, INTERFACE_OWNER, GATEWAY_OWNER)
        for fixed in port["fixed_ips"]
    ]
    query = sa.select(subnets.c.cidr).where(subnets.c.id.in_({f["subnet_id"] for f in fixed}))
    cidrs = list(connection.scalars(query)) if fixed and routes else []
    own = {f["ip_address"] for f in fixed}
    for route in routes:
        reason = None
        if not any(addresses.is_within(route["nexthop"], cidr) for cidr in cidrs):
            reason = "the nexthop is not connected with router"
        elif route["nexthop"] in own:
            reason = "the nexthop is used by router"
        if reason is not None:
            raise errors.InvalidRoutes(routes=routes, reason=reason)

"""The routes of routers in the kernel: a table for each router that has some.

What comes from a subnet the router decides for looks there before it looks
into the host's own table. A table holds the router's subnets besides, so
that a default route among its routes does not take what is for them.
"""

import ipaddress
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute

from minova.companions.network.agent import bridge
from minova.companions.network.agent.names import Names
from minova.companions.network.wire import RouterWiring

_TABLES = 4096  # of one agent
_PRIORITY = 21000  # of its first rule; the host's own table has 32766
_LINK, _UNIVERSE = 253, 0


@dataclass(frozen=True, order=True)
class Rule:
    """What comes from `source` looks into the router's table."""

    table: int
    source: str


@dataclass(frozen=True, order=True)
class Route:
    """`gateway` is "" for what is on the link itself."""

    table: int
    destination: str
    gateway: str
    index: int


def apply(names: Names, routers: Iterable[RouterWiring], bridges: Mapping[str, str]) -> None:
    """Bring rules and tables to what these routers say; `bridges` are those of networks here.

    Only what differs is changed. With no routers, nothing of ours is left.
    """
    first = _first_table(names)
    with IPRoute() as ip:
        rules: set[Rule] = set()
        routes: set[Route] = set()
        with_routes = sorted((r for r in routers if r.routes), key=lambda router: router.id)
        for table, router in enumerate(with_routes[:_TABLES], first):
            rules |= {Rule(table, source) for source in router.led}
            routes |= set(_routes(ip, table, router, bridges))
        present = _present_rules(ip, first)
        known = _present_routes(ip, first)
        # What is added before its rule is looked at by nobody.
        for route in sorted(known - routes):
            ip.route("del", **_route(route))
        for route in sorted(routes - known, key=lambda route: (bool(route.gateway), route)):
            ip.route("replace", **_route(route))
        for rule in sorted(present - rules):
            ip.rule("del", **_rule(rule, first))
        for rule in sorted(rules - present):
            ip.rule("add", **_rule(rule, first))


def _routes(
    ip: Any, table: int, router: RouterWiring, bridges: Mapping[str, str]
) -> Iterable[Route]:
    links = {
        network_id: link["index"]
        for network_id, name in bridges.items()
        if (link := bridge.find_link(ip, name)) is not None
    }
    for of in router.ranges:
        if of.network_id in links:
            yield Route(table, of.cidr, "", links[of.network_id])
    taken = {of.cidr for of in router.ranges}
    for route in router.routes:
        # Of several next hops for one destination the first is taken.
        if route.network_id in links and route.destination not in taken:
            taken.add(route.destination)
            yield Route(table, route.destination, route.nexthop, links[route.network_id])


def _first_table(names: Names) -> int:
    """Where the tables of this agent begin; another prefix is another agent's."""
    return 0x6D000000 | (zlib.crc32(names.prefix.encode()) & 0xFFF) * _TABLES


def _is_ours(table: int, first: int) -> bool:
    return first <= table < first + _TABLES


def _present_rules(ip: Any, first: int) -> set[Rule]:
    found = set()
    for rule in ip.get_rules(family=2):
        table = rule.get("table")
        if table is not None and _is_ours(table, first):
            source = f"{rule.get('src') or '0.0.0.0'}/{rule['src_len']}"
            found.add(Rule(table, source))
    return found


def _present_routes(ip: Any, first: int) -> set[Route]:
    found = set()
    for route in ip.get_routes(family=2):
        table = route.get("table")
        if table is not None and _is_ours(table, first):
            destination = f"{route.get('dst') or '0.0.0.0'}/{route['dst_len']}"
            found.add(Route(table, destination, route.get("gateway") or "", route.get("oif")))
    return found


def _rule(rule: Rule, first: int) -> dict[str, Any]:
    network = ipaddress.IPv4Network(rule.source)
    return {
        "family": 2,
        "table": rule.table,
        "priority": _PRIORITY + rule.table - first,
        "src": str(network.network_address),
        "src_len": network.prefixlen,
    }


def _route(route: Route) -> dict[str, Any]:
    # `onlink`: the table of the router alone need not know the way to its next hop.
    where = {"gateway": route.gateway} if route.gateway else {}
    return {
        "table": route.table,
        "dst": route.destination,
        "oif": route.index,
        "scope": _UNIVERSE if route.gateway else _LINK,
        **where,
    }

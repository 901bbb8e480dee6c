"""Security groups, anti-spoofing, zones and NAT of this host, by nftables.

`Firewall.apply(plan)` brings the two tables to a plan: the first time it
builds them anew in one transaction, afterwards it sends only what differs,
again in one. When the kernel refuses a transaction, its parts are sent one
by one, so that what is wrong with one port, group or rule stays with it.
"""

import ipaddress
import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from minova.companions.network.agent import (
    group_commands,
    nft,
    port_rules,
    routing,
    skeleton,
)
from minova.companions.network.agent.names import Names
from minova.companions.network.agent.nft import Json, Nft, NftError, Table
from minova.companions.network.agent.port_rules import FilteredPort
from minova.companions.network.wire import (
    GroupWiring,
    PortWiring,
    RangeWiring,
    RouterWiring,
    RouteWiring,
    Rule,
)

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilteredNetwork:
    """A network as the firewall needs it. `nat` holds the ranges that may go outside."""

    id: str
    bridge: str
    mac: str
    zone: int
    dhcp_port: str
    dhcp_ips: tuple[str, ...] = ()
    nat: tuple[ipaddress.IPv4Network, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All that should be filtered on this host, each by its id.

    `groups` holds those the ports are in and those their rules name;
    `floating` are (floating address, fixed address), `routed` from where to where;
    of `routers` only the routes count. `unmasked` are ranges.
    """

    networks: Mapping[str, FilteredNetwork] = field(default_factory=dict)
    ports: Mapping[str, PortWiring] = field(default_factory=dict)
    groups: Mapping[str, GroupWiring] = field(default_factory=dict)
    floating: frozenset[tuple[str, str]] = frozenset()
    routed: frozenset[tuple[RangeWiring, RangeWiring]] = frozenset()
    routers: Mapping[str, RouterWiring] = field(default_factory=dict)
    unmasked: frozenset[str] = frozenset()


@dataclass
class _Change:
    """The commands from one plan to the next, in the order of their fields."""

    frame: list[Json] = field(default_factory=list)
    ports: dict[str, list[Json]] = field(default_factory=dict)
    groups: dict[str, list[Json]] = field(default_factory=dict)
    rest: list[Json] = field(default_factory=list)

    def all(self) -> list[Json]:
        parts = [self.frame, *self.ports.values(), *self.groups.values(), self.rest]
        return list(itertools.chain.from_iterable(parts))


class Firewall:
    """The tables of one `Names`. Not thread safe: the driver that owns it holds a lock."""

    def __init__(self, names: Names) -> None:
        self._bridge = Table("bridge", names.table)
        self._inet = Table("inet", names.table)
        self._nft = Nft()
        self._applied: Plan | None = None
        self._ports: dict[str, FilteredPort] = {}
        self._last_mark = 0
        # What was refused is not tried again until it changes.
        self._bad_ports: dict[str, PortWiring] = {}
        self._bad_rules: set[Rule] = set()

    def apply(self, plan: Plan) -> set[str]:
        """Bring the tables to `plan`; returns the ids of ports that had to be left out.

        Raises NftError when not even the networks could be applied.
        """
        ports = self._number_ports(plan)
        try:
            self._nft.apply(self._change(plan, ports).all())
        except NftError as error:
            # Perhaps the kernel's tables are not what we think; start from nothing.
            LOG.warning("nftables refused a change, sending everything in parts: %s", error)
            self._applied = None
            ports = self._number_ports(plan)
            self._apply_parts(plan, self._change(plan, ports))
        self._applied = plan
        self._ports = {key: port for key, port in ports.items() if key not in self._bad_ports}
        return set(self._bad_ports) & set(plan.ports)

    def intact(self) -> bool:
        """Whether our tables are there: `nft flush ruleset` of another takes them away."""
        return {("bridge", self._bridge.name), ("inet", self._inet.name)} <= self._nft.tables()

    def forget(self) -> None:
        """The next `apply` builds everything anew."""
        self._applied = None
        self._bad_ports, self._bad_rules = {}, set()

    def remove(self) -> None:
        """Take both tables away, if they are there."""
        present = self._nft.tables()
        tables = [t for t in (self._bridge, self._inet) if (t.family, t.name) in present]
        self._nft.apply([table.delete() for table in tables])
        self.forget()

    def _number_ports(self, plan: Plan) -> dict[str, FilteredPort]:
        """The plan's ports with their marks; an unchanged port keeps its object."""
        numbered = {}
        self._bad_ports = {k: v for k, v in self._bad_ports.items() if plan.ports.get(k) is v}
        for port_id, wiring in plan.ports.items():
            network = plan.networks.get(wiring.network_id)
            if network is None or port_id in self._bad_ports:
                continue
            known = self._ports.get(port_id) if self._applied else None
            if known and known.wiring == wiring and known.bridge == network.bridge:
                numbered[port_id] = known
            else:
                self._last_mark = self._last_mark % (skeleton.INFRASTRUCTURE - 1) + 1
                numbered[port_id] = FilteredPort(wiring, network.bridge, self._last_mark)
        return numbered

    def _change(self, plan: Plan, ports: dict[str, FilteredPort]) -> _Change:
        before = self._applied or Plan()
        change = _Change()
        if self._applied is None:
            change.frame += skeleton.commands(self._bridge, self._inet)
            self._ports = {}
        for port_id, port in self._ports.items():
            if ports.get(port_id) is not port:
                change.frame += port_rules.remove(self._bridge, self._inet, port)
        change.frame += routing.change(self._inet, _routing(before), _routing(plan))
        change.frame += self._networks(before, plan)
        change.frame += group_commands.declare(self._inet, before.groups, plan.groups)
        for port_id, port in ports.items():
            if self._ports.get(port_id) is not port:
                self._add_port(change, port)
        for group_id, group in plan.groups.items():
            former = before.groups.get(group_id)
            if former is None or former.rules != group.rules:
                change.groups[group_id] = self._fill(group)
        change.rest = group_commands.forget(self._inet, before.groups, plan.groups)
        return change

    def _add_port(self, change: _Change, port: FilteredPort) -> None:
        port_id = port.wiring.id
        try:
            change.ports[port_id] = port_rules.add(self._bridge, self._inet, port)
        except ValueError as error:
            LOG.error("port %s is left without network: %s", port_id, error)
            self._bad_ports[port_id] = port.wiring

    def _networks(self, before: Plan, plan: Plan) -> list[Json]:
        gone = [n for key, n in before.networks.items() if plan.networks.get(key) != n]
        new = [n for key, n in plan.networks.items() if before.networks.get(key) != n]
        commands = []
        for network in gone:
            commands += self._network_elements("delete", network)
            for chain in _zone_chains(network):
                commands += [self._inet.flush(chain), self._inet.drop_chain(chain)]
        for network in new:
            commands += _zone_rules(self._inet, network)
            commands += self._network_elements("add", network)
        return commands

    def _network_elements(self, verb: str, network: FilteredNetwork) -> list[Json]:
        zone_in, zone_out = _zone_chains(network)
        mark = [[network.dhcp_port, skeleton.INFRASTRUCTURE]] if network.dhcp_ips else []
        asking = [nft.concat(network.bridge, ip) for ip in network.dhcp_ips]
        return [
            *self._inet.elements(verb, "bridges", [network.bridge]),
            *self._inet.elements(verb, "natted", [nft.prefix(cidr) for cidr in network.nat]),
            *self._inet.elements(verb, "resolvers", asking),
            *self._inet.elements(verb, "zone-in", [[network.bridge, nft.goto(zone_in)]]),
            *self._inet.elements(verb, "zone-out", [[network.bridge, nft.goto(zone_out)]]),
            *self._bridge.elements(verb, "inport", mark),
            *self._bridge.elements(verb, "outport", mark),
        ]

    def _apply_parts(self, plan: Plan, change: _Change) -> None:
        self._nft.apply(change.frame)
        for port_id, commands in change.ports.items():
            try:
                self._nft.apply(commands)
            except NftError as error:
                LOG.error("port %s is left without network: %s", port_id, error)
                self._bad_ports[port_id] = plan.ports[port_id]
        for group_id, commands in change.groups.items():
            try:
                self._nft.apply(commands)
            except NftError:
                self._fill_by_rule(plan.groups[group_id])
        try:
            self._nft.apply(change.rest)
        except NftError as error:
            LOG.error("left-overs of security groups stay in nftables: %s", error)

    def _fill(self, group: GroupWiring) -> list[Json]:
        rules = group_commands.rules(self._inet, group, self._bad_rules)
        return [*group_commands.empty(self._inet, group), *(command for _, command in rules)]

    def _fill_by_rule(self, group: GroupWiring) -> None:
        self._nft.apply(group_commands.empty(self._inet, group))
        for rule, command in group_commands.rules(self._inet, group, self._bad_rules):
            try:
                self._nft.apply([command])
            except NftError as error:
                LOG.error("rule %s of group %s is left out: %s", rule.id, group.id, error)
                self._bad_rules.add(rule)


def _routing(plan: Plan) -> routing.Routing:
    """Routing by the names of bridges; of networks that are not here nothing is routed."""

    def place(of: RangeWiring) -> routing.Place:
        return plan.networks[of.network_id].bridge, ipaddress.IPv4Network(of.cidr)

    return routing.Routing(
        plan.floating,
        frozenset(
            (place(source), place(target))
            for source, target in plan.routed
            if source.network_id in plan.networks and target.network_id in plan.networks
        ),
        frozenset(_led(plan, router, route) for router, route in _routes(plan)),
        frozenset(map(ipaddress.IPv4Network, plan.unmasked)),
    )


def _routes(plan: Plan) -> Iterator[tuple[RouterWiring, RouteWiring]]:
    for router in plan.routers.values():
        for route in router.routes:
            if route.network_id in plan.networks:
                yield router, route


def _led(plan: Plan, router: RouterWiring, route: RouteWiring) -> routing.Led:
    network = plan.networks[route.network_id]
    behind = ipaddress.IPv4Network(route.destination)
    elsewhere = [r.cidr for r in router.ranges]
    elsewhere += [r.destination for r in router.routes if r.network_id != network.id]
    aside = map(ipaddress.IPv4Network, elsewhere)
    return routing.Led(
        places=tuple(
            sorted(
                (plan.networks[r.network_id].bridge, ipaddress.IPv4Network(r.cidr))
                for r in router.ranges
                if r.network_id in plan.networks
            )
        ),
        to=(network.bridge, behind),
        aside=tuple(
            ipaddress.collapse_addresses(
                other for other in aside if other != behind and other.subnet_of(behind)
            )
        ),
        mac=network.mac,
        zone=network.zone,
    )


def _zone_chains(network: FilteredNetwork) -> tuple[str, str]:
    return f"zone-in-{network.id}", f"zone-out-{network.id}"


def _zone_rules(table: Table, network: FilteredNetwork) -> list[Json]:
    """The network's conntrack zone, so that equal addresses of two networks stay apart.

    What goes through the host (to the gateway's MAC, or from the host) has
    the zone in its original direction only: its answers come back through the
    host's other interfaces, which know no zone.
    """
    zone_in, zone_out = _zone_chains(network)
    whole = {"ct": {"key": "zone"}}
    original = {"ct": {"key": "zone", "dir": "original"}}
    to_gateway = nft.match(nft.field("ether", "daddr"), network.mac)
    return [
        table.chain(zone_in),
        table.rule(zone_in, to_gateway, nft.set_to(original, network.zone), nft.ACCEPT),
        table.rule(zone_in, nft.set_to(whole, network.zone)),
        table.chain(zone_out),
        table.rule(zone_out, nft.set_to(original, network.zone)),
    ]

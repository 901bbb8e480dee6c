"""The records an agent holds, by id, and how they change. No I/O."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from minova.companions.network.wire import (
    GroupWiring,
    HostState,
    NetworkWiring,
    PortWiring,
    RangeWiring,
    RouterWiring,
)


@dataclass
class Wiring:
    """Networks, ports, groups and routers of one host.

    A network that a port brought goes with its last port; one the server
    declared for the host stays until the server forgets it.
    """

    networks: dict[str, NetworkWiring] = field(default_factory=dict)
    ports: dict[str, PortWiring] = field(default_factory=dict)
    groups: dict[str, GroupWiring] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    # floating address -> fixed address
    floating: dict[str, str] = field(default_factory=dict)
    routers: dict[str, RouterWiring] = field(default_factory=dict)
    unmasked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, state: HostState) -> "Wiring":
        """`state` by id; ports whose network it lacks are left out."""
        networks = {n.id: n for n in state.networks}
        ports = {p.id: p for p in state.ports if p.network_id in networks}
        wiring = cls(
            networks,
            ports,
            {g.id: g for g in state.groups},
            frozenset(networks),
            {f.floating_ip: f.fixed_ip for f in state.floating},
            {r.id: r for r in state.routers},
            frozenset(state.unmasked),
        )
        wiring.prune()
        return wiring

    def copy(self) -> "Wiring":
        return Wiring(
            dict(self.networks),
            dict(self.ports),
            dict(self.groups),
            self.declared,
            dict(self.floating),
            dict(self.routers),
            self.unmasked,
        )

    def routed(self) -> set[tuple[RangeWiring, RangeWiring]]:
        """From where to where the host routes between its networks; both ways are named."""
        return {
            pair
            for router in self.routers.values()
            for pair in itertools.permutations(router.ranges, 2)
        }

    def led(self) -> set[tuple[RangeWiring, RangeWiring]]:
        """From where to where guests get by the routes of a router, over one of them."""
        return {
            (source, RangeWiring(route.network_id, route.destination))
            for router in self.routers.values()
            for route in router.routes
            for source in router.ranges
        }

    def ports_of(self, network_id: str) -> list[PortWiring]:
        return [port for port in self.ports.values() if port.network_id == network_id]

    def put(self, port: PortWiring, network: NetworkWiring, groups: Iterable[GroupWiring]) -> None:
        """Add or change a port; it takes its addresses from a port that had them.

        The server gives an address to one port only, so the other one is gone
        and its removal was missed.
        """
        mine = {(port.network_id, fixed.ip_address) for fixed in port.fixed_ips}
        for other in self.ports_of(port.network_id):
            if other.id != port.id and mine & {
                (other.network_id, fixed.ip_address) for fixed in other.fixed_ips
            }:
                del self.ports[other.id]
        self.ports[port.id] = port
        self.networks[network.id] = network
        self.groups.update((group.id, group) for group in groups)
        self.prune()

    def prune(self) -> None:
        """Forget undeclared networks without ports, and groups that no port needs.

        A group that is named but was not sent is held empty: nobody is in it.
        """
        used = {port.network_id for port in self.ports.values()} | self.declared
        self.networks = {key: n for key, n in self.networks.items() if key in used}
        direct = {group for port in self.ports.values() for group in port.security_groups}
        needed = set(direct)
        for group_id in direct:
            rules = self.groups[group_id].rules if group_id in self.groups else []
            needed.update(rule.remote_group_id for rule in rules if rule.remote_group_id)
        self.groups = {key: self.groups.get(key) or GroupWiring(id=key) for key in sorted(needed)}


@dataclass
class Touched:
    """What calls changed while the host's state was on its way from the server.

    The state may be older than the calls, so for these things the calls win.
    """

    wired: Wiring = field(default_factory=Wiring)
    removed: set[str] = field(default_factory=set)

    def ensured(
        self, port: PortWiring, network: NetworkWiring, groups: Iterable[GroupWiring]
    ) -> None:
        self.removed.discard(port.id)
        self.wired.ports[port.id] = port
        self.wired.networks[network.id] = network
        self.wired.groups.update((group.id, group) for group in groups)

    def was_removed(self, port_id: str) -> None:
        self.wired.ports.pop(port_id, None)
        self.removed.add(port_id)

    def over(self, state: HostState) -> HostState:
        """`state` with what was touched in its place."""
        ports = {p.id: p for p in state.ports if p.id not in self.removed} | self.wired.ports
        networks = {n.id: n for n in state.networks} | self.wired.networks
        groups = {g.id: g for g in state.groups} | self.wired.groups
        return HostState(
            networks=list(networks.values()),
            ports=list(ports.values()),
            groups=list(groups.values()),
            floating=state.floating,
            routers=state.routers,
            unmasked=state.unmasked,
        )

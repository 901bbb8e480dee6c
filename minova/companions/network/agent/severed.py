"""Which connections a change of rules no longer allows. Pure; no I/O.

The firewall lets established connections pass without asking the rules
again; so what a removed port, membership, rule or router had allowed has to
be forgotten by the kernel, or it would live on.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from minova.companions.network.agent import group_rules
from minova.companions.network.agent.state import Wiring
from minova.companions.network.protocols import WITH_PORTS
from minova.companions.network.wire import PortWiring, RangeWiring, Rule

Peers = set[str | None]


@dataclass(frozen=True)
class Severed:
    """Connections of `ip` on a network; None means any.

    `direction` is seen from `ip`, `protocol` an IANA number, `ports` the
    responder's, `peer` a prefix of the other side.
    """

    network_id: str
    ip: str
    direction: str | None = None
    protocol: int | None = None
    ports: tuple[int, int] | None = None
    peer: str | None = None

    def covers(
        self, source: str, target: str, protocol: int | None, target_port: int | None
    ) -> bool:
        """Whether a connection from `source` to `target` is one of these."""
        ends = {"egress": (source, target), "ingress": (target, source)}
        if not any(
            own == self.ip and self._is_peer(other)
            for direction, (own, other) in ends.items()
            if self.direction in (None, direction)
        ):
            return False
        if self.protocol is not None and protocol != self.protocol:
            return False
        return self.ports is None or (
            target_port is not None and self.ports[0] <= target_port <= self.ports[1]
        )

    def _is_peer(self, address: str) -> bool:
        if self.peer is None:
            return True
        network = ipaddress.ip_network(self.peer, strict=False)
        return ipaddress.ip_address(address) in network


def between(before: Wiring, after: Wiring) -> set[Severed]:
    """What `before` allowed and `after` may not allow any longer."""
    lost = {group_id: list(_lost(group_id, before, after)) for group_id in before.groups}
    found: set[Severed] = set()
    for port_id, port in before.ports.items():
        now = after.ports.get(port_id)
        kept = {fixed.ip_address for fixed in now.fixed_ips} if now else set()
        for fixed in port.fixed_ips:
            if fixed.ip_address not in kept:
                found.add(Severed(port.network_id, fixed.ip_address))
        if now is None:
            continue
        for group_id in port.security_groups:
            if group_id in now.security_groups:
                found.update(_all(port, lost[group_id]))
            else:
                rules = before.groups[group_id].rules
                found.update(_all(port, [(rule, _peers(rule, before)) for rule in rules]))
    lost_ways = (before.routed() | before.led()) - after.routed() - after.led()
    for source, target in lost_ways:
        found.update(_between(source, target, after))
    return found


def _between(source: RangeWiring, target: RangeWiring, wiring: Wiring) -> Iterator[Severed]:
    """What guests of one range had with another, over a router."""
    network = ipaddress.ip_network(source.cidr)
    for port in wiring.ports_of(source.network_id):
        for fixed in port.fixed_ips:
            if ipaddress.ip_address(fixed.ip_address) in network:
                yield Severed(source.network_id, fixed.ip_address, peer=target.cidr)


def _lost(group_id: str, before: Wiring, after: Wiring) -> Iterator[tuple[Rule, Peers]]:
    """Each rule of a group that is gone, or lost peers, with those peers."""
    rules = set(after.groups[group_id].rules) if group_id in after.groups else set()
    for rule in before.groups[group_id].rules:
        peers = _peers(rule, before)
        gone = peers if rule not in rules else peers - _peers(rule, after)
        if gone:
            yield rule, gone


def _all(port: PortWiring, rules: Iterable[tuple[Rule, Peers]]) -> Iterator[Severed]:
    for rule, peers in rules:
        version = 6 if rule.ethertype == "IPv6" else 4
        base = Severed(
            port.network_id,
            "",
            rule.direction,
            group_rules.protocol_number(rule),
            _port_range(rule),
        )
        for fixed in port.fixed_ips:
            if ipaddress.ip_address(fixed.ip_address).version == version:
                for peer in peers:
                    yield replace(base, ip=fixed.ip_address, peer=peer)


def _peers(rule: Rule, wiring: Wiring) -> Peers:
    """The prefixes a rule is about; {None} for anybody."""
    if rule.remote_group_id is None:
        return {rule.remote_ip_prefix or None}
    group = wiring.groups.get(rule.remote_group_id)
    return set(group.member_ips) if group else set()


def _port_range(rule: Rule) -> tuple[int, int] | None:
    low, high = rule.port_range_min, rule.port_range_max
    if group_rules.protocol_number(rule) not in WITH_PORTS or low is None:
        return None
    return low, high if high is not None else low

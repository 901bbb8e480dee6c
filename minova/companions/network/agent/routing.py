"""What routers and floating IPs let through the host, as nftables commands. Pure; no I/O.

The host itself routes, between all its bridges; what a router adds is that
packets from one of its ranges to another are let pass (`joined`).

A floating address becomes the fixed one before routing (`floating`), and a
guest's own connections to the outside get it as their source (`outside`).
Whatever comes to a guest this way obeys its security groups as everything
else does: the chain `in-<port>`, found by bridge and fixed address.

    inet    prerouting  -100  floating       floating -> fixed address
    inet    output      -100  floating-host  the same, for what the host itself sends
    inet    postrouting    0  arriving       the guest's ingress rules, for the latter
    inet    (zone-in)         zone-led       the zone of what such a route sends back to its bridge
    inet    (routed)          led            by a router's routes, to what is behind a guest
"""

import ipaddress
from dataclasses import dataclass

from minova.companions.network.agent import nft
from minova.companions.network.agent.nft import ACCEPT, COUNTER, DROP, Json, Table

_STATUS = {"ct": {"key": "status"}}
_STATE = {"ct": {"key": "state"}}
LED = nft.match(_STATUS, "dnat", "in")
Place = tuple[str, ipaddress.IPv4Network]  # on which bridge


@dataclass(frozen=True)
class Led:
    """A route of a router: from `places` to what is behind a guest at `to`, and back.

    `aside` are ranges within `to` that are reached another way; `mac` and
    `zone` are those of the bridge `to` is on.
    """

    places: tuple[Place, ...]
    to: Place
    aside: tuple[ipaddress.IPv4Network, ...]
    mac: str
    zone: int


@dataclass(frozen=True)
class Routing:
    """(floating address, fixed address), and from where to where the host routes.

    `unmasked` ranges go outside with their own addresses.
    """

    floating: frozenset[tuple[str, str]] = frozenset()
    routed: frozenset[tuple[Place, Place]] = frozenset()
    led: frozenset[Led] = frozenset()
    unmasked: frozenset[ipaddress.IPv4Network] = frozenset()


def sets(table: Table) -> list[Json]:
    """The maps, the set and the chains that `change` fills."""
    return [
        table.map("floating-in", "ipv4_addr", to="ipv4_addr"),
        table.map("floating-out", "ipv4_addr", to="ipv4_addr"),
        table.set("joined", "ifname", "ipv4_addr", "ifname", "ipv4_addr", interval=True),
        table.set("unmasked", "ipv4_addr", interval=True),
        table.chain("led"),
        table.chain("zone-led"),
    ]


def chains(table: Table) -> list[Json]:
    """The hooks of our own; those of the skeleton use `LED`, `joined` and `source`."""
    oif = nft.meta("oifname")
    target = nft.lookup(nft.field("ip", "daddr"), "floating-in")
    to_fixed: Json = {"dnat": {"family": "ip", "addr": target}}
    return [
        table.chain("floating", "prerouting", -100, type="nat"),
        table.rule("floating", to_fixed),
        table.chain("floating-host", "output", -100, type="nat"),
        table.rule("floating-host", to_fixed),
        table.chain("arriving", "postrouting", 0),
        table.rule("arriving", nft.match(oif, "@bridges", "!="), ACCEPT),
        table.rule("arriving", nft.match(_STATE, ["established", "related"], "in"), ACCEPT),
        table.rule("arriving", LED, *to_guest()),
        table.rule("arriving", LED, COUNTER, DROP),
    ]


def to_guest() -> tuple[Json, ...]:
    """The guest's ingress rules, of a packet that the host routes to it."""
    return (nft.vmap(nft.concat(nft.meta("oifname"), nft.field("ip", "daddr")), "host"),)


def forwarded() -> list[list[Json]]:
    """What the chain `routed` lets pass besides."""
    between = nft.concat(
        *(nft.meta("iifname"), nft.field("ip", "saddr")),
        *(nft.meta("oifname"), nft.field("ip", "daddr")),
    )
    joined = [nft.match(between, "@joined"), *to_guest()]
    return [[LED, *to_guest()], joined, [nft.jump("led")]]


def no_redirects() -> list[Json]:
    """A guest must come to the host also where the host sends back to the same bridge."""
    return [nft.match(nft.field("icmp", "type"), "redirect"), DROP]


def unmasked() -> list[Json]:
    """What of the rest goes outside as it is."""
    return [nft.match(nft.field("ip", "saddr"), "@unmasked"), ACCEPT]


def source() -> Json:
    """The floating address as the source of what a guest sends outside."""
    found = nft.lookup(nft.field("ip", "saddr"), "floating-out")
    return {"snat": {"family": "ip", "addr": found}}


def change(table: Table, before: Routing, after: Routing) -> list[Json]:
    """The commands from one to the other."""
    commands: list[Json] = []
    for verb, first, second in (("delete", before, after), ("add", after, before)):
        pairs = sorted(first.floating - second.floating)
        joined = sorted(first.routed - second.routed)
        unmasked = sorted(first.unmasked - second.unmasked)
        commands += [
            *table.elements(verb, "floating-in", [[outer, inner] for outer, inner in pairs]),
            *table.elements(verb, "floating-out", [[inner, outer] for outer, inner in pairs]),
            *table.elements(verb, "joined", [_pair(*pair) for pair in joined]),
            *table.elements(verb, "unmasked", [nft.prefix(cidr) for cidr in unmasked]),
        ]
    if before.led != after.led:
        commands += [table.flush("led"), table.flush("zone-led")]
        for one in sorted(after.led, key=lambda one: one.to):
            commands += [table.rule("led", *rule) for rule in _led(one)]
            commands += [table.rule("zone-led", *rule) for rule in _zone(one)]
    return commands


def _led(led: Led) -> list[list[Json]]:
    """There, by the rules of the guest that is the next hop; and back, by those of the target."""
    bridge, behind = led.to
    places = nft.one_of(*(nft.concat(on, nft.prefix(cidr)) for on, cidr in led.places))
    iif, oif = nft.meta("iifname"), nft.meta("oifname")
    source, target = nft.field("ip", "saddr"), nft.field("ip", "daddr")
    nexthop = {"rt": {"key": "nexthop", "family": "ip"}}
    return [
        [
            nft.match(nft.concat(iif, source), places),
            nft.match(oif, bridge),
            *_within(target, behind),
            nft.vmap(nft.concat(oif, nexthop), "host"),
        ],
        [
            nft.match(iif, bridge),
            *_within(source, behind),
            nft.match(nft.concat(oif, target), places),
            *to_guest(),
        ],
    ]


def _zone(led: Led) -> list[list[Json]]:
    """The whole zone for what goes over the host and comes back past it.

    The guest that is the next hop answers its own neighbors directly.
    """
    bridge, behind = led.to
    neighbors = [nft.prefix(cidr) for on, cidr in led.places if on == bridge]
    if not neighbors:
        return []
    target = nft.field("ip", "daddr")
    aside = [nft.match(target, nft.one_of(*map(nft.prefix, led.aside)), "!=")]
    return [
        [
            nft.match(nft.meta("iifname"), bridge),
            nft.match(nft.field("ether", "daddr"), led.mac),
            nft.match(nft.field("ip", "saddr"), nft.one_of(*neighbors)),
            nft.match({"fib": {"result": "type", "flags": ["daddr"]}}, "local", "!="),
            *(aside if led.aside else []),
            *_within(target, behind),
            nft.set_to({"ct": {"key": "zone"}}, led.zone),
            ACCEPT,
        ]
    ]


def _within(key: Json, network: ipaddress.IPv4Network) -> list[Json]:
    return [nft.match(key, nft.prefix(network))] if network.prefixlen else []


def _pair(source: Place, target: Place) -> Json:
    """An element of `joined`."""
    return nft.concat(source[0], nft.prefix(source[1]), target[0], nft.prefix(target[1]))

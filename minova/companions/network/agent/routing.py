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
class Routing:
    """(floating address, fixed address), and from where to where the host routes."""

    floating: frozenset[tuple[str, str]] = frozenset()
    routed: frozenset[tuple[Place, Place]] = frozenset()


def sets(table: Table) -> list[Json]:
    """The maps and the set that `change` fills."""
    return [
        table.map("floating-in", "ipv4_addr", to="ipv4_addr"),
        table.map("floating-out", "ipv4_addr", to="ipv4_addr"),
        table.set("joined", "ifname", "ipv4_addr", "ifname", "ipv4_addr", interval=True),
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
    return [[LED, *to_guest()], [nft.match(between, "@joined"), *to_guest()]]


def no_redirects() -> list[Json]:
    """A guest must come to the host also where the host sends back to the same bridge."""
    return [nft.match(nft.field("icmp", "type"), "redirect"), DROP]


def source() -> Json:
    """The floating address as the source of what a guest sends outside."""
    found = nft.lookup(nft.field("ip", "saddr"), "floating-out")
    return {"snat": {"family": "ip", "addr": found}}


def change(table: Table, before: Routing, after: Routing) -> list[Json]:
    """The commands from one to the other."""
    commands: list[Json] = []
    for verb, led, joined in (
        ("delete", before.floating - after.floating, before.routed - after.routed),
        ("add", after.floating - before.floating, after.routed - before.routed),
    ):
        pairs = sorted(led)
        commands += [
            *table.elements(verb, "floating-in", [[outer, inner] for outer, inner in pairs]),
            *table.elements(verb, "floating-out", [[inner, outer] for outer, inner in pairs]),
            *table.elements(verb, "joined", [_pair(*pair) for pair in sorted(joined)]),
        ]
    return commands


def _pair(source: Place, target: Place) -> Json:
    """An element of `joined`."""
    return nft.concat(source[0], nft.prefix(source[1]), target[0], nft.prefix(target[1]))

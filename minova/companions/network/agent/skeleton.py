"""The two nftables tables as they are before the first port. Pure; no I/O.

The bridge table sees taps by name but knows no connections; the inet table,
fed by br_netfilter, knows connections but sees only bridges. So the bridge
table checks who sends (spoofing) and writes the port's number into the
packet's mark; the inet table finds the port's rules by that mark.

    bridge  prerouting -200  pre       mark = port it comes from; spoofed frames end here
    inet    prerouting -300  zone-in   conntrack zone of the network
    inet    prerouting    0  egress    what the port may send (security groups)
    inet    prerouting   10  unmark    the mark has done its work
    bridge  forward    -200  toward    mark = port it goes to; only frames for that port's MAC
    inet    forward       0  forward   what the port may receive; routing only to the outside
    inet    input         0  input     nothing of the host, but answers
    inet    output        0  output    what the port may receive, from the host itself
    inet    postrouting 100  outside   masquerading

A packet of a port that is in no map is dropped: rules come before the tap.
Facts behind it: design notes in README.md; br_netfilter calls the inet hooks
from bridge priority 0 (prerouting) and -1 (forward).
"""

from minova.companions.network.agent import nft, routing
from minova.companions.network.agent.nft import ACCEPT, COUNTER, DROP, Json, Table

# The mark of the DHCP namespaces' ports, beyond any port's number.
INFRASTRUCTURE = 0x7FFF0000
_RARP = 0x8035
_MULTICAST = "01:00:00:00:00:00"
_NEIGHBOR_DISCOVERY = (
    "nd-neighbor-solicit",
    "nd-neighbor-advert",
    "nd-router-solicit",
    "mld-listener-report",
    "mld2-listener-report",
    "mld-listener-done",
)


def commands(bridge: Table, inet: Table) -> list[Json]:
    """Both tables anew, with every set, map and chain, and no port."""
    return [
        *bridge.recreate(),
        *inet.recreate(),
        *_bridge_sets(bridge),
        *_spoof(bridge),
        *_bridge_hooks(bridge),
        *_inet_sets(inet),
        *_inet_hooks(inet),
        *inet.elements("add", "egress", [[INFRASTRUCTURE, ACCEPT]]),
        *inet.elements("add", "ingress", [[INFRASTRUCTURE, ACCEPT]]),
    ]


def _bridge_sets(table: Table) -> list[Json]:
    tap, mac = "ifname", "ether_addr"
    return [
        table.map("inport", tap, to="mark"),
        table.map("outport", tap, to="mark"),
        table.set("guest", tap),
        table.set("srcmac", tap, mac),
        table.set("src4", tap, mac, "ipv4_addr"),
        table.set("net4", tap, mac, "ipv4_addr", interval=True),
        table.set("src6", tap, mac, "ipv6_addr"),
        table.set("net6", tap, mac, "ipv6_addr", interval=True),
        table.map("advertiser", tap, to="verdict"),
    ]


def _spoof(table: Table) -> list[Json]:
    """What a guest sends must be its own; the end of the chain is a drop."""
    iif, mac = nft.meta("iifname"), nft.field("ether", "saddr")
    ether = nft.field("ether", "type")
    arp_from = nft.concat(iif, nft.field("arp", "saddr ether"))
    arp_as = nft.concat(iif, nft.field("arp", "saddr ether"), nft.field("arp", "saddr ip"))
    ip4 = nft.concat(iif, mac, nft.field("ip", "saddr"))
    ip6 = nft.concat(iif, mac, nft.field("ip6", "saddr"))
    nd = nft.field("icmpv6", "type")
    unspecified = nft.match(nft.field("ip6", "saddr"), "::")

    def udp(source: int, target: int) -> list[Json]:
        return [
            nft.match(nft.field("udp", "sport"), source),
            nft.match(nft.field("udp", "dport"), target),
        ]

    is_arp, is_ip, is_ip6 = (nft.match(ether, kind) for kind in ("arp", "ip", "ip6"))
    rules: list[list[Json]] = [
        [nft.match(nft.concat(iif, mac), "@srcmac", "!="), COUNTER, DROP],
        # Address probes (RFC 5227) have no sender IP yet.
        [
            is_arp,
            nft.match(nft.field("arp", "operation"), "request"),
            nft.match(nft.field("arp", "saddr ip"), "0.0.0.0"),
            nft.match(arp_from, "@srcmac"),
            ACCEPT,
        ],
        [is_arp, nft.match(arp_as, "@src4"), ACCEPT],
        [is_arp, nft.match(arp_as, "@net4"), ACCEPT],
        [is_arp, COUNTER, DROP],
        # QEMU announces a migrated guest by RARP.
        [nft.match(ether, _RARP), ACCEPT],
        [is_ip, nft.match(nft.field("ip", "saddr"), "0.0.0.0"), *udp(68, 67), ACCEPT],
        [is_ip, *udp(67, 68), COUNTER, DROP],
        [is_ip, nft.match(ip4, "@src4"), ACCEPT],
        [is_ip, nft.match(ip4, "@net4"), ACCEPT],
        [is_ip6, nft.match(nd, nft.one_of("nd-router-advert", "nd-redirect")), COUNTER, DROP],
        [is_ip6, *udp(547, 546), COUNTER, DROP],
        # Neighbor discovery hidden in fragments (RFC 6980), or behind a header chain that
        # ends in a later fragment (RFC 7113).
        [
            is_ip6,
            nft.match(
                {"exthdr": {"name": "frag", "field": "nexthdr"}},
                nft.one_of("tcp", "udp", "sctp", "esp"),
                "!=",
            ),
            COUNTER,
            DROP,
        ],
        [
            is_ip6,
            unspecified,
            nft.match(
                nd,
                nft.one_of("nd-neighbor-solicit", "mld-listener-report", "mld2-listener-report"),
            ),
            ACCEPT,
        ],
        [is_ip6, nft.match(nd, "nd-neighbor-advert"), nft.vmap(iif, "advertiser")],
        [is_ip6, nft.match(ip6, "@src6"), ACCEPT],
        [is_ip6, nft.match(ip6, "@net6"), ACCEPT],
        [COUNTER, DROP],
    ]
    return [table.chain("spoof"), *(table.rule("spoof", *rule) for rule in rules)]


def _bridge_hooks(table: Table) -> list[Json]:
    iif, oif = nft.meta("iifname"), nft.meta("oifname")
    destination = nft.field("ether", "daddr")
    # No frame for another's MAC, also when the bridge floods it (CVE-2019-15753).
    foreign = [
        nft.match(oif, "@guest"),
        nft.match({"&": [destination, _MULTICAST]}, "00:00:00:00:00:00"),
        nft.match(nft.concat(oif, destination), "@srcmac", "!="),
        DROP,
    ]
    return [
        table.chain("pre", "prerouting", -200),
        table.rule("pre", nft.set_to(nft.meta("mark"), nft.lookup(iif, "inport"))),
        table.rule("pre", nft.match(iif, "@guest"), nft.jump("spoof")),
        table.chain("toward", "forward", -200),
        table.rule("toward", *foreign),
        table.rule("toward", nft.set_to(nft.meta("mark"), nft.lookup(oif, "outport"))),
        table.chain("fromhost", "output", -200),
        table.rule("fromhost", *foreign),
    ]


def _inet_sets(table: Table) -> list[Json]:
    return [
        table.set("bridges", "ifname"),
        table.set("natted", "ipv4_addr", interval=True),
        # (bridge, address) of the namespaces, whose DNS may ask the host.
        table.set("resolvers", "ifname", "ipv4_addr"),
        table.map("zone-in", "ifname", to="verdict"),
        table.map("zone-out", "ifname", to="verdict"),
        table.map("egress", "mark", to="verdict"),
        table.map("ingress", "mark", to="verdict"),
        table.map("host", "ifname", "ipv4_addr", to="verdict"),
        *routing.sets(table),
    ]


def _inet_hooks(table: Table) -> list[Json]:
    iif, oif, mark = nft.meta("iifname"), nft.meta("oifname"), nft.meta("mark")
    state = {"ct": {"key": "state"}}
    known = nft.match(state, ["established", "related"], "in")
    invalid = nft.match(state, "invalid", "in")
    neighbors = nft.match(nft.field("icmpv6", "type"), nft.one_of(*_NEIGHBOR_DISCOVERY))

    def udp(source: int, target: int) -> list[Json]:
        return [
            nft.match(nft.field("udp", "sport"), source),
            nft.match(nft.field("udp", "dport"), target),
        ]

    from_us = nft.match(iif, "@bridges")
    not_from_us = nft.match(iif, "@bridges", "!=")
    not_to_us = nft.match(oif, "@bridges", "!=")
    natted = nft.match(nft.field("ip", "saddr"), "@natted")
    chains: dict[str, tuple[Json, list[list[Json]]]] = {
        "zone-in": (
            table.chain("zone-in", "prerouting", -300),
            [[nft.jump("zone-led")], [nft.vmap(iif, "zone-in")]],
        ),
        "zone-out": (
            table.chain("zone-out", "output", -300),
            [[nft.vmap(oif, "zone-out")]],
        ),
        "egress": (
            table.chain("egress", "prerouting", 0),
            [
                [not_from_us, ACCEPT],
                [known, ACCEPT],
                [neighbors, ACCEPT],
                [*udp(68, 67), ACCEPT],
                [*udp(546, 547), ACCEPT],
                [nft.vmap(mark, "egress")],
                [COUNTER, DROP],
            ],
        ),
        "unmark": (
            table.chain("unmark", "prerouting", 10),
            [[from_us, nft.set_to(mark, 0)]],
        ),
        "routed": (
            table.chain("routed"),
            [[from_us, not_to_us, natted, ACCEPT], *routing.forwarded(), [COUNTER, DROP]],
        ),
        "forward": (
            table.chain("forward", "forward", 0),
            [
                [not_from_us, not_to_us, ACCEPT],
                [known, ACCEPT],
                [invalid, COUNTER, DROP],
                # Only bridged packets carry the mark of where they go.
                [nft.match(mark, 0), nft.goto("routed")],
                [neighbors, ACCEPT],
                [*udp(67, 68), ACCEPT],
                [*udp(547, 546), ACCEPT],
                [nft.vmap(mark, "ingress")],
                [COUNTER, DROP],
            ],
        ),
        "input": (
            table.chain("input", "input", 0),
            [
                [not_from_us, ACCEPT],
                [known, ACCEPT],
                *[
                    [
                        nft.match(nft.concat(iif, nft.field("ip", "saddr")), "@resolvers"),
                        nft.match(nft.field(transport, "dport"), 53),
                        ACCEPT,
                    ]
                    for transport in ("udp", "tcp")
                ],
                [COUNTER, DROP],
            ],
        ),
        "output": (
            table.chain("output", "output", 0),
            [
                [not_to_us, ACCEPT],
                routing.no_redirects(),
                [known, ACCEPT],
                # `oifname` is where the floating address was; `arriving` judges them.
                [routing.LED, ACCEPT],
                [nft.vmap(nft.concat(oif, nft.field("ip", "daddr")), "host")],
                [nft.match(nft.concat(oif, nft.field("ip", "daddr")), "@resolvers"), ACCEPT],
                [COUNTER, DROP],
            ],
        ),
        "outside": (
            table.chain("outside", "postrouting", 100, type="nat"),
            [
                [not_to_us, routing.source()],
                [not_to_us, *routing.unmasked()],
                [natted, not_to_us, nft.MASQUERADE],
            ],
        ),
    }
    own = [
        command
        for name, (chain, rules) in chains.items()
        for command in (chain, *(table.rule(name, *rule) for rule in rules))
    ]
    return [*own, *routing.chains(table)]

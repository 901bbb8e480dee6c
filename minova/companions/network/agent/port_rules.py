"""What one port may send and receive, as nftables commands. Pure; no I/O.

`Addresses` says which sources a port may use (its MAC, its fixed IPs, its
allowed address pairs, and the IPv6 link-local addresses of its MACs);
`add` and `remove` are the commands that put a port into the tables of
`skeleton.py` and take it out.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from minova.companions.network.agent import group_rules, nft
from minova.companions.network.agent.nft import Json, Table
from minova.companions.network.wire import PortWiring

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class FilteredPort:
    """A port as the firewall needs it: `mark` is its number in both tables' maps."""

    wiring: PortWiring
    bridge: str
    mark: int


@dataclass
class Addresses:
    """(MAC, source) pairs a port may use; sources of several addresses stand apart."""

    macs: set[str] = field(default_factory=set)
    hosts: dict[int, set[tuple[str, str]]] = field(default_factory=lambda: {4: set(), 6: set()})
    ranges: dict[int, set[tuple[str, Network]]] = field(
        default_factory=lambda: {4: set(), 6: set()}
    )


def addresses_of(port: PortWiring) -> Addresses:
    """Raises ValueError for a MAC or IP that is none."""
    found = Addresses()
    own = _mac(port.mac_address)
    pairs = [(f"{ip.ip_address}", own) for ip in port.fixed_ips]
    pairs += [(pair[0], _mac(pair[1] or own)) for pair in port.allowed_address_pairs]
    found.macs = {own} | {mac for _, mac in pairs}
    by_mac: dict[tuple[str, int], list[Any]] = {}
    for text, mac in pairs:
        network = ipaddress.ip_network(text, strict=False)
        by_mac.setdefault((mac, network.version), []).append(network)
    for mac in found.macs:
        by_mac.setdefault((mac, 6), []).append(ipaddress.ip_network(link_local(mac)))
    for (mac, version), networks in by_mac.items():
        # Collapsed: overlapping ranges in one set would be refused (CVE-2019-10876).
        for network in ipaddress.collapse_addresses(networks):
            if network.prefixlen == network.max_prefixlen:
                found.hosts[version].add((mac, str(network.network_address)))
            else:
                found.ranges[version].add((mac, network))
    return found


def link_local(mac: str) -> str:
    """The EUI-64 link-local address of a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))


def add(bridge_table: Table, table: Table, port: FilteredPort) -> list[Json]:
    """Commands that let the port in. Raises ValueError for senseless addresses."""
    found = addresses_of(port.wiring)
    chains = _own_chains(bridge_table, table, port, found)
    elements = [
        command
        for where, name, members in _elements(bridge_table, table, port, found)
        for command in where.elements("add", name, members)
    ]
    return chains + elements


def remove(bridge_table: Table, table: Table, port: FilteredPort) -> list[Json]:
    """Commands that take out what `add` put in."""
    found = addresses_of(port.wiring)
    commands = [
        command
        for where, name, members in _elements(bridge_table, table, port, found)
        for command in where.elements("delete", name, members)
    ]
    if port.wiring.port_security_enabled:
        inbound, outbound, neighbor = _chain_names(port)
        for where, chain in ((table, inbound), (table, outbound), (bridge_table, neighbor)):
            commands += [where.flush(chain), where.drop_chain(chain)]
    return commands


def _chain_names(port: FilteredPort) -> tuple[str, str, str]:
    """Those of ingress, egress, and of what the port may advertise as its IPv6 addresses."""
    # The mark tells an old and a new version of a port apart within one transaction.
    suffix = f"{port.wiring.id}-{port.mark}"
    return f"in-{suffix}", f"out-{suffix}", f"na-{suffix}"


def _own_chains(
    bridge_table: Table, table: Table, port: FilteredPort, found: Addresses
) -> list[Json]:
    if not port.wiring.port_security_enabled:
        return []
    commands = []
    inbound, outbound, neighbor = _chain_names(port)
    for chain, direction in ((inbound, "ingress"), (outbound, "egress")):
        commands.append(table.chain(chain))
        for group in port.wiring.security_groups:
            commands.append(table.rule(chain, nft.jump(group_rules.chain_name(direction, group))))
        commands.append(table.rule(chain, nft.COUNTER, nft.DROP))
    commands.append(bridge_table.chain(neighbor))
    for target in sorted(_neighbor_targets(found)):
        length, value = target
        left = {"payload": {"base": "th", "offset": 64, "len": length}}
        commands.append(bridge_table.rule(neighbor, nft.match(left, value), {"return": None}))
    commands.append(bridge_table.rule(neighbor, nft.COUNTER, nft.DROP))
    return commands


def _neighbor_targets(found: Addresses) -> set[tuple[int, str]]:
    """(bits, value) of the target field of a neighbor advertisement."""
    targets = {(128, _hex(ipaddress.IPv6Address(ip), 128)) for _, ip in found.hosts[6]}
    for _, network in found.ranges[6]:
        bits = max(8, network.prefixlen // 8 * 8)  # whole bytes are what nft can load
        targets.add((bits, _hex(network.network_address, bits)))
    return targets


def _hex(address: Any, bits: int) -> str:
    return f"0x{int(address) >> (128 - bits):0{bits // 4}x}"


def _elements(
    bridge_table: Table, table: Table, port: FilteredPort, found: Addresses
) -> list[tuple[Table, str, list[Any]]]:
    """(table, set or map, elements): the port's lines in every set and map."""
    tap, mark = port.wiring.tap, port.mark
    marks: list[tuple[Table, str, list[Any]]] = [
        (bridge_table, "inport", [[tap, mark]]),
        (bridge_table, "outport", [[tap, mark]]),
    ]
    if not port.wiring.port_security_enabled:
        passes = [[mark, nft.ACCEPT]]
        return [*marks, (table, "ingress", passes), (table, "egress", passes)]
    inbound, outbound, neighbor = _chain_names(port)
    reachable = sorted({ip for _, ip in found.hosts[4]})
    return [
        *marks,
        (bridge_table, "guest", [tap]),
        (bridge_table, "srcmac", [nft.concat(tap, mac) for mac in sorted(found.macs)]),
        *[
            (bridge_table, f"src{v}", [nft.concat(tap, *pair) for pair in sorted(found.hosts[v])])
            for v in (4, 6)
        ],
        *[
            (
                bridge_table,
                f"net{v}",
                [nft.concat(tap, mac, nft.prefix(net)) for mac, net in sorted(found.ranges[v])],
            )
            for v in (4, 6)
        ],
        (bridge_table, "advertiser", [[tap, nft.goto(neighbor)]]),
        (table, "ingress", [[mark, nft.goto(inbound)]]),
        (table, "egress", [[mark, nft.goto(outbound)]]),
        (table, "host", [[nft.concat(port.bridge, ip), nft.goto(inbound)] for ip in reachable]),
    ]


def _mac(text: str) -> str:
    mac = text.strip().lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{text!r} is no MAC address")
    return mac

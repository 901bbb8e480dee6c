"""A security group rule as nftables expressions. Pure; no I/O.

A rule that makes no sense raises BadRule, so that the caller can leave it out
and keep the others (CVE-2014-0187, CVE-2019-9735: one rule the firewall
refused used to stop all of a host's changes).
"""

import ipaddress
from typing import Any

from minova.companions.network.agent import nft
from minova.companions.network.agent.nft import Json
from minova.companions.network.protocols import NUMBERS, WITH_PORTS
from minova.companions.network.wire import Rule

ICMP = {"IPv4": (1, "icmp"), "IPv6": (58, "icmpv6")}
FAMILIES = {"IPv4": ("ipv4", "ip", 4), "IPv6": ("ipv6", "ip6", 6)}
REMOTE_FIELD = {"ingress": "saddr", "egress": "daddr"}


class BadRule(ValueError):
    """The rule cannot be made; the message says why."""


def chain_name(direction: str, group_id: str) -> str:
    """The chain of a group's rules for one direction."""
    return f"sg-{direction}-{group_id}"


def members_set(group_id: str, version: int) -> str:
    """The set of a group's member addresses of IP `version`."""
    return f"sg-members{version}-{group_id}"


def expressions(rule: Rule) -> list[Json]:
    """What the rule matches, ending in accept. Raises BadRule."""
    if rule.direction not in REMOTE_FIELD:
        raise BadRule(f"direction {rule.direction!r} is neither ingress nor egress")
    if rule.ethertype not in FAMILIES:
        raise BadRule(f"ethertype {rule.ethertype!r} is neither IPv4 nor IPv6")
    nfproto = FAMILIES[rule.ethertype][0]
    protocol = protocol_number(rule)
    return [
        nft.match(nft.meta("nfproto"), nfproto),
        *([] if protocol is None else [nft.match(nft.meta("l4proto"), protocol)]),
        *_ports(rule, protocol),
        *_remote(rule),
        nft.ACCEPT,
    ]


def protocol_number(rule: Rule) -> int | None:
    """The IANA number of the rule's protocol, None for any. Raises BadRule."""
    name = rule.protocol
    if name in (None, "", "any", "0"):
        return None
    number = NUMBERS.get(str(name).lower())
    if number is None:
        if not str(name).isdecimal() or int(str(name)) > 255:
            raise BadRule(f"protocol {name!r} is unknown")
        number = int(str(name))
    # "icmp" in an IPv6 rule means ICMPv6, as in the Network API.
    return 58 if number == 1 and rule.ethertype == "IPv6" else number


def _ports(rule: Rule, protocol: int | None) -> list[Json]:
    low, high = rule.port_range_min, rule.port_range_max
    if low is None and high is None:
        return []
    icmp, name = ICMP[rule.ethertype]
    if protocol == icmp:
        return [
            nft.match(nft.field(name, part), _within(value, 255))
            for part, value in (("type", low), ("code", high))
            if value is not None
        ]
    if protocol not in WITH_PORTS:
        raise BadRule(f"protocol {rule.protocol!r} has no ports")
    first = _within(low if low is not None else high, 65535)
    last = _within(high if high is not None else low, 65535)
    if first > last:
        raise BadRule(f"port range {first}-{last} is upside down")
    ports: Any = first if first == last else {"range": [first, last]}
    return [nft.match(nft.field("th", "dport"), ports)]


def _within(value: int | None, largest: int) -> int:
    if value is None or not 0 <= value <= largest:
        raise BadRule(f"{value} is not between 0 and {largest}")
    return value


def _remote(rule: Rule) -> list[Json]:
    _, protocol, version = FAMILIES[rule.ethertype]
    left = nft.field(protocol, REMOTE_FIELD[rule.direction])
    if rule.remote_group_id:
        return [nft.match(left, f"@{members_set(rule.remote_group_id, version)}")]
    if not rule.remote_ip_prefix:
        return []
    try:
        network = ipaddress.ip_network(rule.remote_ip_prefix, strict=False)
    except ValueError as error:
        raise BadRule(str(error)) from None
    if network.version != version:
        raise BadRule(f"{rule.remote_ip_prefix} is no {rule.ethertype} prefix")
    return [] if network.prefixlen == 0 else [nft.match(left, nft.prefix(network))]

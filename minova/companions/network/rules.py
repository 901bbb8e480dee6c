"""Security group rules: which combinations of attributes make sense.

Pure. A rule that passes here is one an agent can turn into a filter; the
messages carry the phrases that Tempest looks for.
"""

import ipaddress
from typing import Any

from minova.companions.network import errors
from minova.companions.network.protocols import NUMBERS, WITH_PORTS

Row = dict[str, Any]

# What agents are told: a name where nftables has matches of its own, else the number.
_WIRE_NAMES = {
    1: "icmp",
    6: "tcp",
    17: "udp",
    33: "dccp",
    58: "icmpv6",
    132: "sctp",
    136: "udplite",
}
_ICMP = (1, 58)
_ONLY_IPV6 = tuple(name for name in NUMBERS if "v6" in name)


def normalized(rule: Row) -> Row:
    """The rule in the form that is stored, or the error that says what is wrong with it.

    `rule` has every attribute, None where it was not given.
    """
    ethertype = _ethertype(rule["ethertype"])
    protocol = _protocol(rule["protocol"])
    number = number_of(protocol)
    if protocol in _ONLY_IPV6 and ethertype == "IPv4":
        raise errors.SecurityGroupEthertypeConflictWithProtocol(
            ethertype=ethertype, protocol=protocol
        )
    if rule["remote_ip_prefix"] and rule["remote_group_id"]:
        raise errors.SecurityGroupRemoteGroupAndRemoteIpPrefix()
    _check_ports(number, protocol, rule["port_range_min"], rule["port_range_max"])
    _check_prefix(rule["remote_ip_prefix"], ethertype)
    return {
        **rule,
        "ethertype": ethertype,
        "protocol": protocol,
        # As it was said: clients compare it. `normalized_cidr` is what it means.
        "remote_ip_prefix": rule["remote_ip_prefix"] or None,
    }


def normalized_cidr(prefix: str | None) -> str | None:
    """The prefix of a stored rule without the bits of a host; None is any."""
    return str(ipaddress.ip_network(prefix, strict=False)) if prefix else None


def number_of(protocol: str | None) -> int | None:
    """The IANA number of a stored protocol; None is any."""
    if protocol is None:
        return None
    return NUMBERS[protocol] if protocol in NUMBERS else int(protocol)


def wire_protocol(protocol: str | None, ethertype: str) -> str | None:
    """The protocol as agents are told: `tcp`, `icmpv6`, or a number as text."""
    number = number_of(protocol)
    if number is None:
        return None
    if number == 1 and ethertype == "IPv6":
        return "icmpv6"
    return _WIRE_NAMES.get(number, str(number))


def _ethertype(given: Any) -> str:
    for known in ("IPv4", "IPv6"):
        if str(given).lower() == known.lower():
            return known
    raise errors.SecurityGroupRuleInvalidEtherType(ethertype=str(given)[:64])


def _protocol(given: Any) -> str | None:
    if given is None:
        return None
    text = str(given).strip().lower()
    if text in ("any", "", "-1"):
        return None
    if text in NUMBERS:
        return text
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255:
        return str(int(text))
    raise errors.SecurityGroupRuleInvalidProtocol(protocol=text[:64])


def _check_ports(
    number: int | None, protocol: str | None, low: int | None, high: int | None
) -> None:
    if low is None and high is None:
        return
    if number is None:
        raise errors.SecurityGroupProtocolRequiredWithPorts()
    if number in _ICMP:
        _check_icmp(low, high)
        return
    if number not in WITH_PORTS:
        allowed = "tcp, udp, udplite, sctp, dccp, icmp"
        raise errors.SecurityGroupInvalidProtocolForPort(protocol=protocol, allowed=allowed)
    for port in (low, high):
        if port is not None and not 1 <= port <= 65535:
            raise errors.SecurityGroupInvalidPortValue(port=port, lowest=1)
    if low is None or high is None or low > high:
        raise errors.SecurityGroupInvalidPortRange()


def _check_icmp(kind: int | None, code: int | None) -> None:
    for value, field, attr in (
        (kind, "type", "port-range-min"),
        (code, "code", "port-range-max"),
    ):
        if value is not None and not 0 <= value <= 255:
            raise errors.SecurityGroupInvalidIcmpValue(field=field, attr=attr, value=value)
    if kind is None:
        raise errors.SecurityGroupMissingIcmpType(value=code)


def _check_prefix(given: str | None, ethertype: str) -> None:
    if not given:
        return
    try:
        network = ipaddress.ip_network(given, strict=False)
    except ValueError:
        raise errors.InvalidInput(reason=f"'{given[:64]}' is not a valid IP prefix") from None
    if f"IPv{network.version}" != ethertype:
        raise errors.SecurityGroupRuleParameterConflict(ethertype=ethertype, cidr=given)

"""What agents are told of a protocol."""

import pytest

from minova.companions.network import rules

ANY = dict.fromkeys(
    ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
)


@pytest.mark.parametrize(
    ("given", "ethertype", "wire"),
    [
        ("TCP", "IPv4", "tcp"),
        (6, "IPv4", "tcp"),
        ("17", "IPv4", "udp"),
        ("icmp", "IPv4", "icmp"),
        ("icmp", "IPv6", "icmpv6"),
        ("ipv6-icmp", "IPv6", "icmpv6"),
        ("58", "IPv6", "icmpv6"),
        ("gre", "IPv4", "47"),
        ("any", "IPv4", None),
        (None, "IPv6", None),
        (0, "IPv4", "0"),
    ],
)
def test_names_and_numbers_mean_the_same(given: object, ethertype: str, wire: str | None) -> None:
    rule = rules.normalized({**ANY, "protocol": given, "ethertype": ethertype})
    assert rules.wire_protocol(rule["protocol"], ethertype) == wire


def test_a_prefix_is_stored_as_said_and_has_a_normal_form() -> None:
    rule = rules.normalized({**ANY, "ethertype": "ipv4", "remote_ip_prefix": "10.1.2.3/8"})
    assert rule["remote_ip_prefix"] == "10.1.2.3/8" and rule["ethertype"] == "IPv4"
    assert rules.normalized_cidr(rule["remote_ip_prefix"]) == "10.0.0.0/8"

"""What a security group rule becomes."""

from typing import Any

import pytest

pytest.importorskip("nftables")

from minova.companions.network.agent import group_rules
from minova.companions.network.wire import Rule


def made(**changes: Any) -> str:
    values: dict[str, Any] = {"id": "r", "direction": "ingress", "ethertype": "IPv4"}
    return text(group_rules.expressions(Rule(**(values | changes))))


def text(expressions: list[dict[str, Any]]) -> str:
    """A readable form: `ipv4; 6; 22`."""
    shown = []
    for expression in expressions:
        kind, body = next(iter(expression.items()))
        shown.append(str(body["right"]) if kind == "match" else kind)
    return "; ".join(shown)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ipv4; accept"),
        ({"ethertype": "IPv6"}, "ipv6; accept"),
        ({"protocol": "tcp"}, "ipv4; 6; accept"),
        ({"protocol": "TCP", "port_range_min": 22, "port_range_max": 22}, "ipv4; 6; 22; accept"),
        (
            {"protocol": "17", "port_range_min": 1, "port_range_max": 65535},
            "ipv4; 17; {'range': [1, 65535]}; accept",
        ),
        ({"protocol": "icmp", "port_range_min": 8}, "ipv4; 1; 8; accept"),
        (
            {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
            "ipv4; 1; 8; 0; accept",
        ),
        ({"protocol": "icmp", "ethertype": "IPv6"}, "ipv6; 58; accept"),
        ({"protocol": "112"}, "ipv4; 112; accept"),
        ({"remote_ip_prefix": "0.0.0.0/0"}, "ipv4; accept"),
        (
            {"remote_ip_prefix": "10.1.2.3/8"},
            "ipv4; {'prefix': {'addr': '10.0.0.0', 'len': 8}}; accept",
        ),
        ({"remote_ip_prefix": "10.1.2.3/32"}, "ipv4; 10.1.2.3; accept"),
        ({"remote_group_id": "g"}, "ipv4; @sg-members4-g; accept"),
        ({"remote_group_id": "g", "ethertype": "IPv6"}, "ipv6; @sg-members6-g; accept"),
    ],
)
def test_a_rule_lets_in_what_it_says(changes: dict[str, Any], expected: str) -> None:
    assert made(**changes) == expected


def test_an_egress_rule_looks_at_the_target_of_a_packet() -> None:
    rule = Rule("r", "egress", "IPv4", remote_ip_prefix="10.0.0.1/32")
    fields = [e["match"]["left"] for e in group_rules.expressions(rule) if "match" in e]
    assert {"payload": {"protocol": "ip", "field": "daddr"}} in fields


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "sideways"},
        {"ethertype": "IPX"},
        {"protocol": "no such thing"},
        {"protocol": "300"},
        {"protocol": "-1"},
        {"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2},
        {"port_range_min": 1, "port_range_max": 2},
        {"protocol": "tcp", "port_range_min": 3, "port_range_max": 2},
        {"protocol": "tcp", "port_range_min": 0, "port_range_max": 70000},
        {"protocol": "icmp", "port_range_min": 256},
        {"remote_ip_prefix": "10.0.0.300"},
        {"remote_ip_prefix": "fd00::/8"},
        {"remote_ip_prefix": "10.0.0.0/8\n"},
    ],
)
def test_cve_2014_0187_a_senseless_rule_is_told_apart(changes: dict[str, Any]) -> None:
    with pytest.raises(group_rules.BadRule):
        made(**changes)

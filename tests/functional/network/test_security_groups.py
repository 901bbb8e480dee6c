"""Security groups, and how their changes reach the hosts."""

from typing import Any

import pytest

from tests.functional.network.server import Agent, Server

SERVICE = "services:service"
ADMIN = "admin:admin"


def default_group(server: Server, who: str = "demo") -> dict[str, Any]:
    found = server.get("/security-groups?name=default", who)["security_groups"]
    assert len(found) == 1
    return dict(found[0])


def rule(group: dict[str, Any], **attrs: Any) -> dict[str, Any]:
    return {
        "security_group_rule": {
            "security_group_id": group["id"],
            "direction": "ingress",
            "ethertype": "IPv4",
            **attrs,
        }
    }


def bound(server: Server, network: dict[str, Any], host: str = "h1", **attrs: Any) -> Any:
    return server.port(
        network["id"], SERVICE, project_id="demo", **{"binding:host_id": host}, **attrs
    )


def test_every_project_finds_its_default_group(server: Server) -> None:
    group = default_group(server)
    assert group["id"] != default_group(server, "other")["id"]
    rules = {
        (r["direction"], r["ethertype"], r["remote_group_id"])
        for r in group["security_group_rules"]
    }
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    path = f"/security-groups/{group['id']}"
    named = {"security_group": {"name": "default"}}
    assert server.error("POST", "/security-groups", named) == (
        409,
        "SecurityGroupDefaultAlreadyExists",
    )
    assert server.error("PUT", path, {"security_group": {"name": "x"}}) == (
        409,
        "SecurityGroupCannotUpdateDefault",
    )
    assert server.error("DELETE", path) == (409, "SecurityGroupCannotRemoveDefault")
    assert server.error("GET", path, who="other") == (404, "SecurityGroupNotFound")
    assert server.get("/security-groups?project_id=demo&name=default", ADMIN)["security_groups"]
    server.delete(path, ADMIN)


@pytest.mark.parametrize(
    ("attrs", "kind", "words"),
    [
        ({"protocol": "nonsense"}, "SecurityGroupRuleInvalidProtocol", "not supported"),
        ({"protocol": 256}, "SecurityGroupRuleInvalidProtocol", "not supported"),
        ({"ethertype": "bad"}, "SecurityGroupRuleInvalidEtherType", "not supported"),
        ({"remote_ip_prefix": "192.168.1./24"}, "InvalidInput", "not a valid"),
        ({"remote_ip_prefix": "fd00::/8"}, "SecurityGroupRuleParameterConflict", "Conflicting"),
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts", ""),
        (
            {"protocol": "tcp", "port_range_min": -16, "port_range_max": 80},
            "SecurityGroupInvalidPortValue",
            "Invalid value for port -16",
        ),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 79},
            "SecurityGroupInvalidPortRange",
            "port_range_min must be <= port_range_max",
        ),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 65536},
            "SecurityGroupInvalidPortValue",
            "Invalid value for port 65536",
        ),
        (
            {"protocol": "tcp", "port_range_max": 6},
            "SecurityGroupInvalidPortRange",
            "port_range_min must be <= port_range_max",
        ),
        (
            {"protocol": "icmp", "port_range_min": 1, "port_range_max": 256},
            "SecurityGroupInvalidIcmpValue",
            "Invalid value for ICMP code",
        ),
        (
            {"protocol": "icmp", "port_range_max": 6},
            "SecurityGroupMissingIcmpType",
            "ICMP type (port-range-min) is missing",
        ),
        (
            {"protocol": "icmp", "port_range_min": 300, "port_range_max": 1},
            "SecurityGroupInvalidIcmpValue",
            "Invalid value for ICMP type",
        ),
        (
            {"protocol": "gre", "port_range_min": 1, "port_range_max": 1},
            "SecurityGroupInvalidProtocolForPort",
            "gre",
        ),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol", "icmpv6"),
    ],
)
def test_a_rule_no_host_could_apply_is_refused(
    server: Server, attrs: dict[str, Any], kind: str, words: str
) -> None:
    body = rule(default_group(server), **attrs)
    assert server.error("POST", "/security-group-rules", body) == (400, kind)
    answer = server.call("POST", "/security-group-rules", body)
    assert words in answer.json()["NeutronError"]["message"]


def test_rules_are_made_once_and_refer_to_what_exists(server: Server) -> None:
    group = default_group(server)
    ssh = rule(group, protocol="tcp", port_range_min="22", port_range_max=22)
    made = server.post("/security-group-rules", ssh)["security_group_rule"]
    assert made["port_range_min"] == 22 and made["protocol"] == "tcp"
    same = rule(group, protocol=6, port_range_min=22, port_range_max=22)
    assert server.error("POST", "/security-group-rules", same) == (409, "SecurityGroupRuleExists")
    for attrs in ({"remote_group_id": "nonexist"}, {"security_group_id": "nonexist"}):
        body = rule(group, **attrs)
        answer = server.error("POST", "/security-group-rules", body)
        assert answer == (404, "SecurityGroupNotFound")
    wide = server.post("/security-group-rules", rule(group, remote_ip_prefix="10.1.2.3/8"))
    shown = wide["security_group_rule"]
    assert (shown["remote_ip_prefix"], shown["normalized_cidr"]) == ("10.1.2.3/8", "10.0.0.0/8")
    same = rule(group, remote_ip_prefix="10.0.0.0/8")
    assert server.error("POST", "/security-group-rules", same) == (409, "SecurityGroupRuleExists")
    server.delete(f"/security-group-rules/{shown['id']}")
    both = rule(group, remote_group_id=group["id"], remote_ip_prefix="10.0.0.0/8")
    assert server.error("POST", "/security-group-rules", both) == (
        400,
        "SecurityGroupRemoteGroupAndRemoteIpPrefix",
    )
    foreign = rule(group)
    assert server.error("POST", "/security-group-rules", foreign, "other")[0] == 404
    server.delete(f"/security-group-rules/{made['id']}")
    assert len(default_group(server)["security_group_rules"]) == 4


def test_a_group_in_use_stays(server: Server) -> None:
    network = server.network()
    group = server.post("/security-groups", {"security_group": {"name": "g"}})["security_group"]
    port = server.port(network["id"], security_groups=[group["id"]])
    path = f"/security-groups/{group['id']}"
    assert server.error("DELETE", path) == (409, "SecurityGroupInUse")
    assert server.get(f"/ports?security_groups={group['id']}")["ports"] == [port]
    server.put(f"/ports/{port['id']}", {"port": {"security_groups": []}})
    server.delete(path)
    body = {"port": {"network_id": network["id"], "security_groups": [group["id"]]}}
    assert server.error("POST", "/ports", body) == (404, "SecurityGroupNotFound")
    foreign = default_group(server, "other")["id"]
    body["port"]["security_groups"] = [foreign]
    assert server.error("POST", "/ports", body) == (404, "SecurityGroupNotFound")


def test_a_new_rule_reaches_the_hosts_of_running_guests(server: Server, agent: Agent) -> None:
    group = default_group(server)
    port = bound(server, server.network())
    ssh = rule(group, protocol="tcp", port_range_min=22, port_range_max=22)
    made = server.post("/security-group-rules", ssh)["security_group_rule"]
    agent.wait_for(lambda: any(r.id == made["id"] for r in agent.groups[group["id"]].rules))
    server.delete(f"/security-group-rules/{made['id']}")
    agent.wait_for(lambda: all(r.id != made["id"] for r in agent.groups[group["id"]].rules))
    assert port["id"] in agent.ports


def test_members_of_a_group_are_known_on_other_hosts(server: Server, agent: Agent, db: Any) -> None:
    other = Agent("h2", db)
    other.start()
    try:
        network = server.network()
        first = bound(server, network, "h1")
        second = bound(server, network, "h2")
        (group,) = first["security_groups"]
        both = sorted(p["fixed_ips"][0]["ip_address"] for p in (first, second))
        agent.wait_for(lambda: sorted(agent.groups[group].member_ips) == both)
        server.delete(f"/ports/{second['id']}", SERVICE)
        left = [first["fixed_ips"][0]["ip_address"]]
        agent.wait_for(lambda: agent.groups[group].member_ips == left)
        other.wait_for(lambda: second["id"] not in other.ports)
    finally:
        other.stop()


def test_a_burst_of_changes_is_one_or_two_messages(server: Server, agent: Agent) -> None:
    group = default_group(server)
    bound(server, server.network())
    agent.wait_for(lambda: "refresh" in agent.calls)
    agent.calls.clear()
    for port in range(1, 31):
        body = rule(group, protocol="udp", port_range_min=port, port_range_max=port)
        server.post("/security-group-rules", body)
    agent.wait_for(lambda: len(agent.groups[group["id"]].rules) == 34)
    assert 1 <= agent.calls.count("refresh") <= 6  # 0.2 s apart here, 1 s in life


def test_a_port_that_changes_its_groups_changes_on_its_host(server: Server, agent: Agent) -> None:
    port = bound(server, server.network())
    body = {"port": {"security_groups": [], "port_security_enabled": False}}
    server.put(f"/ports/{port['id']}", body)
    agent.wait_for(lambda: not agent.ports[port["id"]].port_security_enabled)
    assert agent.ports[port["id"]].security_groups == []

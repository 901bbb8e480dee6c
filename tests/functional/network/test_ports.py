"""Ports: addresses, groups, and the way to the host."""

import ipaddress
import threading

from minova.common import errors
from tests.functional.network.server import Agent, Server

SERVICE = "services:service"


def test_a_port_gets_an_address_a_mac_and_the_default_group(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    port = server.port(network["id"], name="p1")
    (fixed,) = port["fixed_ips"]
    assert fixed["subnet_id"] == network["subnet"]["id"]
    assert ipaddress.ip_address(fixed["ip_address"]) in ipaddress.ip_network("10.9.0.0/24")
    assert port["mac_address"].startswith("fa:16:3e:")
    assert port["status"] == "DOWN"
    assert port["project_id"] == port["tenant_id"] == "demo"
    groups = server.get("/security-groups?name=default")["security_groups"]
    assert port["security_groups"] == [groups[0]["id"]]
    assert "binding:host_id" not in port
    assert server.get(f"/ports/{port['id']}")["port"] == port


def test_nobody_shares_an_address_when_fifty_ask_at_once(server: Server) -> None:
    network = server.network("10.9.0.0/26")
    barrier = threading.Barrier(50)
    answers: list[str] = []

    def ask() -> None:
        barrier.wait()
        answer = server.call("POST", "/ports", {"port": {"network_id": network["id"]}})
        assert answer.status_code == 201, answer.text
        answers.append(answer.json()["port"]["fixed_ips"][0]["ip_address"])

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(set(answers)) == 50


def test_a_full_subnet_says_so(server: Server) -> None:
    network = server.network("10.9.0.0/29")  # gateway, DHCP, four left
    for _ in range(4):
        server.port(network["id"])
    body = {"port": {"network_id": network["id"]}}
    assert server.error("POST", "/ports", body) == (409, "IpAddressGenerationFailure")


def test_a_binding_makes_the_hosts_agent_ready_first(server: Server, agent: Agent) -> None:
    network = server.network("10.9.0.0/24")
    port = server.port(
        network["id"],
        who=SERVICE,
        project_id="demo",
        device_id="vm1",
        device_owner="compute:nova",
        dns_name="vm1",
        **{"binding:host_id": "h1"},
    )
    assert port["binding:vif_type"] == "bridge"
    assert port["binding:vif_details"] == {
        "bridge_name": f"br-{network['id'][:11]}",
        "port_filter": True,
        "connectivity": "l2",
    }
    wired = agent.ports[port["id"]]
    assert wired.tap == f"tap{port['id'][:11]}"
    assert (wired.hostname, wired.project_id, wired.device_id) == ("vm1", "demo", "vm1")
    assert [ip.ip_address for ip in wired.fixed_ips] == [port["fixed_ips"][0]["ip_address"]]
    assert wired.security_groups == port["security_groups"]
    (subnet,) = agent.networks[network["id"]].subnets
    assert (subnet.gateway_ip, subnet.dhcp_ip) == ("10.9.0.1", "10.9.0.2")
    group = agent.groups[port["security_groups"][0]]
    assert group.member_ips == [port["fixed_ips"][0]["ip_address"]]
    assert {rule.direction for rule in group.rules} == {"ingress", "egress"}
    assert agent.state().ports == [wired]


def test_a_port_comes_up_when_its_tap_does(server: Server, agent: Agent) -> None:
    network = server.network()
    port = server.port(network["id"], who=SERVICE, **{"binding:host_id": "h1"})
    agent.tell_status(port["id"], up=True)
    agent.state()  # a call after the cast, to the same server
    deadline = threading.Event()
    for _ in range(200):
        if server.get(f"/ports/{port['id']}", SERVICE)["port"]["status"] == "ACTIVE":
            return
        deadline.wait(0.02)
    raise AssertionError("the port never became ACTIVE")


def test_a_failing_agent_shows_as_binding_failed(server: Server, agent: Agent) -> None:
    network = server.network()
    agent.fail = errors.Invalid("no bridge here")
    port = server.port(network["id"], who=SERVICE, **{"binding:host_id": "h1"})
    assert port["binding:vif_type"] == "binding_failed"
    assert agent.state().ports == []
    agent.fail = None
    body = {"port": {"binding:host_id": "h1"}}
    port = server.put(f"/ports/{port['id']}", body, SERVICE)["port"]
    assert port["binding:vif_type"] == "bridge"
    assert port["id"] in agent.ports


def test_a_deleted_port_is_gone_from_its_host(server: Server, agent: Agent) -> None:
    network = server.network()
    port = server.port(network["id"], who=SERVICE, **{"binding:host_id": "h1"})
    server.delete(f"/ports/{port['id']}", SERVICE)
    assert port["id"] not in agent.ports
    assert server.error("GET", f"/ports/{port['id']}") == (404, "PortNotFound")

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


def test_addresses_are_given_as_asked(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    subnet = network["subnet"]["id"]
    port = server.port(network["id"], fixed_ips=[{"ip_address": "10.9.0.77"}])
    assert port["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.9.0.77"}]
    assert port["dns_assignment"][0]["hostname"] == "host-10-9-0-77"

    def refused(*fixed_ips: dict[str, str]) -> tuple[int, str]:
        body = {"port": {"network_id": network["id"], "fixed_ips": list(fixed_ips)}}
        return server.error("POST", "/ports", body)

    assert refused({"ip_address": "10.9.0.77"}) == (409, "IpAddressAlreadyAllocated")
    assert refused({"ip_address": "10.9.0.2"}) == (409, "IpAddressAlreadyAllocated")  # DHCP
    assert refused({"ip_address": "10.8.0.5"}) == (400, "InvalidIpForNetwork")
    assert refused({"ip_address": "10.9.0.255"}) == (400, "InvalidIpForNetwork")
    assert refused({"ip_address": "10.8.0.5", "subnet_id": subnet}) == (400, "InvalidIpForSubnet")
    assert refused({"subnet_id": "nonexist"}) == (400, "InvalidInput")
    twice = {"ip_address": "10.9.0.78"}
    assert refused(twice, twice) == (409, "IpAddressAlreadyAllocated")
    assert server.port(network["id"], fixed_ips=[])["fixed_ips"] == []


def test_a_second_address_comes_and_goes(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    port = server.port(network["id"], fixed_ips=[{"ip_address": "10.9.0.77"}])
    path = f"/ports/{port['id']}"
    two = [*port["fixed_ips"], {"subnet_id": network["subnet"]["id"]}]
    changed = server.put(path, {"port": {"fixed_ips": two}})["port"]
    assert changed["fixed_ips"][0] == port["fixed_ips"][0] and len(changed["fixed_ips"]) == 2
    second = changed["fixed_ips"][1]
    changed = server.put(path, {"port": {"fixed_ips": [second]}})["port"]
    assert changed["fixed_ips"] == [second]
    server.port(network["id"], fixed_ips=[{"ip_address": "10.9.0.77"}])  # is free again


def test_ports_are_found_by_what_people_know_of_them(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    port = server.port(network["id"], fixed_ips=[{"ip_address": "10.9.0.77"}], device_id="vm1")
    server.port(network["id"])
    for query in (
        "device_id=vm1",
        "fixed_ips=ip_address%3D10.9.0.77",
        "fixed_ips=ip_address_substr%3D0.77",
        f"fixed_ips=subnet_id%3D{network['subnet']['id']}&device_id=vm1",
        f"mac_address={port['mac_address']}",
    ):
        found = server.get(f"/ports?{query}&fields=id")["ports"]
        assert found == [{"id": port["id"]}], query


def test_a_mac_is_taken_once_per_network(server: Server) -> None:
    network = server.network()
    server.port(network["id"], mac_address="FA:16:3E:00:00:01")
    body = {"port": {"network_id": network["id"], "mac_address": "fa:16:3e:00:00:01"}}
    assert server.error("POST", "/ports", body) == (409, "MacAddressInUse")
    body["port"]["mac_address"] = "01:16:3e:00:00:01"
    assert server.error("POST", "/ports", body) == (400, "InvalidInput")
    server.port(server.network("10.8.0.0/24")["id"], mac_address="fa:16:3e:00:00:01")


def test_on_a_foreign_network_one_takes_what_one_is_given(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    server.put(f"/networks/{network['id']}", {"network": {"shared": True}}, "a:admin")
    for attrs in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.9.0.9"}]},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.9.0.9"}]},
        {"device_owner": "network:dhcp"},
        {"device_owner": "network:router_interface"},
    ):
        body = {"port": {"network_id": network["id"], **attrs}}
        assert server.error("POST", "/ports", body, "other") == (403, "PolicyNotAuthorized"), attrs
        owners = server.call("POST", "/ports", body)
        assert owners.status_code == 201
    port = server.port(network["id"], "other")
    path = f"/ports/{port['id']}"
    for attrs in ({"device_owner": "network:dhcp"}, {"fixed_ips": [{"ip_address": "10.9.0.250"}]}):
        assert server.error("PUT", path, {"port": attrs}, "other")[0] == 403
    more = [*port["fixed_ips"], {"subnet_id": network["subnet"]["id"]}]
    assert len(server.put(path, {"port": {"fixed_ips": more}}, "other")["port"]["fixed_ips"]) == 2


def test_without_port_security_there_are_no_groups(server: Server) -> None:
    network = server.network()
    port = server.port(network["id"], port_security_enabled=False)
    assert port["security_groups"] == []
    group = server.get("/security-groups")["security_groups"][0]["id"]
    kind = "PortSecurityAndIPRequiredForSecurityGroups"
    body = {"port": {"security_groups": [group]}}
    assert server.error("PUT", f"/ports/{port['id']}", body) == (400, kind)
    body["port"]["port_security_enabled"] = True  # type: ignore[assignment]
    changed = server.put(f"/ports/{port['id']}", body)["port"]
    assert changed["security_groups"] == [group]
    assert server.port(network["id"], security_groups=[])["security_groups"] == []


def test_allowed_address_pairs_reach_the_host(server: Server, agent: Agent) -> None:
    network = server.network()
    pairs = [{"ip_address": "10.9.0.100"}, {"ip_address": "10.9.1.0/24"}]
    port = server.port(
        network["id"], SERVICE, allowed_address_pairs=pairs, **{"binding:host_id": "h1"}
    )
    mac = port["mac_address"]
    assert port["allowed_address_pairs"] == [{**pair, "mac_address": mac} for pair in pairs]
    wired = agent.ports[port["id"]].allowed_address_pairs
    assert wired == [["10.9.0.100", mac], ["10.9.1.0/24", mac]]


def test_bulk_creation_of_ports_is_all_or_none(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    items = [{"network_id": network["id"], "name": str(n)} for n in range(5)]
    ports = server.post("/ports", {"ports": items})["ports"]
    assert [port["name"] for port in ports] == ["0", "1", "2", "3", "4"]
    items[1]["fixed_ips"] = ports[0]["fixed_ips"]
    assert server.error("POST", "/ports", {"ports": items}) == (409, "IpAddressAlreadyAllocated")
    assert len(server.get("/ports?fields=id")["ports"]) == 6

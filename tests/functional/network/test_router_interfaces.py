"""A router's interfaces over HTTP: whose address they have, and what is refused as Neutron does."""

from typing import Any

import pytest

from tests import databases
from tests.functional.network.server import Agent, Server

everywhere = pytest.mark.parametrize("db", databases.available(), indirect=True)
ADMIN = "root:admin"
NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def private(server: Server) -> Any:
    return server.network()


def router(server: Server, who: str = "demo", **values: Any) -> Any:
    return server.post("/routers", {"router": values}, who)["router"]


def add(server: Server, router: Any, **what: Any) -> Any:
    return server.put(f"/routers/{router['id']}/add_router_interface", what)


def remove(server: Server, router: Any, **what: Any) -> Any:
    return server.put(f"/routers/{router['id']}/remove_router_interface", what)


def refused(server: Server, router: Any, verb: str = "add", **what: Any) -> tuple[int, str, str]:
    """Status, type and message."""
    path = f"/routers/{router['id']}/{verb}_router_interface"
    answer = server.call("PUT", path, what)
    error = answer.json()["NeutronError"]
    return answer.status_code, error["type"], error["message"]


def bad(message: str) -> tuple[int, str, str]:
    return 400, "BadRequest", f"Bad router request: {message}."


def subnet(server: Server, network: Any, cidr: str, **values: Any) -> Any:
    body = {"network_id": network["id"], "cidr": cidr, "ip_version": 4, **values}
    return server.post("/subnets", {"subnet": body})["subnet"]


def addresses(server: Server, port_id: str) -> list[str]:
    port = server.get(f"/ports/{port_id}")["port"]
    return [fixed["ip_address"] for fixed in port["fixed_ips"]]


def held(agent: Agent) -> dict[str, list[str]]:
    """What the host's bridges hold, by subnet."""
    return {s.cidr: s.held_ips for n in agent.state().networks for s in n.subnets}


def test_by_subnet_an_interface_has_the_gateways_address(server: Server, private: Any) -> None:
    made = router(server)
    added = add(server, made, subnet_id=private["subnet"]["id"])
    assert added == {
        "id": made["id"],
        "port_id": added["port_id"],
        "network_id": private["id"],
        "subnet_id": private["subnet"]["id"],
        "subnet_ids": [private["subnet"]["id"]],
        "project_id": "demo",
        "tenant_id": "demo",
        "tags": [],
    }
    port = server.get(f"/ports/{added['port_id']}")["port"]
    assert (port["device_owner"], port["device_id"]) == ("network:router_interface", made["id"])
    assert addresses(server, port["id"]) == ["10.9.0.1"]
    assert server.error("DELETE", f"/ports/{port['id']}") == (409, "ServicePortInUse")
    assert server.error("DELETE", f"/routers/{made['id']}") == (409, "RouterInUse")
    assert server.error("DELETE", f"/subnets/{private['subnet']['id']}") == (409, "SubnetInUse")
    assert remove(server, made, port_id=port["id"])["port_id"] == port["id"]
    server.delete(f"/routers/{made['id']}")


def test_an_interface_moves_to_another_address(server: Server, agent: Agent, private: Any) -> None:
    made = router(server)
    port_id = add(server, made, subnet_id=private["subnet"]["id"])["port_id"]
    path = f"/ports/{port_id}"
    agent.wait_for(lambda: "refresh" in agent.calls)
    agent.calls.clear()
    moved = {"port": {"fixed_ips": [{"ip_address": "10.9.0.254"}], "name": "r"}}
    assert server.put(path, moved)["port"]["fixed_ips"][0]["ip_address"] == "10.9.0.254"
    agent.wait_for(lambda: "refresh" in agent.calls)
    assert held(agent) == {"10.9.0.0/24": ["10.9.0.1", "10.9.0.254"]}
    second = subnet(server, private, "10.10.0.0/24")
    add(server, made, subnet_id=second["id"])
    for fixed, status in (
        ([{"subnet_id": second["id"]}], 400),
        ([{"ip_address": "10.10.0.9"}], 400),
        ([{"ip_address": "10.9.0.9"}, {"ip_address": "10.9.0.8"}], 400),
        ([{"ip_address": "10.99.0.9"}], 400),
        ([{"ip_address": "nonsense"}], 400),
        ([{"ip_address": "10.9.0.2"}], 409),
    ):
        assert server.call("PUT", path, {"port": {"fixed_ips": fixed}}).status_code == status
    for other in ({"device_id": ""}, {"device_owner": ""}, {"mac_address": "fa:16:3e:00:00:01"}):
        assert server.error("PUT", path, {"port": other})[0] == 409


def test_a_subnet_without_gateway_is_joined_by_a_port_only(server: Server) -> None:
    network = server.network(None)
    bare = subnet(server, network, "10.9.0.0/24", gateway_ip=None)
    made = router(server)
    assert refused(server, made, subnet_id=bare["id"]) == bad(
        "Subnet for router interface must have a gateway IP"
    )
    port = server.port(network["id"], fixed_ips=[{"ip_address": "10.9.0.77"}])
    assert add(server, made, port_id=port["id"])["subnet_ids"] == [bare["id"]]
    assert addresses(server, port["id"]) == ["10.9.0.77"]


@everywhere
def test_hosts_hold_the_addresses_of_all_interfaces(
    server: Server, agent: Agent, private: Any
) -> None:
    first, second = router(server), router(server)
    port = server.port(private["id"], fixed_ips=[{"ip_address": "10.9.0.254"}])
    add(server, first, subnet_id=private["subnet"]["id"])
    agent.wait_for(lambda: "refresh" in agent.calls)
    agent.calls.clear()
    add(server, second, port_id=port["id"])
    agent.wait_for(lambda: "refresh" in agent.calls)
    assert held(agent) == {"10.9.0.0/24": ["10.9.0.1", "10.9.0.254"]}
    assert {r.id for r in agent.state().routers} == {first["id"], second["id"]}
    server.put(f"/routers/{second['id']}", {"router": {"admin_state_up": False}})
    assert held(agent) == {"10.9.0.0/24": ["10.9.0.1"]}
    assert {r.id for r in agent.state().routers} == {first["id"]}
    remove(server, first, subnet_id=private["subnet"]["id"])
    assert held(agent) == {"10.9.0.0/24": ["10.9.0.1"]}, "a host is the gateway anyway"


def test_a_bound_port_brings_the_routers_addresses_along(server: Server, agent: Agent) -> None:
    network = server.network(None)
    bare = subnet(server, network, "10.9.0.0/24", gateway_ip=None, enable_dhcp=False)
    port = server.port(network["id"], fixed_ips=[{"ip_address": "10.9.0.254"}])
    add(server, router(server), port_id=port["id"])
    server.port(network["id"], "nova:service", **{"binding:host_id": agent.host})
    (told,) = agent.networks[network["id"]].subnets
    assert (told.id, told.gateway_ip, told.held_ips) == (bare["id"], None, ["10.9.0.254"])


def test_a_guest_with_the_gateways_address_is_the_gateway(
    server: Server, agent: Agent, private: Any
) -> None:
    agent.wait_for(lambda: private["id"] in agent.networks)
    agent.calls.clear()
    port = server.port(private["id"], fixed_ips=[{"ip_address": "10.9.0.1"}])
    agent.wait_for(lambda: "refresh" in agent.calls)
    assert held(agent) == {"10.9.0.0/24": []}
    made = router(server)
    subnet_id = private["subnet"]["id"]
    assert refused(server, made, subnet_id=subnet_id) == (
        409,
        "IpAddressAlreadyAllocated",
        f"IP address 10.9.0.1 already allocated in subnet {subnet_id}",
    )
    assert server.get("/ports?device_owner=network:router_interface", ADMIN)["ports"] == []
    agent.calls.clear()
    server.delete(f"/ports/{port['id']}")
    agent.wait_for(lambda: "refresh" in agent.calls)
    assert held(agent) == {"10.9.0.0/24": ["10.9.0.1"]}


def test_two_routers_cannot_both_be_the_gateway(server: Server, private: Any) -> None:
    add(server, router(server), subnet_id=private["subnet"]["id"])
    other = router(server)
    status, kind, _ = refused(server, other, subnet_id=private["subnet"]["id"])
    assert (status, kind) == (409, "IpAddressAlreadyAllocated")
    port = server.port(private["id"])
    assert add(server, other, port_id=port["id"])["port_id"] == port["id"]


def test_a_subnet_is_on_a_router_once_and_none_overlaps(server: Server, private: Any) -> None:
    made, subnet_id = router(server), private["subnet"]["id"]
    add(server, made, subnet_id=subnet_id)
    again = bad(f"Router already has a port on subnet {subnet_id}")
    assert refused(server, made, subnet_id=subnet_id) == again
    assert refused(server, made, port_id=server.port(private["id"])["id"]) == again
    wide = server.network("10.9.0.0/16")
    overlaps = bad(
        f"Cidr 10.9.0.0/16 of subnet {wide['subnet']['id']} overlaps with cidr 10.9.0.0/24 "
        f"of subnet {subnet_id}"
    )
    assert refused(server, made, subnet_id=wide["subnet"]["id"]) == overlaps
    port = server.port(wide["id"])
    assert refused(server, made, port_id=port["id"]) == overlaps
    assert server.get(f"/ports/{port['id']}")["port"]["device_owner"] == "", "it is free still"


def test_ports_that_cannot_be_interfaces_are_refused(server: Server, private: Any) -> None:
    made = router(server)
    used = server.port(private["id"], device_id="vm", device_owner="compute:nova")
    assert refused(server, made, port_id=used["id"]) == (
        409,
        "PortInUse",
        f"Unable to complete operation on port {used['id']} for network {private['id']}. Port "
        "already has an attached device vm.",
    )
    bare = server.port(private["id"], fixed_ips=[])
    assert refused(server, made, port_id=bare["id"]) == bad(
        "Router port must have at least one fixed IP"
    )
    second = subnet(server, private, "10.10.0.0/24")
    both = [{"subnet_id": private["subnet"]["id"]}, {"subnet_id": second["id"]}]
    double = server.port(private["id"], fixed_ips=both)
    assert refused(server, made, port_id=double["id"]) == bad(
        "Cannot have multiple IPv4 subnets on router port"
    )


def test_several_subnets_of_a_network_each_have_their_interface(
    server: Server, agent: Agent, private: Any
) -> None:
    second = subnet(server, private, "10.10.0.0/24")
    made = router(server)
    one = add(server, made, subnet_id=private["subnet"]["id"])
    port = server.port(private["id"], fixed_ips=[{"ip_address": "10.10.0.9"}])
    other = add(server, made, port_id=port["id"])
    assert other["subnet_id"] == second["id"] and one["port_id"] != other["port_id"]
    (routes,) = agent.state().routers
    assert [(r.network_id, r.cidr) for r in sorted(routes.ranges, key=lambda r: r.cidr)] == [
        (private["id"], "10.10.0.0/24"),
        (private["id"], "10.9.0.0/24"),
    ]
    assert held(agent)["10.10.0.0/24"] == ["10.10.0.1", "10.10.0.9"]


def test_senseless_requests_are_refused(server: Server, private: Any) -> None:
    made, subnet_id = router(server), private["subnet"]["id"]
    assert refused(server, made) == bad("Either subnet_id or port_id must be specified")
    assert refused(server, made, subnet_id="nope") == bad("'nope' is not a valid UUID")
    port = server.port(private["id"])
    assert refused(server, made, subnet_id=subnet_id, port_id=port["id"]) == bad(
        "Cannot specify both subnet-id and port-id"
    )
    assert refused(server, made, subnet_id=NOWHERE)[:2] == (404, "SubnetNotFound")
    assert refused(server, made, port_id=NOWHERE)[:2] == (404, "PortNotFound")
    foreign = server.network("10.20.0.0/24", "other")
    assert refused(server, made, subnet_id=foreign["subnet"]["id"])[:2] == (404, "SubnetNotFound")
    theirs = server.port(foreign["id"], "other")
    assert refused(server, made, port_id=theirs["id"])[:2] == (404, "PortNotFound")
    add(server, made, port_id=port["id"])
    assert refused(server, made, "remove", port_id=NOWHERE) == (
        404,
        "RouterInterfaceNotFound",
        f"Router {made['id']} does not have an interface with id {NOWHERE}",
    )
    assert refused(server, made, "remove", subnet_id=NOWHERE) == (
        404,
        "RouterInterfaceNotFoundForSubnet",
        f"Router {made['id']} has no interface on subnet {NOWHERE}",
    )
    assert refused(server, made, "remove", port_id=port["id"], subnet_id=NOWHERE) == (
        400,
        "SubnetMismatchForPort",
        f"Subnet on port {port['id']} does not match the requested subnet {NOWHERE}.",
    )
    remove(server, made, port_id=port["id"], subnet_id=subnet_id)
    assert server.error("GET", f"/ports/{port['id']}") == (404, "PortNotFound")


def test_an_ipv6_subnet_joins_the_port_of_its_network(server: Server, private: Any) -> None:
    v6 = [
        subnet(server, private, f"fd00:{number}::/64", ip_version=6, enable_dhcp=False)
        for number in (1, 2, 3)
    ]
    made = router(server)
    port_id = add(server, made, subnet_id=v6[0]["id"])["port_id"]
    assert add(server, made, subnet_id=v6[1]["id"])["port_id"] == port_id
    assert addresses(server, port_id) == ["fd00:1::1", "fd00:2::1"]
    third = server.port(private["id"], fixed_ips=[{"subnet_id": v6[2]["id"]}])
    assert refused(server, made, port_id=third["id"]) == bad(
        "Cannot have multiple router ports with the same network id if both contain IPv6 subnets. "
        f"Existing port {port_id} has IPv6 subnet(s) and network id {private['id']}"
    )
    assert remove(server, made, subnet_id=v6[0]["id"])["subnet_ids"] == [v6[0]["id"]]
    assert addresses(server, port_id) == ["fd00:2::1"]
    remove(server, made, subnet_id=v6[1]["id"])
    assert server.error("GET", f"/ports/{port_id}") == (404, "PortNotFound")


def test_the_gateway_changes_only_while_it_is_no_routers(server: Server, private: Any) -> None:
    made = router(server)
    path = f"/subnets/{private['subnet']['id']}"
    pools = {"allocation_pools": [{"start": "10.9.0.2", "end": "10.9.0.100"}]}
    server.put(path, {"subnet": pools})
    port_id = add(server, made, subnet_id=private["subnet"]["id"])["port_id"]
    for gateway in ("10.9.0.254", None):
        body = {"subnet": {"gateway_ip": gateway}}
        assert server.error("PUT", path, body) == (409, "GatewayIpInUse")
    remove(server, made, port_id=port_id)
    # A router's other address becomes the gateway.
    port = server.port(private["id"], fixed_ips=[{"ip_address": "10.9.0.254"}])
    add(server, made, port_id=port["id"])
    changed = server.put(path, {"subnet": {"gateway_ip": "10.9.0.254"}})["subnet"]
    assert changed["gateway_ip"] == "10.9.0.254"


def test_cve_2014_0056_nobody_puts_a_port_on_a_router_past_it(server: Server, private: Any) -> None:
    theirs = router(server, "other")
    owner = {"device_owner": "network:router_interface", "device_id": theirs["id"]}
    body = {"port": {"network_id": private["id"], **owner}}
    assert server.error("POST", "/ports", body) == (409, "DeviceIDNotOwnedByTenant")
    port = server.port(private["id"])
    path = f"/ports/{port['id']}"
    assert server.error("PUT", path, {"port": owner}) == (409, "DeviceIDNotOwnedByTenant")
    server.put(path, {"port": {"device_owner": "network:router_interface"}})
    body = {"port": {"device_id": theirs["id"]}}
    assert server.error("PUT", path, body) == (409, "DeviceIDNotOwnedByTenant")

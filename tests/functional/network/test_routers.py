"""Routers and floating IPs over HTTP, and what agents and the compute service hear of them."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from minova.companions.network.servers import Servers
from tests import databases
from tests.functional.network.server import Agent, Server

everywhere = pytest.mark.parametrize("db", databases.available(), indirect=True)
ADMIN = "root:admin"
NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def public(server: Server) -> Any:
    """An external network of three addresses."""
    network = server.network(None, ADMIN, **{"router:external": True})
    body = {
        "network_id": network["id"],
        "ip_version": 4,
        "cidr": "172.31.0.0/24",
        "enable_dhcp": False,
        "allocation_pools": [{"start": "172.31.0.10", "end": "172.31.0.12"}],
    }
    network["subnet"] = server.post("/subnets", {"subnet": body}, ADMIN)["subnet"]
    return network


@pytest.fixture
def private(server: Server) -> Any:
    return server.network()


def router(server: Server, public: Any = None, *subnets: Any, who: str = "demo") -> Any:
    """A router to `public`, with interfaces on `subnets`."""
    way_out = {"external_gateway_info": {"network_id": public["id"]}} if public else {}
    made = server.post("/routers", {"router": {"name": "r", **way_out}}, who)["router"]
    for subnet in subnets:
        add(server, made, {"subnet_id": subnet["id"]}, who)
    return made


def add(server: Server, router: Any, what: Any, who: str = "demo") -> Any:
    return server.put(f"/routers/{router['id']}/add_router_interface", what, who)


def remove(server: Server, router: Any, what: Any) -> Any:
    return server.put(f"/routers/{router['id']}/remove_router_interface", what)


def floating(server: Server, public: Any, **values: Any) -> Any:
    body = {"floatingip": {"floating_network_id": public["id"], **values}}
    return server.post("/floatingips", body)["floatingip"]


def test_a_router_is_made_shown_changed_and_deleted(server: Server, public: Any) -> None:
    made = router(server, public)
    (way_out,) = made["external_gateway_info"]["external_fixed_ips"]
    assert made["status"] == "ACTIVE" and way_out["ip_address"].startswith("172.31.0.1")
    assert server.get(f"/routers/{made['id']}")["router"] == made
    assert server.get("/routers?name=r")["routers"] == [made]
    change = {"router": {"name": "other", "external_gateway_info": {}}}
    changed = server.put(f"/routers/{made['id']}", change)["router"]
    assert (changed["name"], changed["external_gateway_info"]) == ("other", None)
    assert server.get("/ports?device_owner=network:router_gateway", ADMIN)["ports"] == []
    server.delete(f"/routers/{made['id']}")
    assert server.error("GET", f"/routers/{made['id']}") == (404, "RouterNotFound")


def test_a_deleted_router_leaves_no_port_of_its_way_out(server: Server, public: Any) -> None:
    made = router(server, public)
    server.delete(f"/routers/{made['id']}")
    assert server.get(f"/ports?network_id={public['id']}", ADMIN)["ports"] == []
    server.delete(f"/networks/{public['id']}", ADMIN)


def test_a_way_out_that_cannot_be_is_refused(server: Server, public: Any, private: Any) -> None:
    made = router(server)
    path = f"/routers/{made['id']}"

    def refused(who: str = ADMIN, **info: Any) -> tuple[int, str]:
        return server.error("PUT", path, {"router": {"external_gateway_info": info}}, who)

    assert refused(network_id=private["id"]) == (400, "BadRequest")
    assert refused(network_id=NOWHERE) == (404, "NetworkNotFound")
    assert refused(enable_snat=True) == (400, "HTTPBadRequest")
    fixed = [{"ip_address": "172.31.0.11"}]
    assert refused("demo", network_id=public["id"], external_fixed_ips=fixed)[0] == 403
    gateway = [{"ip_address": "172.31.0.1"}]
    assert refused(network_id=public["id"], external_fixed_ips=gateway) == (400, "BadRequest")
    port = server.port(public["id"], ADMIN)
    add(server, made, {"port_id": port["id"]}, ADMIN)
    assert refused(network_id=public["id"]) == (400, "BadRequest"), "it is an interface's network"
    assert server.get(path)["router"]["external_gateway_info"] is None


def test_a_way_out_gets_other_addresses(server: Server, public: Any) -> None:
    made = router(server, public)

    def way_out(*addresses: str) -> list[str]:
        fixed = [{"ip_address": ip} for ip in addresses]
        info = {"network_id": public["id"], "external_fixed_ips": fixed}
        body = {"router": {"external_gateway_info": info}}
        info = server.put(f"/routers/{made['id']}", body, ADMIN)["router"]["external_gateway_info"]
        return [fixed["ip_address"] for fixed in info["external_fixed_ips"]]

    assert way_out("172.31.0.11") == ["172.31.0.11"]
    assert way_out("172.31.0.12") == ["172.31.0.12"]
    assert way_out() == ["172.31.0.12"], "none named: as it is"
    taken = server.get(f"/ports?network_id={public['id']}", ADMIN)["ports"]
    assert len(taken) == 1


@everywhere
def test_a_way_out_without_snat_shows_the_subnets_own_addresses(
    server: Server, agent: Agent, public: Any, private: Any
) -> None:
    made = router(server, public, private["subnet"])
    path = f"/routers/{made['id']}"

    def way_out(who: str = ADMIN, **more: Any) -> Any:
        info = {"network_id": public["id"], **more}
        return server.call("PUT", path, {"router": {"external_gateway_info": info}}, who)

    assert way_out("demo", enable_snat=False).status_code == 403
    answer = way_out(enable_snat=False).json()["router"]["external_gateway_info"]
    assert answer["enable_snat"] is False
    assert agent.state().unmasked == ["10.9.0.0/24"]
    other = router(server, public)
    port = server.port(private["id"])
    add(server, other, {"port_id": port["id"]})
    assert agent.state().unmasked == [], "another router masks the subnet"
    remove(server, other, {"port_id": port["id"]})
    assert way_out().json()["router"]["external_gateway_info"]["enable_snat"] is True
    assert agent.state().unmasked == []
    info = {"network_id": public["id"], "enable_snat": False}
    body = {"router": {"external_gateway_info": info}}
    assert server.error("POST", "/routers", body) == (403, "PolicyNotAuthorized")
    made = server.post("/routers", body, ADMIN)["router"]
    assert made["external_gateway_info"]["enable_snat"] is False


def test_routers_and_floating_ips_of_others_do_not_exist(
    server: Server, public: Any, private: Any
) -> None:
    made, address = router(server, public), floating(server, public)
    for path in (f"/routers/{made['id']}", f"/floatingips/{address['id']}"):
        for method, body in (("GET", None), ("DELETE", None), ("PUT", {"router": {}})):
            assert server.error(method, path, body, who="other")[0] == 404
    assert server.get("/routers", "other")["routers"] == []
    assert server.get("/floatingips", "other")["floatingips"] == []
    theirs = router(server, who="other")
    path = f"/routers/{theirs['id']}/add_router_interface"
    assert server.error("PUT", path, {"subnet_id": private["subnet"]["id"]}, who="other") == (
        404,
        "SubnetNotFound",
    )


@everywhere
def test_a_floating_ip_leads_to_a_port_and_away_again(
    server: Server, public: Any, private: Any
) -> None:
    made = router(server, public, private["subnet"])
    port = server.port(private["id"])
    fixed = port["fixed_ips"][0]["ip_address"]
    address = floating(server, public)
    assert (address["status"], address["port_id"], address["router_id"]) == ("DOWN", None, None)
    path = f"/floatingips/{address['id']}"
    lead = server.put(path, {"floatingip": {"port_id": port["id"]}})["floatingip"]
    assert (lead["status"], lead["fixed_ip_address"], lead["router_id"]) == (
        "ACTIVE",
        fixed,
        made["id"],
    )
    assert lead["port_details"]["network_id"] == private["id"]
    found = server.get(f"/floatingips?port_id={port['id']}")["floatingips"]
    assert [f["id"] for f in found] == [address["id"]]
    path_of_router = f"/routers/{made['id']}/remove_router_interface"
    assert server.error("PUT", path_of_router, {"subnet_id": private["subnet"]["id"]}) == (
        409,
        "RouterInterfaceInUseByFloatingIP",
    )
    without = {"router": {"external_gateway_info": None}}
    assert server.error("PUT", f"/routers/{made['id']}", without) == (
        409,
        "RouterExternalGatewayInUseByFloatingIp",
    )
    away = server.put(path, {"floatingip": {"port_id": None}})["floatingip"]
    assert (away["status"], away["port_id"], away["fixed_ip_address"]) == ("DOWN", None, None)
    server.delete(path)
    assert server.error("GET", path) == (404, "FloatingIPNotFound")


def test_a_floating_ip_leads_nowhere_once_its_port_is_gone(
    server: Server, public: Any, private: Any
) -> None:
    router(server, public, private["subnet"])
    port = server.port(private["id"])
    address = floating(server, public, port_id=port["id"])
    assert address["status"] == "ACTIVE"
    server.delete(f"/ports/{port['id']}")
    left = server.get(f"/floatingips/{address['id']}")["floatingip"]
    assert (left["status"], left["port_id"], left["fixed_ip_address"]) == ("DOWN", None, None)


def test_floating_ips_that_cannot_be_are_refused(server: Server, public: Any, private: Any) -> None:
    port = server.port(private["id"])

    def refused(**values: Any) -> tuple[int, str]:
        body = {"floatingip": {"floating_network_id": public["id"], **values}}
        return server.error("POST", "/floatingips", body)

    assert refused(port_id=port["id"]) == (404, "ExternalGatewayForFloatingIPNotFound")
    assert refused(port_id="nope") == (404, "PortNotFound")
    assert refused(floating_network_id=private["id"]) == (400, "BadRequest")
    assert refused(floating_network_id="nope") == (404, "NetworkNotFound")
    assert refused(fixed_ip_address="10.9.0.5") == (400, "HTTPBadRequest")
    assert refused(floating_ip_address="172.31.0.11") == (403, "PolicyNotAuthorized")
    router(server, public, private["subnet"])
    assert refused(port_id=port["id"], fixed_ip_address="10.9.0.250") == (400, "BadRequest")
    floating(server, public, port_id=port["id"])
    assert refused(port_id=port["id"]) == (409, "FloatingIPPortAlreadyAssociated")
    floating(server, public)
    assert refused() == (409, "IpAddressGenerationFailure")
    taken = server.get(f"/ports?network_id={public['id']}", ADMIN)["ports"]
    assert len(taken) == 3, "what was refused holds no address"


def test_quotas_limit_routers_and_floating_ips(server: Server, public: Any) -> None:
    limits = {"quota": {"router": 1, "floatingip": 1}}
    server.put("/quotas/demo", limits, ADMIN)
    router(server)
    floating(server, public)
    assert server.error("POST", "/routers", {"router": {}}) == (409, "OverQuota")
    body = {"floatingip": {"floating_network_id": public["id"]}}
    assert server.error("POST", "/floatingips", body) == (409, "OverQuota")
    details = server.get("/quotas/demo/details")["quota"]
    assert (details["router"]["used"], details["floatingip"]["used"]) == (1, 1)
    assert len(server.get(f"/ports?network_id={public['id']}", ADMIN)["ports"]) == 1


def test_hosts_hear_of_floating_ips_and_joined_networks(
    server: Server, agent: Agent, public: Any, private: Any
) -> None:
    other = server.network("10.10.0.0/24")
    router(server, public, private["subnet"], other["subnet"])
    bound = {"binding:host_id": agent.host, "device_owner": "compute:nova", "device_id": "vm"}
    port = server.port(private["id"], "nova:service", **bound)
    assert public["id"] in {n.id for n in agent.state().networks}, "the host reaches the range"
    address = floating_for(server, public, port)
    state = agent.state()
    led = [(f.floating_ip, f.fixed_ip) for f in state.floating]
    assert led == [(address["floating_ip_address"], port["fixed_ips"][0]["ip_address"])]
    (routes,) = state.routers
    assert {(r.network_id, r.cidr) for r in routes.ranges} == {
        (private["id"], "10.9.0.0/24"),
        (other["id"], "10.10.0.0/24"),
    }
    agent.wait_for(lambda: "refresh" in agent.calls)
    agent.calls.clear()
    server.delete(f"/floatingips/{address['id']}", "nova:service")
    agent.wait_for(lambda: "refresh" in agent.calls)
    assert agent.state().floating == []


def test_a_floating_ip_follows_its_port_to_the_host(
    server: Server, agent: Agent, public: Any, private: Any
) -> None:
    router(server, public, private["subnet"])
    port = server.port(private["id"], "nova:service", device_owner="compute:nova", device_id="vm")
    address = floating_for(server, public, port)
    agent.wait_for(lambda: "refresh" in agent.calls)
    assert agent.state().floating == [], "it is on no host"
    agent.calls.clear()
    body = {"port": {"binding:host_id": agent.host}}
    server.put(f"/ports/{port['id']}", body, "nova:service")
    agent.wait_for(lambda: "ensure_port" in agent.calls and "refresh" in agent.calls)
    led = [f.floating_ip for f in agent.state().floating]
    assert led == [address["floating_ip_address"]]


def floating_for(server: Server, public: Any, port: Any) -> Any:
    body = {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}}
    return server.post("/floatingips", body, "nova:service")["floatingip"]


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """nova-api's external events, as it was told them."""
    told: list[Any] = []
    heard = threading.Event()

    class Session:
        def post(self, path: str, json: Any, endpoint_filter: Any) -> None:
            assert path == "/os-server-external-events"
            told.append((json, endpoint_filter["service_type"]))
            heard.set()

    class Options:
        valid_interfaces, region_name = None, "RegionOne"

    monkeypatch.setattr("minova.companions.network.servers.service_user.session", Session)
    monkeypatch.setattr("minova.companions.network.servers.service_user.options", Options)
    told.append(heard)
    yield told


def test_the_compute_service_is_told_whose_addresses_changed(compute: list[Any]) -> None:
    heard = compute.pop()
    servers = Servers()
    try:
        servers.changed([("vm", "port")])
        assert heard.wait(10)
    finally:
        servers.stop()
    event = {"name": "network-changed", "server_uuid": "vm", "tag": "port"}
    assert compute == [({"events": [event]}, "compute")]


def test_an_external_network_goes_with_the_floating_ips_that_lead_nowhere(
    server: Server, public: Any, private: Any
) -> None:
    made = router(server, public, private["subnet"])
    led = floating(server, public, port_id=server.port(private["id"])["id"])
    idle = floating(server, public)
    path = f"/networks/{public['id']}"
    assert server.error("DELETE", path, who=ADMIN) == (409, "NetworkInUse")
    assert server.get("/floatingips")["floatingips"] != []
    server.put(f"/floatingips/{led['id']}", {"floatingip": {"port_id": None}})
    server.put(f"/routers/{made['id']}", {"router": {"external_gateway_info": {}}})
    server.delete(path, ADMIN)
    assert server.error("GET", f"/floatingips/{idle['id']}") == (404, "FloatingIPNotFound")

"""Networks and subnets."""

import pytest

from tests.functional.network.server import Agent, Server

ADMIN = "admin:admin"


def subnet(network_id: str, cidr: str = "10.5.0.0/24", **attrs: object) -> dict[str, object]:
    body = {"network_id": network_id, "ip_version": 4, "cidr": cidr, **attrs}
    return {"subnet": body}


def test_a_network_looks_like_neutrons(server: Server) -> None:
    network = server.network(None, mtu=1400, description="for tests")
    assert network["status"] == "ACTIVE" and network["subnets"] == []
    assert network["mtu"] == 1400 and not network["shared"] and not network["router:external"]
    assert "provider:network_type" not in network
    seen = server.get(f"/networks/{network['id']}", ADMIN)["network"]
    assert seen["provider:network_type"] == "local"
    assert seen["revision_number"] == 0 and seen["created_at"].endswith("Z")
    changed = server.put(f"/networks/{network['id']}", {"network": {"name": "m"}})["network"]
    assert changed["name"] == "m" and changed["revision_number"] == 1


def test_a_subnet_gets_gateway_pools_and_a_dhcp_port(server: Server) -> None:
    network = server.network("10.5.0.0/24")
    made = network["subnet"]
    assert made["gateway_ip"] == "10.5.0.1"
    assert made["allocation_pools"] == [{"start": "10.5.0.2", "end": "10.5.0.254"}]
    (dhcp,) = server.get(f"/ports?network_id={network['id']}")["ports"]
    assert dhcp["device_owner"] == "network:dhcp"
    assert dhcp["fixed_ips"] == [{"subnet_id": made["id"], "ip_address": "10.5.0.2"}]
    assert server.error("DELETE", f"/ports/{dhcp['id']}") == (409, "ServicePortInUse")
    server.put(f"/subnets/{made['id']}", {"subnet": {"enable_dhcp": False}})
    assert server.get(f"/ports?network_id={network['id']}")["ports"] == []


@pytest.mark.parametrize(
    ("attrs", "status", "kind"),
    [
        ({"cidr": "10.5.0.5/24"}, 400, "InvalidInput"),
        ({"cidr": "10.5.0.0"}, 400, "InvalidInput"),
        ({"cidr": "nonsense"}, 400, "InvalidInput"),
        ({"cidr": "fd00::/64"}, 400, "InvalidInput"),
        ({"cidr": "127.0.0.0/8"}, 400, "InvalidInput"),
        ({"cidr": "169.254.0.0/16"}, 400, "InvalidInput"),
        ({"cidr": "10.5.0.0/31"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.6.0.1"}, 400, "InvalidInput"),
        (
            {"allocation_pools": [{"start": "10.5.0.1", "end": "10.5.0.9"}]},
            409,
            "GatewayConflictWithAllocationPools",
        ),
        (
            {"allocation_pools": [{"start": "10.5.0.9", "end": "10.6.0.9"}]},
            400,
            "OutOfBoundsAllocationPool",
        ),
        (
            {"allocation_pools": [{"start": "10.5.0.9", "end": "10.5.0.3"}]},
            400,
            "InvalidAllocationPool",
        ),
        (
            {
                "allocation_pools": [
                    {"start": "10.5.0.3", "end": "10.5.0.9"},
                    {"start": "10.5.0.9", "end": "10.5.0.12"},
                ]
            },
            409,
            "OverlappingAllocationPools",
        ),
        ({"dns_nameservers": ["x"]}, 400, "InvalidInput"),
        ({"host_routes": [{"destination": "x", "nexthop": "10.5.0.3"}]}, 400, "InvalidInput"),
    ],
)
def test_a_subnet_that_makes_no_sense_is_refused(
    server: Server, attrs: dict[str, object], status: int, kind: str
) -> None:
    network = server.network(None)
    assert server.error("POST", "/subnets", subnet(network["id"], **attrs)) == (status, kind)
    assert server.get("/subnets")["subnets"] == []


def test_overlapping_subnets_of_one_network_are_refused_in_tempests_words(server: Server) -> None:
    network = server.network("10.5.0.0/24")
    answer = server.call("POST", "/subnets", subnet(network["id"], "10.5.0.128/25"))
    assert answer.status_code == 400
    assert "overlaps with another subnet" in answer.json()["NeutronError"]["message"]
    server.network("10.5.0.0/24")  # on another network it may be


def test_bulk_creation_makes_all_or_none(server: Server) -> None:
    made = server.post("/networks", {"networks": [{"name": "a"}, {"name": "b"}]})["networks"]
    assert [network["name"] for network in made] == ["a", "b"]
    bodies = [subnet(n["id"], "10.5.0.0/24")["subnet"] for n in made]
    assert len(server.post("/subnets", {"subnets": bodies})["subnets"]) == 2
    bad = {"subnets": [subnet(made[0]["id"], c)["subnet"] for c in ("10.6.0.0/24", "10.5.0.0/25")]}
    assert server.error("POST", "/subnets", bad) == (400, "InvalidInput")
    assert len(server.get("/subnets")["subnets"]) == 2


def test_what_is_in_use_is_not_deleted(server: Server) -> None:
    network = server.network()
    port = server.port(network["id"])
    assert server.error("DELETE", f"/networks/{network['id']}") == (409, "NetworkInUse")
    path = f"/subnets/{network['subnet']['id']}"
    assert server.error("DELETE", path) == (409, "SubnetInUse")
    server.delete(f"/ports/{port['id']}")
    server.delete(path)
    server.delete(f"/networks/{network['id']}")
    assert server.get("/ports", ADMIN)["ports"] == []


def test_others_see_only_what_is_shared(server: Server) -> None:
    mine = server.network("10.5.0.0/24")
    assert server.error("GET", f"/networks/{mine['id']}", who="other") == (404, "NetworkNotFound")
    assert server.get("/networks", "other")["networks"] == []
    assert server.get("/subnets", "other")["subnets"] == []
    body = {"port": {"network_id": mine["id"]}}
    assert server.error("POST", "/ports", body, "other") == (404, "NetworkNotFound")
    assert server.error("DELETE", f"/networks/{mine['id']}", who="other")[0] == 404
    server.put(f"/networks/{mine['id']}", {"network": {"shared": True}}, ADMIN)
    assert len(server.get("/networks", "other")["networks"]) == 1
    assert len(server.get("/subnets", "other")["subnets"]) == 1
    assert server.error("DELETE", f"/networks/{mine['id']}", who="other")[0] == 403
    port = server.port(mine["id"], "other")
    assert len(server.get("/ports", "other")["ports"]) == 1
    assert server.error("GET", f"/ports/{port['id']}", who="third") == (404, "PortNotFound")
    unshare = {"network": {"shared": False}}
    path = f"/networks/{mine['id']}"
    assert server.error("PUT", path, unshare, ADMIN) == (409, "InvalidSharedSetting")


@pytest.mark.parametrize(
    "attrs",
    [{"shared": True}, {"router:external": True}, {"provider:network_type": "flat"}],
)
def test_only_the_admin_decides_what_concerns_everybody(
    server: Server, attrs: dict[str, object]
) -> None:
    body = {"network": attrs}
    assert server.error("POST", "/networks", body) == (403, "PolicyNotAuthorized")
    assert server.error("POST", "/networks", body, "demo:reader") == (403, "PolicyNotAuthorized")


def test_a_member_cannot_act_for_another_project(server: Server) -> None:
    body = {"network": {"project_id": "other"}}
    assert server.error("POST", "/networks", body) == (400, "HTTPBadRequest")
    assert server.post("/networks", body, ADMIN)["network"]["tenant_id"] == "other"


def test_flat_networks_need_a_name_of_their_own(server: Server) -> None:
    flat = {"provider:network_type": "flat", "provider:physical_network": "lab"}
    made = server.post("/networks", {"network": flat}, ADMIN)["network"]
    assert made["provider:physical_network"] == "lab"
    assert server.error("POST", "/networks", {"network": flat}, ADMIN) == (409, "FlatNetworkInUse")
    vlan = {"network": {"provider:network_type": "vlan"}}
    assert server.error("POST", "/networks", vlan, ADMIN) == (400, "HTTPBadRequest")


def test_lists_are_filtered_sorted_and_cut_into_pages(server: Server) -> None:
    for name in ("c", "a", "b", "d"):
        server.post("/networks", {"network": {"name": name, "admin_state_up": name != "d"}})
    listed = server.get("/networks?sort_key=name&sort_dir=desc&fields=name")["networks"]
    assert listed == [{"name": name} for name in "dcba"]
    assert len(server.get("/networks?name=a&name=b")["networks"]) == 2
    assert [n["name"] for n in server.get("/networks?status=DOWN")["networks"]] == ["d"]
    assert len(server.get("/networks?admin_state_up=True")["networks"]) == 3
    page = server.get("/networks?sort_key=name&limit=3")
    assert [n["name"] for n in page["networks"]] == ["a", "b", "c"]
    (after,) = page["networks_links"]
    path = after["href"].split("/v2.0")[1]
    page = server.get(path)
    assert [n["name"] for n in page["networks"]] == ["d"]
    assert [link["rel"] for link in page["networks_links"]] == ["previous"]
    page = server.get(page["networks_links"][0]["href"].split("/v2.0")[1])
    assert [n["name"] for n in page["networks"]] == ["a", "b", "c"]


def test_tags_are_kept_and_found(server: Server) -> None:
    one, two = server.network(None), server.network(None, tags=["x%y"])
    path = f"/networks/{one['id']}/tags"
    assert server.put(path, {"tags": ["red", "blue"]}) == {"tags": ["blue", "red"]}
    server.put(f"{path}/green", None, status=201)
    server.get(f"{path}/green", status=204)
    assert server.error("GET", f"{path}/nonsense") == (404, "TagNotFound")

    def found(query: str) -> list[str]:
        return [n["id"] for n in server.get(f"/networks?{query}")["networks"]]

    assert found("tags=red,green") == found("tags-any=red,black") == [one["id"]]
    assert found("not-tags-any=red") == found("tags=x%25y") == [two["id"]]
    assert found("tags=x%25") == found("tags=re") == []
    server.delete(path)
    assert server.get(path) == {"tags": []}


def test_a_quota_stops_the_next_one(server: Server) -> None:
    server.put("/quotas/demo", {"quota": {"network": 1, "port": 1}}, ADMIN)
    network = server.network(None)
    assert server.error("POST", "/networks", {"network": {}}) == (409, "OverQuota")
    server.port(network["id"])
    many = {"ports": [{"network_id": network["id"]}]}
    assert server.error("POST", "/ports", many) == (409, "OverQuota")
    details = server.get("/quotas/demo/details")["quota"]
    assert details["port"] == {"limit": 1, "used": 1, "reserved": 0}
    assert server.error("PUT", "/quotas/demo", {"quota": {"port": 9}})[0] == 403
    assert server.error("GET", "/quotas/other")[0] == 403
    server.delete("/quotas/demo", ADMIN)
    assert server.get("/quotas/demo")["quota"]["port"] == 500
    assert server.get("/quotas/demo/default")["quota"]["network"] == 100


def test_only_one_network_of_a_range_is_reached_from_the_host(server: Server, agent: Agent) -> None:
    first = server.network("10.5.0.0/24")
    second = server.network("10.5.0.0/24", who="other")
    public = server.network("8.8.8.0/24")
    nat = {network.id: network.nat for network in agent.state().networks}
    assert nat == {first["id"]: True, second["id"]: False, public["id"]: False}


def test_ipv6_ports_get_the_address_their_guest_will_take(server: Server) -> None:
    network = server.network("10.5.0.0/24")
    slaac = {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    six = server.post("/subnets", subnet(network["id"], "fd00:1::/64", **slaac))["subnet"]
    assert six["gateway_ip"] == "fd00:1::1"
    mac = "fa:16:3e:01:02:03"
    port = server.port(network["id"], mac_address=mac)
    addresses = {f["subnet_id"]: f["ip_address"] for f in port["fixed_ips"]}
    assert addresses[six["id"]] == "fd00:1::f816:3eff:fe01:203"
    assert len(addresses) == 2


def test_discovery_is_open_to_everybody(server: Server) -> None:
    (version,) = server.get("/", who="")["versions"]
    assert version["id"] == "v2.0" and version["status"] == "CURRENT"
    assert version["links"][0]["href"] == f"{server.url}/v2.0/"
    names = {r["name"] for r in server.session.get(f"{server.url}/v2.0/").json()["resources"]}
    assert {"network", "subnet", "port", "security_group"} <= names
    answer = server.call("GET", "/extensions")
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    for extension in answer.json()["extensions"]:
        path = f"/extensions/{extension['alias']}"
        assert server.get(path)["extension"] == extension
    assert server.error("GET", "/extensions/Availability%20Zone") == (404, "ExtensionNotFound")
    assert server.get("/subnetpools") == {"subnetpools": []}

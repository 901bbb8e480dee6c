"""Whatever is sent, the answer is a sentence in Neutron's shape, and never a 500."""

import itertools
from typing import Any

import pytest
import requests

from minova.companions.network import binding
from tests import databases
from tests.functional.network.server import Server

everywhere = pytest.mark.parametrize("db", databases.available(), indirect=True)
COLLECTIONS = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
}
NOT_FOUND = {
    "networks": "NetworkNotFound",
    "subnets": "SubnetNotFound",
    "ports": "PortNotFound",
    "security-groups": "SecurityGroupNotFound",
    "security-group-rules": "SecurityGroupRuleNotFound",
    "routers": "RouterNotFound",
    "floatingips": "FloatingIPNotFound",
    "subnetpools": "SubnetPoolNotFound",
}
STRANGE: list[Any] = [
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "x" * 5000,
    "a\nb",
    "nul\x00",
    "\ud800",
    "\u2028",
    "10.0.0.0/999",
    "::/0",
    "../../etc/passwd",
    "' OR 1=1 --",
    [],
    [[]],
    [None],
    ["x"] * 1000,
    {},
    {"a": {"b": []}},
]
ATTRIBUTES = {
    "network": "name mtu shared tags provider:network_type provider:physical_network project_id "
    "dns_domain router:external admin_state_up availability_zone_hints description",
    "subnet": "network_id ip_version cidr gateway_ip allocation_pools host_routes enable_dhcp "
    "dns_nameservers ipv6_ra_mode ipv6_address_mode name tags",
    "port": "network_id name mac_address fixed_ips security_groups device_id device_owner tags "
    "allowed_address_pairs dns_name binding:host_id binding:profile binding:vnic_type project_id "
    "port_security_enabled admin_state_up",
    "security_group": "name description tags project_id stateful",
    "security_group_rule": "security_group_id direction ethertype protocol port_range_min "
    "port_range_max remote_ip_prefix remote_group_id description project_id",
}


@pytest.mark.parametrize("plural", NOT_FOUND)
@pytest.mark.parametrize("id", ["nonexist", "%00", "x" * 300, "'", "9f1d5fbb-0000-4000-8000-0"])
def test_an_unknown_id_is_not_found(server: Server, plural: str, id: str) -> None:
    assert server.error("GET", f"/{plural}/{id}") == (404, NOT_FOUND[plural])
    if plural in ("networks", "subnets", "ports"):
        body = {COLLECTIONS[plural]: {"name": "x"}}
        assert server.error("PUT", f"/{plural}/{id}", body) == (404, NOT_FOUND[plural])
    if plural in COLLECTIONS:
        assert server.error("DELETE", f"/{plural}/{id}") == (404, NOT_FOUND[plural])


@everywhere
@pytest.mark.parametrize("plural", COLLECTIONS)
def test_no_strange_value_breaks_the_server(
    server: Server, plural: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "PING_TIMEOUT", 0.01)  # no host has these names
    single = COLLECTIONS[plural]
    network = server.network()
    group = server.get("/security-groups")["security_groups"][0]
    good: dict[str, dict[str, Any]] = {
        "network": {},
        "subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.77.0.0/24"},
        "port": {"network_id": network["id"]},
        "security_group": {"name": "g"},
        "security_group_rule": {"security_group_id": group["id"], "direction": "ingress"},
    }
    server.put("/quotas/demo", {"quota": dict.fromkeys(("network", "port"), -1)}, "a:admin")
    for name, value in itertools.product(ATTRIBUTES[single].split(), STRANGE):
        for who in ("demo", "demo:admin"):
            body = {single: {**good[single], name: value}}
            answer = server.call("POST", f"/{plural}", body, who)
            if answer.status_code >= 400:
                assert set(answer.json()["NeutronError"]) == {"type", "message", "detail"}
            else:
                created = answer.json()[single]
                answer = server.call(
                    "PUT", f"/{plural}/{created['id']}", {single: {name: value}}, who
                )
                server.call("DELETE", f"/{plural}/{created['id']}", who="a:admin")
    for body in [{}, [], None, "x", {single: None}, {single: []}, {"a": {}}, {plural: []}]:
        assert server.call("POST", f"/{plural}", body).status_code == 400


@pytest.mark.parametrize("plural", COLLECTIONS)
@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "limit=-1",
        "limit=x",
        "sort_key=nonsense",
        "sort_key=id&sort_dir=up",
        "sort_dir=asc",
        "marker=nonexist",
        "page_reverse=maybe",
    ],
)
def test_a_list_that_cannot_be_given_as_asked_is_refused(
    server: Server, plural: str, query: str
) -> None:
    status, _ = server.error("GET", f"/{plural}?{query}")
    assert status == (404 if query.startswith("marker") else 400)


@everywhere
@pytest.mark.parametrize(
    "query", ["name=%FF", "id=%00", "fields=%00", "tags=%25", "name=" + "x" * 4000, "limit=0"]
)
def test_strange_filters_find_nothing(server: Server, query: str) -> None:
    for plural in ("networks", "ports", "subnets", "security-groups"):
        server.get(f"/{plural}?{query}")
        server.error("GET", f"/{plural}/%00")


@everywhere
@pytest.mark.parametrize("id", ["%00", "x" * 300])
def test_strange_ids_of_quotas_and_agents_are_refused(server: Server, id: str) -> None:
    assert server.error("GET", f"/quotas/{id}", who="a:admin") == (400, "HTTPBadRequest")
    assert server.error("GET", f"/agents/{id}", who="a:admin") == (404, "AgentNotFound")
    assert server.error("DELETE", f"/agents/{id}", who="a:admin") == (404, "AgentNotFound")


def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    for data, kind, status in (
        (b"{", "application/json", 400),
        (b'{"network": {"mtu": NaN}}', "application/json", 400),
        (b"<a/>", "text/xml", 415),
        (b"[" * 100000, "application/json", 400),
        (b" " * (2 << 20), "application/json", 413),
    ):
        answer = requests.post(
            f"{server.url}/v2.0/networks",
            data=data,
            headers={"X-Auth-Token": "demo", "Content-Type": kind},
            timeout=20,
        )
        assert answer.status_code == status, answer.text
        assert "NeutronError" in answer.json()


def test_the_message_names_the_attribute(server: Server) -> None:
    def message(path: str, body: Any) -> str:
        return str(server.call("POST", path, body).json()["NeutronError"]["message"])

    assert message("/networks", {"network": {"nmae": 1}}) == "Unrecognized attribute(s) 'nmae'"
    assert "'network_id'" in message("/ports", {"port": {}})
    assert "name" in message("/networks", {"network": {"name": "a\nb"}})
    assert "mtu" in message("/networks", {"network": {"mtu": "x"}})


def test_unknown_urls_and_methods_answer_in_the_same_shape(server: Server) -> None:
    assert server.error("GET", "/nonsense") == (404, "HTTPNotFound")
    assert server.error("POST", "/subnetpools", {"subnetpool": {}}) == (405, "HTTPMethodNotAllowed")
    assert server.error("GET", "/networks", who="") == (401, "HTTPUnauthorized")

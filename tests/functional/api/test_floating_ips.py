"""Floating IPs through nova-api, as clients used them until 2.43."""

from collections.abc import Iterator

import pytest

from tests.nova import Nova

OLD = "2.35"


@pytest.fixture
def pool(nova: Nova) -> Iterator[str]:
    """An external network that a router leads to from the private one; its name."""
    admin = nova.connections["admin"].network
    outside = admin.create_network(name="outside", is_router_external=True)
    subnet = admin.create_subnet(network_id=outside.id, ip_version=4, cidr="198.51.100.0/24")
    router = admin.create_router(name="r", external_gateway_info={"network_id": outside.id})
    private = next(admin.subnets(network_id=nova.network))
    admin.add_interface_to_router(router, subnet_id=private.id)
    yield "outside"
    admin.remove_interface_from_router(router, subnet_id=private.id)
    admin.delete_router(router)
    admin.delete_subnet(subnet)
    admin.delete_network(outside)


def floating_of(nova: Nova, server_id: str) -> list[str]:
    server = nova.get(f"/servers/{server_id}")["server"]
    entries = [entry for entries in server["addresses"].values() for entry in entries]
    return [entry["addr"] for entry in entries if entry["OS-EXT-IPS:type"] == "floating"]


def act(nova: Nova, server_id: str, action: str, **values: str):
    return nova.call("POST", f"/servers/{server_id}/action", {action: values}, version="2.43")


def test_a_floating_ip_is_taken_led_to_a_server_and_given_back(nova: Nova, pool: str) -> None:
    pools = nova.get("/os-floating-ip-pools", version=OLD)["floating_ip_pools"]
    assert pools == [{"name": pool}]
    answer = nova.call("POST", "/os-floating-ips", {"pool": pool}, version=OLD)
    assert answer.status_code == 200, answer.text
    made = answer.json()["floating_ip"]
    assert (made["pool"], made["fixed_ip"], made["instance_id"]) == (pool, None, None)
    path = f"/os-floating-ips/{made['id']}"
    one, other = nova.launch(), nova.launch()
    assert act(nova, one, "addFloatingIp", address=made["ip"]).status_code == 202
    assert floating_of(nova, one) == [made["ip"]]
    led = nova.get(path, version=OLD)["floating_ip"]
    assert led["instance_id"] == one
    server = nova.get(f"/servers/{one}")["server"]
    assert led["fixed_ip"] == server["addresses"]["private"][0]["addr"]
    assert nova.get("/os-floating-ips", version=OLD)["floating_ips"] == [led]
    # Taken by the other server, it is the first one's no more.
    assert act(nova, other, "addFloatingIp", address=made["ip"]).status_code == 202
    assert (floating_of(nova, one), floating_of(nova, other)) == ([], [made["ip"]])
    refused = act(nova, one, "removeFloatingIp", address=made["ip"])
    assert refused.status_code == 409 and "is not associated with instance" in refused.text
    nova.refused(404, "GET", path, version=OLD, user="stranger")
    assert act(nova, other, "removeFloatingIp", address=made["ip"]).status_code == 202
    assert floating_of(nova, other) == []
    assert act(nova, other, "addFloatingIp", address=made["ip"]).status_code == 202
    assert nova.call("DELETE", path, version=OLD).status_code == 202
    assert floating_of(nova, other) == []
    nova.refused(404, "GET", path, version=OLD)
    nova.delete(one, other)

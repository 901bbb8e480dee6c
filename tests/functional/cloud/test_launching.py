"""What a launch may ask for, by openstacksdk and by plain HTTP, on every profile."""

import base64
import uuid
from typing import Any

from tests.nova import PUBLIC_KEY, Nova

PROFILES = ("embedded", "mariadb", "postgresql")


def launched(nova: Nova, **values: Any) -> dict[str, Any]:
    """The body of the one server made, once it is ACTIVE."""
    server_id = nova.launch(**values)
    return dict(nova.get(f"/servers/{server_id}", user="admin")["server"])


def test_the_sdk_launches_waits_and_deletes(nova: Nova, left_as_found) -> None:
    compute = nova.connections["demo"].compute
    server = compute.create_server(
        name="sdk", flavor_id=nova.flavor, image_id=nova.image, networks=[{"uuid": nova.network}]
    )
    server = compute.wait_for_server(server, interval=0.1, wait=60)
    assert server.status == "ACTIVE" and server.addresses["private"]
    compute.delete_server(server)
    compute.wait_for_delete(server, interval=0.1, wait=60)


def test_three_are_numbered_and_as_many_as_the_quota_allows(nova: Nova, left_as_found) -> None:
    body = nova.request(name="many", min_count=2, max_count=3, return_reservation_id=True)
    reservation = nova.call("POST", "/servers", body).json()["reservation_id"]
    found = nova.get(f"/servers/detail?reservation_id={reservation}&sort_key=display_name")
    assert sorted(s["name"] for s in found["servers"]) == ["many-1", "many-2", "many-3"]
    ids = [server["id"] for server in found["servers"]]
    servers = [nova.settled(server_id) for server_id in ids]
    assert {s["status"] for s in servers} == {"ACTIVE"}
    assert len({s["addresses"]["private"][0]["addr"] for s in servers}) == 3
    nova.delete(*ids)


def test_networks_auto_and_none(nova: Nova, left_as_found) -> None:
    wired, alone = launched(nova, networks="auto"), launched(nova, networks="none")
    assert list(wired["addresses"]) == ["private"]
    assert alone["addresses"] == {}
    nova.delete(wired["id"], alone["id"])


def test_auto_with_two_networks_asks_which(nova: Nova, left_as_found) -> None:
    network = nova.connections["demo"].network
    second = network.create_network(name="second")
    subnet = network.create_subnet(network_id=second.id, ip_version=4, cidr="10.77.0.0/24")
    said = nova.refused(409, "POST", "/servers", nova.request(networks="auto"))
    assert said == "Multiple possible networks found, use a Network ID to be more specific."
    both = launched(nova, networks=[{"uuid": second.id}, {"uuid": nova.network}])
    assert sorted(both["addresses"]) == ["private", "second"]
    nova.delete(both["id"])
    network.delete_subnet(subnet)
    network.delete_network(second)


def test_a_fixed_address_and_a_port_of_ones_own(nova: Nova, left_as_found) -> None:
    network = nova.connections["demo"].network
    fixed = launched(nova, networks=[{"uuid": nova.network, "fixed_ip": "10.9.2.42"}])
    assert fixed["addresses"]["private"][0]["addr"] == "10.9.2.42"
    taken = nova.request(networks=[{"uuid": nova.network, "fixed_ip": "10.9.2.42"}])
    said = nova.refused(400, "POST", "/servers", taken)
    assert said == f"Fixed IP address 10.9.2.42 is already in use on instance {fixed['id']}."
    port = network.create_port(network_id=nova.network, name="own")
    own = launched(nova, networks=[{"port": port.id}])
    assert own["addresses"]["private"][0]["OS-EXT-IPS-MAC:mac_addr"] == port.mac_address
    said = nova.refused(409, "POST", "/servers", nova.request(networks=[{"port": port.id}]))
    assert said == f"Port {port.id} is still in use."
    nova.delete(fixed["id"], own["id"])
    assert network.get_port(port.id).device_id == ""
    network.delete_port(port.id)


def test_security_groups_by_name_and_by_id(nova: Nova, left_as_found) -> None:
    network = nova.connections["demo"].network
    group = network.create_security_group(name="web")
    for word in ("web", group.id):
        server = launched(nova, security_groups=[{"name": word}, {"name": "default"}])
        assert sorted(g["name"] for g in server["security_groups"]) == ["default", "web"]
        nova.delete(server["id"])
    network.delete_security_group(group)


def test_what_is_asked_for_is_shown(nova: Nova, left_as_found) -> None:
    demo = nova.connections["demo"].compute
    demo.create_keypair(name="asked-key", public_key=PUBLIC_KEY)
    server = launched(
        nova,
        name="asked",
        key_name="asked-key",
        metadata={"role": "web", "a key": "ünïcödé"},
        tags=["one", "two"],
        description="what it is for",
        config_drive=True,
        user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
        availability_zone="nova",
    )
    expected = {
        "name": "asked",
        "key_name": "asked-key",
        "metadata": {"role": "web", "a key": "ünïcödé"},
        "tags": ["one", "two"],
        "description": "what it is for",
        "config_drive": "True",
        "OS-EXT-AZ:availability_zone": "nova",
        "OS-EXT-SRV-ATTR:host": "host-1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:power_state": 1,
    }
    assert {key: server[key] for key in expected} == expected
    # The key belongs to the server by then, whatever becomes of the pair.
    demo.delete_keypair("asked-key")
    assert nova.get(f"/servers/{server['id']}")["server"]["key_name"] == "asked-key"
    nova.delete(server["id"])


def test_a_volume_at_the_launch(nova: Nova, left_as_found) -> None:
    storage = nova.connections["demo"].block_storage
    volume = storage.create_volume(size=1, name="at-launch")
    gone = storage.create_volume(size=1, name="goes-with-it")
    for each in (volume, gone):
        storage.wait_for_status(each, "available", interval=0.1, wait=30)
    devices = [
        {
            "uuid": each.id,
            "source_type": "volume",
            "destination_type": "volume",
            "delete_on_termination": each is gone,
        }
        for each in (volume, gone)
    ]
    server = launched(nova, block_device_mapping_v2=devices)
    attached = {v["id"] for v in server["os-extended-volumes:volumes_attached"]}
    assert attached == {volume.id, gone.id}
    assert storage.get_volume(volume.id).status == "in-use"
    said = nova.refused(400, "POST", "/servers", nova.request(block_device_mapping_v2=devices[:1]))
    assert said.startswith(f"Invalid volume: volume '{volume.id}' status must be 'available'.")
    nova.delete(server["id"])
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    nova.until(lambda: storage.find_volume(gone.id) is None, "the volume goes with the server")
    storage.delete_volume(volume)
    storage.wait_for_delete(volume, interval=0.1, wait=30)


def test_power_volumes_and_console_by_the_sdk(nova: Nova, left_as_found) -> None:
    compute = nova.connections["demo"].compute
    storage = nova.connections["demo"].block_storage
    volume = storage.create_volume(size=1, name="later")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    server_id = nova.launch(name="worked-on")
    compute.create_volume_attachment(server_id, volume_id=volume.id)
    storage.wait_for_status(volume, "in-use", interval=0.1, wait=30)
    for act, status in (
        (compute.stop_server, "SHUTOFF"),
        (compute.start_server, "ACTIVE"),
        (lambda s: compute.reboot_server(s, "SOFT"), "ACTIVE"),
        (lambda s: compute.reboot_server(s, "HARD"), "ACTIVE"),
    ):
        act(server_id)
        assert nova.settled(server_id)["status"] == status
    assert "ready" in compute.get_server_console_output(server_id)["output"]
    compute.delete_volume_attachment(server_id, volume.id)
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    actions = [a.action for a in compute.server_actions(server_id)]
    assert actions[-1] == "create" and actions.count("reboot") == 2
    nova.delete(server_id)
    storage.delete_volume(volume)
    storage.wait_for_delete(volume, interval=0.1, wait=30)


def test_deleting_while_it_is_built_leaves_nothing(nova: Nova, left_as_found) -> None:
    ids = []
    for number in range(8):
        answer = nova.call("POST", "/servers", nova.request(name=f"short-{number}"))
        ids.append(answer.json()["server"]["id"])
        assert nova.call("DELETE", f"/servers/{ids[-1]}").status_code == 204
    nova.until(
        lambda: all(nova.call("GET", f"/servers/{i}").status_code == 404 for i in ids),
        "all are deleted",
    )


def test_a_name_may_be_used_twice(nova: Nova, left_as_found) -> None:
    name = f"twin-{uuid.uuid4()}"
    ids = [nova.launch(name=name), nova.launch(name=name)]
    assert sorted(s["id"] for s in nova.get(f"/servers?name={name}")["servers"]) == sorted(ids)
    nova.delete(*ids)

"""POST /servers: what a launch makes, and what it refuses without leaving anything behind."""

import base64
import json
import time
import uuid

import pytest

from tests.nova import PUBLIC_KEY

NOBODY = str(uuid.uuid4())


def test_a_launch_answers_at_once_and_the_server_becomes_active(nova) -> None:
    answer = nova.call("POST", "/servers", nova.request(name="my server"))
    assert answer.status_code == 202
    server = answer.json()["server"]
    assert set(server) == {
        "id",
        "links",
        "OS-DCF:diskConfig",
        "security_groups",
        "adminPass",
    }
    assert answer.headers["Location"] == f"{nova.url}/servers/{server['id']}"
    built = nova.settled(server["id"])
    assert built["status"] == "ACTIVE"
    assert built["OS-EXT-STS:power_state"] == 1
    assert built["OS-EXT-SRV-ATTR:hostname"] == "my-server"
    assert [a["OS-EXT-IPS:type"] for a in built["addresses"]["private"]] == ["fixed"]
    nova.delete(server["id"])


def test_what_was_asked_for_is_what_the_server_shows(nova) -> None:
    nova.call("POST", "/os-keypairs", {"keypair": {"name": "k1", "public_key": PUBLIC_KEY}})
    server_id = nova.launch(
        name="asked",
        key_name="k1",
        metadata={"role": "web"},
        tags=["b", "a", "b"],
        description="the one",
        config_drive=True,
        hostname="web.example.org",
        user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
        accessIPv4="192.0.2.1",
        security_groups=[{"name": "default"}],
    )
    shown = nova.get(f"/servers/{server_id}", user="admin")["server"]
    expected = {
        "key_name": "k1",
        "metadata": {"role": "web"},
        "tags": ["b", "a"],
        "description": "the one",
        "config_drive": "True",
        "OS-EXT-SRV-ATTR:hostname": "web.example.org",
        "accessIPv4": "192.0.2.1",
        "security_groups": [{"name": "default"}],
        "OS-EXT-SRV-ATTR:host": "host-1",
        "host_status": "UP",
        "OS-EXT-AZ:availability_zone": "nova",
        "server_groups": [],
    }
    assert {key: shown[key] for key in expected} == expected
    nova.delete(server_id)


def test_several_servers_are_numbered_and_share_a_reservation(nova) -> None:
    body = nova.request(name="many", min_count=3, return_reservation_id=True)
    answer = nova.call("POST", "/servers", body)
    reservation = answer.json()["reservation_id"]
    found = nova.get(f"/servers?reservation_id={reservation}&sort_key=display_name&sort_dir=asc")
    assert [server["name"] for server in found["servers"]] == ["many-1", "many-2", "many-3"]
    for server in found["servers"]:
        assert nova.settled(server["id"])["status"] == "ACTIVE"
    nova.delete(*(server["id"] for server in found["servers"]))


def test_auto_takes_the_only_network_and_none_takes_none(nova) -> None:
    wired, alone = nova.launch(networks="auto"), nova.launch(networks="none")
    assert list(nova.get(f"/servers/{wired}")["server"]["addresses"]) == ["private"]
    assert nova.get(f"/servers/{alone}")["server"]["addresses"] == {}
    nova.delete(wired, alone)


def test_a_launch_at_2_1_may_leave_the_network_out(nova) -> None:
    server_id = nova.launch(version="2.1", networks=None)
    assert list(nova.get(f"/servers/{server_id}")["server"]["addresses"]) == ["private"]
    nova.delete(server_id)


def test_a_chosen_port_is_used_and_survives_the_server(nova) -> None:
    demo = nova.connections["demo"]
    port = demo.network.create_port(network_id=nova.network)
    server_id = nova.launch(networks=[{"port": port.id}])
    address = nova.get(f"/servers/{server_id}")["server"]["addresses"]["private"][0]["addr"]
    assert address == port.fixed_ips[0]["ip_address"]
    message = nova.refused(409, "POST", "/servers", nova.request(networks=[{"port": port.id}]))
    assert message == f"Port {port.id} is still in use."
    nova.delete(server_id)
    assert demo.network.get_port(port.id).device_id == ""
    demo.network.delete_port(port.id)


def test_a_security_group_may_be_named_by_name_or_by_id(nova) -> None:
    demo = nova.connections["demo"]
    group = demo.network.create_security_group(name="norprod_sec_grp")
    for word in ("norprod_sec_grp", group.id):
        server_id = nova.launch(security_groups=[{"name": word}])
        shown = nova.get(f"/servers/{server_id}")["server"]
        assert shown["security_groups"] == [{"name": "norprod_sec_grp"}]
        ports = list(demo.network.ports(device_id=server_id))
        assert [p.security_group_ids for p in ports] == [[group.id]]
        nova.delete(server_id)
    demo.network.delete_security_group(group)


REFUSED = {
    "an unknown flavor": ({"flavorRef": "nope"}, "Flavor nope could not be found."),
    "an unknown image": ({"imageRef": NOBODY}, "Can not find requested image"),
    "an image that is no uuid": ({"imageRef": "centos7"}, "Invalid imageRef provided."),
    "no image": ({"imageRef": ""}, "Invalid imageRef provided."),
    "an unknown key": ({"key_name": "nope"}, "Invalid key_name provided."),
    "an unknown network": (
        {"networks": [{"uuid": NOBODY}]},
        f"Network {NOBODY} could not be found.",
    ),
    "an unknown port": ({"networks": [{"port": NOBODY}]}, f"Port id {NOBODY} could not be found."),
    "no networks": ({"networks": None}, "'networks' is a required property"),
    "an unknown security group": (
        {"security_groups": [{"name": "nope"}]},
        "Security group nope not found for project",
    ),
    "an unknown zone": (
        {"availability_zone": "mars"},
        "The requested availability zone is not available",
    ),
    "an unknown volume": (
        {
            "block_device_mapping_v2": [
                {"uuid": NOBODY, "source_type": "volume", "destination_type": "volume"}
            ]
        },
        f"failed to get volume {NOBODY}",
    ),
    "an unknown field": (
        {"bogus": 1},
        "Additional properties are not allowed ('bogus' was unexpected)",
    ),
    "a name of blanks": ({"name": "  "}, "field/attribute name"),
    "a name too long": ({"name": "x" * 256}, "field/attribute name"),
    "user data that is no base64": ({"user_data": "#!/bin/sh"}, "user_data"),
    "user data too long": ({"user_data": "QUJD" * 20000}, "user_data"),
    "more at least than at most": (
        {"min_count": 3, "max_count": 2},
        "min_count must be <= max_count",
    ),
    "tags with a slash": ({"tags": ["a/b"]}, "Value: 'a/b'"),
    "a hostname with blanks": ({"hostname": "a b"}, "hostname"),
    "metadata that is no text": ({"metadata": {"a": 1}}, "field/attribute a"),
    "one fixed address for two": (
        {"max_count": 2, "networks": [{"uuid": NOBODY, "fixed_ip": "10.9.0.9"}]},
        "max_count cannot be greater than 1 if an fixed_ip is specified.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_launch_is_refused_in_one_sentence_and_nothing_is_left(nova, case) -> None:
    values, words = REFUSED[case]
    message = nova.refused(400, "POST", "/servers", nova.request(**{"name": "refused", **values}))
    assert words in message
    assert nova.get("/servers?name=refused")["servers"] == []


def test_a_refused_launch_gives_back_the_volume_it_had_reserved(nova) -> None:
    demo = nova.connections["demo"]
    volume = demo.block_storage.create_volume(size=1, name="kept")
    demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    admin = nova.connections["admin"]
    big = admin.compute.create_flavor(name="m1.big", ram=64, vcpus=1000, disk=1)
    device = {"uuid": volume.id, "source_type": "volume", "destination_type": "volume"}
    message = nova.refused(
        403,
        "POST",
        "/servers",
        nova.request(flavorRef=big.id, block_device_mapping_v2=[device]),
    )
    assert message.startswith("Quota exceeded for cores: Requested 1000, but already used")
    assert demo.block_storage.get_volume(volume.id).status == "available"
    admin.compute.delete_flavor(big)
    demo.block_storage.delete_volume(volume)


def test_a_flavor_too_small_for_the_image_is_refused(nova) -> None:
    admin = nova.connections["admin"]
    needy = admin.image.create_image(
        name="needy",
        disk_format="raw",
        container_format="bare",
        visibility="public",
        min_ram=1024,
        data=b"\0" * 512,
        validate_checksum=False,
    )
    message = nova.refused(400, "POST", "/servers", nova.request(imageRef=needy.id))
    assert message == "Flavor's memory is too small for requested image."
    admin.image.delete_image(needy)


def test_an_image_without_data_cannot_be_launched(nova) -> None:
    demo = nova.connections["demo"]
    empty = demo.image.create_image(name="empty", disk_format="raw", container_format="bare")
    message = nova.refused(400, "POST", "/servers", nova.request(imageRef=empty.id))
    assert message == f"Image {empty.id} is not active."
    demo.image.delete_image(empty)


def test_only_an_admin_chooses_the_host(nova) -> None:
    nova.refused(403, "POST", "/servers", nova.request(availability_zone="nova:host-1"))
    nova.refused(403, "POST", "/servers", nova.request(host="host-1"))
    message = nova.refused(400, "POST", "/servers", nova.request(host="mars"), user="admin")
    assert message == "Compute host mars could not be found."
    server_id = nova.launch(user="admin", host="host-1")
    nova.delete(server_id, user="admin")


def test_a_reader_and_a_private_flavor_are_refused(nova) -> None:
    nova.refused(403, "POST", "/servers", nova.request(), user="reader")
    admin = nova.connections["admin"]
    hidden = admin.compute.create_flavor(name="hidden", ram=64, vcpus=1, disk=1, is_public=False)
    message = nova.refused(400, "POST", "/servers", nova.request(flavorRef=hidden.id))
    assert message == f"Flavor {hidden.id} could not be found."
    nova.refused(404, "GET", f"/flavors/{hidden.id}")
    admin.compute.delete_flavor(hidden)


def test_cve_2026_46448_hints_for_the_scheduler_itself_are_dropped(nova) -> None:
    body = nova.request() | {"OS-SCH-HNT:scheduler_hints": {"_nova_check_type": "x", "mine": "1"}}
    server_id = nova.call("POST", "/servers", body).json()["server"]["id"]
    assert nova.settled(server_id)["status"] == "ACTIVE"
    shown = nova.get(f"/servers/{server_id}", version="2.100")["server"]
    assert shown["scheduler_hints"] == {"mine": "1"}
    nova.delete(server_id)


def test_the_x_ray_shows_all_steps_of_each_of_several_servers(nova, cloud) -> None:
    body = nova.request(name="seen", min_count=2)
    assert nova.call("POST", "/servers", body).status_code == 202
    found = nova.get("/servers?name=^seen-")["servers"]
    assert [nova.settled(s["id"])["status"] for s in found] == ["ACTIVE"] * 2
    for server in found:
        deadline = time.monotonic() + 30
        statuses: dict[int, str] = {}
        while set(statuses.values()) != {"ok"}:
            assert time.monotonic() < deadline, statuses
            launch = json.loads(cloud.minova("xray", server["name"], "--json"))
            statuses = {step["step"]: step["status"] for step in launch["steps"]}
        assert list(statuses) == list(range(1, 18))
    nova.delete(*(server["id"] for server in found))

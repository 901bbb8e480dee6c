"""What a launch may ask besides: hints, a host, files, several servers, names."""

import base64

import pytest

from tests.cloud import Cloud
from tests.nova import Nova

NOBODY = "00000000-0000-4000-8000-000000000000"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def host_of(nova: Nova, server: str) -> str:
    return str(nova.get(f"/servers/{server}", user="admin")["server"]["OS-EXT-SRV-ATTR:host"])


def launch(nova: Nova, hints: dict[str, object], **values: object) -> dict[str, object]:
    """The settled server of a launch with hints."""
    body = {**nova.request(**values), "os:scheduler_hints": hints}
    answer = nova.call("POST", "/servers", body)
    assert answer.status_code == 202, answer.text
    return nova.settled(answer.json()["server"]["id"])


def test_hints_place_a_server_beside_or_away_from_another(nova: Nova) -> None:
    first = nova.launch()
    beside = launch(nova, {"same_host": [first]})
    assert beside["status"] == "ACTIVE"
    away = launch(nova, {"different_host": first})
    # There is one host only.
    assert away["status"] == "ERROR"
    assert "No valid host was found" in away["fault"]["message"]
    assert "different_host" in away["fault"]["message"]
    nowhere = launch(nova, {"same_host": NOBODY})
    assert nowhere["status"] == "ERROR"
    # What only filters that are off look at does not matter.
    free = launch(nova, {"query": '[">=","$free_ram_mb",1]', "build_near_host_ip": "192.0.2.1"})
    assert free["status"] == "ACTIVE"
    nova.delete(first, *(str(s["id"]) for s in (beside, away, nowhere, free)))


def test_another_projects_server_is_no_neighbour(nova: Nova) -> None:
    first = nova.launch()
    body = {**nova.request(), "os:scheduler_hints": {"same_host": first}}
    answer = nova.call("POST", "/servers", body, user="stranger")
    server = answer.json()["server"]["id"]
    assert nova.settled(server, user="stranger")["status"] == "ERROR"
    nova.delete(server, user="stranger")
    nova.delete(first)


@pytest.mark.parametrize(
    "hints",
    [
        {"same_host": "not-a-uuid"},
        {"different_host": [1]},
        {"build_near_host_ip": "nowhere"},
        {"cidr": "24"},
        {"group": "not-a-uuid"},
        {"query": 1},
    ],
)
def test_a_hint_that_makes_no_sense_is_refused(nova: Nova, hints: dict[str, object]) -> None:
    nova.refused(400, "POST", "/servers", {**nova.request(), "os:scheduler_hints": hints})


def test_an_admin_names_zone_host_and_node(nova: Nova) -> None:
    first = nova.launch()
    host = host_of(nova, first)
    for zone in (f"nova:{host}", f"nova:{host}:{host}", f"nova::{host}"):
        server = nova.launch(user="admin", availability_zone=zone)
        assert host_of(nova, server) == host
        nova.delete(server, user="admin")
    server = nova.launch(user="admin", host=host, hypervisor_hostname=host)
    assert host_of(nova, server) == host
    nova.delete(server, user="admin")
    nova.delete(first)


def test_a_chosen_host_may_be_disabled_but_has_to_exist(nova: Nova) -> None:
    (service,) = nova.get("/os-services?binary=nova-compute", user="admin")["services"]
    path, host = f"/os-services/{service['id']}", service["host"]
    assert nova.call("PUT", path, {"status": "disabled"}, user="admin").status_code == 200
    try:
        server = nova.launch(user="admin", availability_zone=f":{host}")
        nova.delete(server, user="admin")
        body = nova.request(host=host)
        answer = nova.call("POST", "/servers", body, user="admin")
        asked = answer.json()["server"]["id"]
        assert nova.settled(asked, user="admin")["status"] == "ERROR"
        nova.delete(asked, user="admin")
    finally:
        nova.call("PUT", path, {"status": "enabled"}, user="admin")


@pytest.mark.parametrize(
    ("status", "user", "values", "word"),
    [
        (403, "demo", {"availability_zone": "nova:host"}, "forced_host"),
        (403, "demo", {"host": "host"}, "requested_destination"),
        (400, "admin", {"availability_zone": "nova:gone"}, "Compute host gone could not be found"),
        (400, "admin", {"availability_zone": "a:b:c:d"}, "Unable to parse availability_zone"),
        (400, "admin", {"availability_zone": "mars"}, "not available"),
        (400, "admin", {"availability_zone": "nova:h", "host": "h"}, "mutually exclusive"),
        (400, "admin", {"hypervisor_hostname": "gone"}, "gone could not be found"),
        (400, "demo", {"hostname": "web", "max_count": 2}, "single hostname to multiple"),
    ],
)
def test_a_place_that_cannot_be_had_is_refused(
    nova: Nova, status: int, user: str, values: dict[str, object], word: str
) -> None:
    message = nova.refused(status, "POST", "/servers", nova.request(**values), user=user)
    assert word in message


def test_several_servers_are_numbered(nova: Nova) -> None:
    body = nova.request(name="Web", min_count=2, max_count=3, return_reservation_id=True)
    answer = nova.call("POST", "/servers", body)
    assert list(answer.json()) == ["reservation_id"]
    found = nova.get(f"/servers/detail?reservation_id={answer.json()['reservation_id']}")["servers"]
    assert sorted(s["name"] for s in found) == ["Web-1", "Web-2", "Web-3"]
    assert sorted(s["OS-EXT-SRV-ATTR:hostname"] for s in found) == ["web-1", "web-2", "web-3"]
    for server in found:
        assert nova.settled(server["id"])["status"] == "ACTIVE"
    nova.delete(*(s["id"] for s in found))


def test_files_are_injected_until_2_56(nova: Nova, cloud: Cloud) -> None:
    files = [{"path": "/etc/motd", "contents": b64("hello")}]
    old = {"version": "2.56", "networks": [{"uuid": nova.network}]}
    server = nova.launch(personality=files, **old)
    nova.delete(server)
    refused = {
        "2.57": (400, nova.request(personality=files), "personality"),
        "2.56": (400, nova.request(personality=[{"path": "/x", "contents": "%"}]), "decoded"),
        "2.1": (403, nova.request(personality=files * 6), "Personality file limit exceeded"),
        "2.2": (
            403,
            nova.request(personality=[{"path": "/x", "contents": b64("x" * 10241)}]),
            "Personality file content exceeds maximum 10240",
        ),
        "2.3": (
            403,
            nova.request(personality=[{"path": "/" + "x" * 255, "contents": ""}]),
            "Personality file path exceeds maximum 255",
        ),
    }
    for version, (status, body, word) in refused.items():
        assert word in nova.refused(status, "POST", "/servers", body, version=version)


def test_a_flavor_no_host_can_serve_is_refused_at_once(nova: Nova) -> None:
    admin = nova.connections["admin"]
    pinned = admin.compute.create_flavor(name="m1.pinned", ram=64, vcpus=1, disk=1)
    admin.compute.create_flavor_extra_specs(pinned, {"hw:cpu_policy": "dedicated"})
    message = nova.refused(400, "POST", "/servers", nova.request(flavorRef=pinned.id))
    assert "hw:cpu_policy=dedicated" in message
    admin.compute.delete_flavor(pinned)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (
            {"hw:foo": "1"},
            "Validation failed; extra spec 'hw:foo' does not appear to be a valid extra spec.",
        ),
        (
            {"hw:cpu_policy": "x"},
            "Validation failed; 'x' is not one of: dedicated, shared, mixed.",
        ),
        ({"hw:numa_nodes": "a"}, "Validation failed; 'a' is not a valid integer value."),
        (
            {"hw:numa_nodes": "0"},
            "Validation failed; '0' is less than the min value of '1'.",
        ),
        (
            {"hw:boot_menu": "maybe"},
            "Validation failed; 'maybe' is not a valid boolean-like value.",
        ),
    ],
)
def test_extra_specs_are_validated_from_2_86(
    nova: Nova, specs: dict[str, str], message: str
) -> None:
    path, body = f"/flavors/{nova.flavor}/os-extra_specs", {"extra_specs": specs}
    assert nova.refused(400, "POST", path, body, user="admin", version="2.86") == message
    assert nova.call("POST", path, body, user="admin", version="2.85").status_code == 200
    (key,) = specs
    assert nova.call("DELETE", f"{path}/{key}", user="admin").status_code == 200

"""Shelved servers: gone from their host, and back as they were."""

import uuid
from collections.abc import Iterator

import pytest

from tests.cloud import Cloud
from tests.nova import Nova, furnish


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="on-the-shelf", metadata={"kept": "here"})
    yield server_id
    nova.delete(server_id)


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> Iterator[Nova]:
    """A cloud whose shelved servers stay on their host for two seconds."""
    options = {"compute": {"shelved_offload_time": 2, "shelved_poll_interval": 1}}
    cloud = Cloud(tmp_path_factory.mktemp("patient"), options=options)
    try:
        yield furnish(cloud.start())
    finally:
        cloud.stop()


def test_a_shelved_server_waits_on_its_host_before_it_goes(patient) -> None:
    server = patient.launch(name="waits")
    assert patient.act(server, "shelve").status_code == 202
    patient.until(lambda: _status(patient, server) != "ACTIVE", "it is shelved")
    assert patient.settled(server)["status"] in ("SHELVED", "SHELVED_OFFLOADED")
    patient.until(lambda: _status(patient, server) == "SHELVED_OFFLOADED", "its time is up")
    assert patient.act(server, "unshelve").status_code == 202
    assert patient.settled(server)["status"] == "ACTIVE"
    patient.delete(server)


def test_a_server_shelved_a_moment_ago_starts_again_where_it_is(patient) -> None:
    server = patient.launch(name="back-soon")
    patient.act(server, "shelve")
    patient.until(lambda: _status(patient, server) == "SHELVED", "it is shelved")
    where = {"availability_zone": "nova"}
    said = patient.refused(409, "POST", f"/servers/{server}/action", {"unshelve": where})
    assert said.endswith("The server status must be SHELVED_OFFLOADED.")
    assert patient.act(server, "unshelve").status_code == 202
    assert patient.settled(server)["status"] == "ACTIVE"
    assert _images(patient, "back-soon-shelved") == []
    patient.act(server, "shelve")
    patient.until(lambda: _status(patient, server) == "SHELVED", "it is shelved again")
    assert patient.act(server, "shelveOffload", user="admin").status_code == 202
    assert patient.settled(server)["status"] == "SHELVED_OFFLOADED"
    patient.delete(server)


def _status(nova: Nova, server: str) -> str:
    return str(nova.get(f"/servers/{server}")["server"]["status"])


def _claimed(nova) -> tuple[int, int]:
    host = nova.get("/os-hypervisors/detail", user="admin", version="2.87")["hypervisors"][0]
    return host["running_vms"], host["memory_mb_used"]


def _images(nova, name: str) -> list[str]:
    found = nova.connections["demo"].image.images(name=name)
    return [image.status for image in found]


def _ports(nova, server: str) -> list[tuple[str, str]]:
    found = nova.connections["admin"].network.ports(device_id=server)
    return sorted((port.id, port.binding_host_id) for port in found)


def test_a_shelved_server_leaves_its_host_and_comes_back_as_it_was(nova, server) -> None:
    before = nova.get(f"/servers/{server}")["server"]
    claimed, ports = _claimed(nova), _ports(nova, server)
    assert nova.act(server, "shelve").status_code == 202
    shelved = nova.settled(server)
    assert (shelved["status"], shelved["OS-EXT-STS:power_state"]) == ("SHELVED_OFFLOADED", 4)
    assert nova.get(f"/servers/{server}", user="admin")["server"]["OS-EXT-SRV-ATTR:host"] is None
    assert shelved["addresses"] == before["addresses"]
    assert _claimed(nova) == (claimed[0] - 1, claimed[1] - 64)
    assert _images(nova, "on-the-shelf-shelved") == ["active"]
    assert _ports(nova, server) == [(port, "") for port, _ in ports]
    said = nova.refused(409, "POST", f"/servers/{server}/action", {"os-stop": None})
    assert said == f"Cannot 'stop' instance {server} while it is in vm_state shelved_offloaded"

    assert nova.act(server, "unshelve").status_code == 202
    back = nova.settled(server)
    assert back["status"] == "ACTIVE"
    for kept in ("addresses", "image", "metadata", "flavor", "key_name"):
        assert back[kept] == before[kept], kept
    assert _claimed(nova) == claimed
    assert _ports(nova, server) == ports
    assert _images(nova, "on-the-shelf-shelved") == []
    events = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [event["action"] for event in events] == ["unshelve", "shelve", "create"]


@pytest.mark.parametrize("leave", ["os-stop", "pause", "suspend"])
def test_what_does_not_run_is_shelved_too(nova, server, leave) -> None:
    nova.act(server, leave)
    nova.settled(server)
    assert nova.act(server, "shelve").status_code == 202
    assert nova.settled(server)["status"] == "SHELVED_OFFLOADED"


def test_deleting_a_shelved_server_deletes_its_image(nova) -> None:
    server = nova.launch(name="given-up")
    nova.act(server, "shelve")
    assert nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    assert _images(nova, "given-up-shelved") == ["active"]
    nova.delete(server)
    assert _images(nova, "given-up-shelved") == []
    assert _ports(nova, server) == []


def test_deleting_a_server_while_it_is_shelved_leaves_nothing(nova) -> None:
    claimed = _claimed(nova)
    servers = [nova.launch(name="hurried") for _ in range(3)]
    for server in servers:
        assert nova.act(server, "shelve").status_code == 202
    nova.delete(*servers)
    assert _images(nova, "hurried-shelved") == []
    assert [_ports(nova, server) for server in servers] == [[], [], []]
    assert _claimed(nova) == claimed


def test_unshelving_without_its_image_leaves_the_server_shelved(nova, server) -> None:
    claimed = _claimed(nova)
    nova.act(server, "shelve")
    nova.settled(server)
    images = nova.connections["demo"].image
    (image,) = images.images(name="on-the-shelf-shelved")
    images.delete_image(image.id)
    assert nova.act(server, "unshelve").status_code == 202
    left = nova.settled(server)
    assert left["status"] == "SHELVED_OFFLOADED"
    assert _claimed(nova)[0] == claimed[0] - 1
    last = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]
    assert image.id in str(last["message"])


def test_a_zone_or_a_host_can_be_asked_for(nova, server) -> None:
    def unshelve(value: object, **options: object):
        return nova.act(server, "unshelve", value, **options)

    nova.act(server, "shelve")
    nova.settled(server)
    host = nova.get("/os-services", user="admin")["services"][0]["host"]
    for version, value, status in (
        ("2.76", {"availability_zone": "nowhere"}, None),
        ("2.77", {}, 400),
        ("2.77", {"availability_zone": None}, 400),
        ("2.77", {"availability_zone": "nova", "host": host}, 400),
        ("2.77", {"availability_zone": "nowhere"}, 400),
        ("2.91", {}, 400),
        ("2.91", {"availability_zone": "nowhere"}, 400),
        ("2.91", {"hosts": host}, 400),
        ("2.91", {"host": host}, 403),
    ):
        if status is not None:
            assert unshelve(value, version=version).status_code == status, (version, value)
    assert unshelve({"host": "nobody"}, user="admin").status_code == 400
    assert nova.get(f"/servers/{server}")["server"]["status"] == "SHELVED_OFFLOADED"
    assert unshelve({"availability_zone": "nova", "host": host}, user="admin").status_code == 202
    assert nova.settled(server)["pinned_availability_zone"] == "nova"
    nova.act(server, "shelve")
    nova.settled(server)
    assert unshelve({"availability_zone": None}).status_code == 202
    back = nova.settled(server)
    assert (back["status"], back["pinned_availability_zone"]) == ("ACTIVE", None)


def test_only_what_can_be_is_shelved_or_brought_back(nova, server) -> None:
    path = f"/servers/{server}/action"
    said = nova.refused(409, "POST", path, {"unshelve": None})
    assert said == f"Cannot 'unshelve' instance {server} while it is in vm_state active"
    said = nova.refused(409, "POST", path, {"shelveOffload": None}, user="admin")
    assert said == f"Cannot 'shelveOffload' instance {server} while it is in vm_state active"
    nova.refused(403, "POST", path, {"shelveOffload": None})
    nova.refused(404, "POST", path, {"shelve": None}, user="stranger")
    nova.refused(403, "POST", path, {"shelve": None}, user="reader")
    nova.refused(404, "POST", f"/servers/{uuid.uuid4()}/action", {"shelve": None})
    nova.act(server, "lock")
    assert nova.refused(409, "POST", path, {"shelve": None}) == f"Instance {server} is locked"
    nova.act(server, "unlock")

"""Servers that boot from volumes: their images, and what rebuilding and shelving do to them."""

import json
from contextlib import contextmanager

import pytest


@pytest.fixture
def volume(nova, request):
    """A volume that servers boot from; of another image where a test says so."""
    storage = nova.connections["demo"].block_storage
    fixture = getattr(request, "param", None)
    image = request.getfixturevalue(fixture) if fixture else nova.image
    made = storage.create_volume(size=1, name="root", image_id=image)
    nova.until(lambda: storage.get_volume(made.id).status == "available", "the volume is there")
    yield made.id
    for snapshot in storage.snapshots(volume_id=made.id):
        storage.delete_snapshot(snapshot.id)
    nova.until(lambda: not list(storage.snapshots(volume_id=made.id)), "its snapshots are gone")
    storage.delete_volume(made.id)


@pytest.fixture
def server(nova, volume):
    device = {
        "uuid": volume,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
        "delete_on_termination": False,
    }
    server_id = nova.launch(name="on-volume", imageRef="", block_device_mapping_v2=[device])
    yield server_id
    nova.delete(server_id)


@contextmanager
def _own_image(nova, fill: bytes, **properties: str):
    """An image of the demo user's own, of 4 KiB of one byte."""
    images = nova.connections["demo"].image
    image = images.create_image(
        name="own",
        disk_format="raw",
        container_format="bare",
        data=fill * 4096,
        validate_checksum=False,
        **properties,
    )
    yield image.id
    images.delete_image(image.id)


def _attachment(nova, volume: str) -> tuple[str, str]:
    """The volume's status and its attachment."""
    found = nova.connections["demo"].block_storage.get_volume(volume)
    (attachment,) = found.attachments or [{"attachment_id": ""}]
    return found.status, attachment["attachment_id"]


def test_its_image_is_made_of_snapshots_and_boots(nova, server) -> None:
    answer = nova.act(server, "createImage", {"name": "of-volumes"})
    assert answer.status_code == 202, answer.text
    images = nova.connections["demo"].image
    image_id = answer.json()["image_id"]
    image = images.get(f"/images/{image_id}").json()
    assert (image["status"], image["size"]) == ("active", 0)
    assert (image["bdm_v2"], image["root_device_name"]) == ("True", "/dev/vda")
    (device,) = json.loads(image["block_device_mapping"])
    shown = {key: device[key] for key in ("source_type", "boot_index", "volume_size")}
    assert shown == {"source_type": "snapshot", "boot_index": 0, "volume_size": 1}
    storage = nova.connections["demo"].block_storage
    nova.until(
        lambda: storage.get_snapshot(device["snapshot_id"]).status == "available",
        "the snapshot is there",
    )
    copy = nova.launch(name="from-snapshots", imageRef=image_id)
    (attached,) = nova.get(f"/servers/{copy}")["server"]["os-extended-volumes:volumes_attached"]
    nova.delete(copy)
    if not attached["delete_on_termination"]:
        storage.delete_volume(attached["id"])
    nova.until(lambda: storage.find_volume(attached["id"]) is None, "the copy is gone")
    images.delete_image(image_id)
    done = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in done] == ["createImage", "create"]


@pytest.fixture
def quiet(nova):
    """An image whose servers' snapshots are to be of frozen file systems."""
    with _own_image(nova, b"\3", hw_qemu_guest_agent="yes", os_require_quiesce="yes") as image_id:
        yield image_id


@pytest.mark.parametrize("volume", ["quiet"], indirect=True)
def test_its_image_is_not_made_of_a_guest_that_nobody_freezes(nova, server) -> None:
    path = f"/servers/{server}/action"
    said = nova.refused(400, "POST", path, {"createImage": {"name": "restless"}})
    assert said.startswith(f"Quiescing is not supported in instance {server}")
    nova.act(server, "os-stop")
    nova.settled(server)
    answer = nova.act(server, "createImage", {"name": "at-rest"})
    assert answer.status_code == 202, answer.text
    nova.connections["demo"].image.delete_image(answer.json()["image_id"])


def test_it_cannot_be_backed_up(nova, server) -> None:
    value = {"name": "x", "backup_type": "daily", "rotation": 1}
    said = nova.refused(400, "POST", f"/servers/{server}/action", {"createBackup": value})
    assert said == "Backup is not supported for volume-backed instances."


def test_shelving_keeps_its_volume_for_it(nova, server, volume) -> None:
    assert nova.act(server, "shelve").status_code == 202
    assert nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    assert _attachment(nova, volume)[0] == "reserved"
    assert not list(nova.connections["demo"].image.images(name="on-volume-shelved"))
    assert nova.act(server, "unshelve").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    assert _attachment(nova, volume)[0] == "in-use"


def test_deleting_it_while_it_is_shelved_frees_the_volume(nova, volume) -> None:
    device = {
        "uuid": volume,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
    }
    server = nova.launch(name="on-volume", imageRef="", block_device_mapping_v2=[device])
    nova.act(server, "shelve")
    assert nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    nova.delete(server)
    assert _attachment(nova, volume) == ("available", "")


def test_a_rebuild_of_the_same_image_keeps_the_volume(nova, server, volume) -> None:
    before = _attachment(nova, volume)
    body = {"imageRef": nova.image}
    answer = nova.act(server, "rebuild", body, version="2.92")
    assert answer.status_code == 202, answer.text
    assert nova.settled(server)["status"] == "ACTIVE"
    assert _attachment(nova, volume) == before


@pytest.fixture
def other(nova):
    with _own_image(nova, b"\1") as image_id:
        yield image_id


def test_from_2_93_a_rebuild_makes_the_volume_anew(nova, server, volume, other) -> None:
    path = f"/servers/{server}/action"
    said = nova.refused(400, "POST", path, {"rebuild": {"imageRef": other}}, version="2.92")
    assert "Unable to rebuild with a different image for a volume-backed server." in said
    assert nova.act(server, "rebuild", {"imageRef": other}, version="2.93").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    found = nova.connections["demo"].block_storage.get_volume(volume)
    assert found.volume_image_metadata["image_id"] == other
    assert _attachment(nova, volume)[0] == "in-use"
    nova.act(server, "os-stop")
    nova.settled(server)
    assert nova.act(server, "rebuild", {"imageRef": nova.image}, version="2.93").status_code == 202
    assert nova.settled(server)["status"] == "SHUTOFF"
    assert (
        nova.connections["demo"].block_storage.get_volume(volume).volume_image_metadata["image_id"]
        == nova.image
    )

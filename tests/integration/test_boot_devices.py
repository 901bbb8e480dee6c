"""Real guests that boot from volumes of all kinds, with disks of their own beside."""

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.integration.test_server_disks import FIRST, SECOND, Lab, lab

__all__ = ["lab"]
pytestmark = pytest.mark.integration


def root(source: str, reference: str, **values: Any) -> dict[str, Any]:
    return {
        "source_type": source,
        "destination_type": "volume",
        "uuid": reference,
        "boot_index": 0,
        "delete_on_termination": True,
        **values,
    }


def disks(lab: Lab, server: str) -> dict[str, tuple[str, str]]:
    """Name in the guest -> (kind, bus) of each of its disks."""
    domain = ElementTree.fromstring(lab.host.run("virsh", "dumpxml", server))
    found = {}
    for disk in domain.findall("devices/disk"):
        target = disk.find("target")
        assert target is not None
        found[target.get("dev", "")] = (disk.get("type", ""), target.get("bus", ""))
    return found


def volumes(lab: Lab) -> dict[str, str]:
    return {v.id: v.status for v in lab.nova.connections["demo"].block_storage.volumes()}


def exports(lab: Lab) -> list[str]:
    return [path.name for path in lab.cloud.folder.rglob("*.sock") if len(path.stem) == 36]


@pytest.fixture
def nothing_left(lab: Lab):
    before = volumes(lab)
    yield
    lab.nova.until(lambda: volumes(lab) == before, "the volumes are as they were")
    assert exports(lab) == []


def test_a_guest_boots_from_a_new_volume_and_again_after_a_stop(lab: Lab, nothing_left) -> None:
    nova = lab.nova
    devices = [
        root("image", lab.other, volume_size=1),
        {
            "source_type": "blank",
            "destination_type": "volume",
            "volume_size": 1,
            "delete_on_termination": True,
        },
    ]
    server = nova.launch(imageRef="", block_device_mapping_v2=devices, config_drive=True)
    lab.says(server, SECOND)
    assert disks(lab, server) == {
        "vda": ("network", "virtio"),
        "vdb": ("network", "virtio"),
        "hda": ("file", "ide"),
    }
    assert "disk" not in lab.folder(server)
    for action in ("os-stop", "os-start"):
        assert nova.act(server, action).status_code == 202
        assert nova.settled(server)["status"] in ("SHUTOFF", "ACTIVE")
    nova.until(lambda: lab.console(server).count(SECOND) == 2, "the guest has started again")
    nova.delete(server)


def test_a_guest_boots_from_the_snapshot_of_a_running_ones_volume(lab: Lab, nothing_left) -> None:
    nova, storage = lab.nova, lab.nova.connections["demo"].block_storage
    first = nova.launch(
        imageRef="", block_device_mapping_v2=[root("image", nova.image, volume_size=1)]
    )
    lab.says(first, FIRST)
    (device,) = nova.get(f"/servers/{first}/os-volume_attachments")["volumeAttachments"]
    snapshot = storage.create_snapshot(volume_id=device["volumeId"], force=True)
    storage.wait_for_status(snapshot, "available", interval=0.1, wait=30)
    second = nova.launch(imageRef="", block_device_mapping_v2=[root("snapshot", snapshot.id)])
    lab.says(second, FIRST)
    assert lab.console(first).count(FIRST) == 1
    nova.delete(second)
    storage.delete_snapshot(snapshot)
    nova.until(lambda: not list(storage.snapshots(details=False)), "the snapshot is gone")
    nova.delete(first)


def test_a_guest_has_the_blank_disks_and_the_bus_it_asks_for(lab: Lab, nothing_left) -> None:
    nova, admin = lab.nova, lab.nova.connections["admin"]
    flavor = admin.compute.create_flavor(
        name="m1.blank", ram=64, vcpus=1, disk=1, ephemeral=2, swap=32
    )
    local = {"source_type": "image", "destination_type": "local", "boot_index": 0}
    devices = [
        {**local, "uuid": nova.image, "disk_bus": "scsi"},
        {"source_type": "blank", "destination_type": "local", "volume_size": 1},
        {"source_type": "blank", "destination_type": "local", "volume_size": 1},
    ]
    server = nova.launch(imageRef=nova.image, flavorRef=flavor.id, block_device_mapping_v2=devices)
    lab.says(server, FIRST)
    found = disks(lab, server)
    assert found["sda"] == ("file", "scsi")
    assert [name for name in sorted(found) if name.startswith("vd")] == ["vdb", "vdc", "vdd"]
    files = lab.folder(server)
    assert {"disk", "disk.eph0", "disk.eph1", "disk.swap"} <= set(files)
    nova.delete(server)
    admin.compute.delete_flavor(flavor)


def test_a_delete_while_the_volume_is_made_leaves_nothing(lab: Lab, nothing_left) -> None:
    nova = lab.nova
    body = nova.request(
        imageRef="", block_device_mapping_v2=[root("image", nova.image, volume_size=1)]
    )
    answer = nova.call("POST", "/servers", body)
    assert answer.status_code == 202, answer.text
    nova.delete(answer.json()["server"]["id"])
    assert lab.domains() == []

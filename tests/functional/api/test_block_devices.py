"""What a launch may say of its disks: both forms of block_device_mapping, end to end."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.nova import Nova

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def roomy(nova: Nova) -> Iterator[str]:
    """A flavor with ephemeral and swap disks."""
    admin = nova.connections["admin"]
    flavor = admin.compute.create_flavor(
        name="m1.roomy", ram=64, vcpus=1, disk=1, ephemeral=4, swap=64
    )
    yield str(flavor.id)
    admin.compute.delete_flavor(flavor)


@pytest.fixture
def tidy(nova: Nova) -> Iterator[None]:
    """Nothing of a test's volumes is left behind."""
    before = volumes_of(nova)
    yield
    nova.until(lambda: volumes_of(nova) == before, "the volumes are as they were")


def volumes_of(nova: Nova) -> dict[str, str]:
    return {v.id: v.status for v in nova.connections["demo"].block_storage.volumes()}


def attachments(nova: Nova, server: str) -> dict[str, dict[str, Any]]:
    """device name -> attachment."""
    shown = nova.get(f"/servers/{server}/os-volume_attachments")["volumeAttachments"]
    return {one["device"]: one for one in shown}


def from_image(nova: Nova, **values: Any) -> dict[str, Any]:
    return {
        "uuid": nova.image,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": 0,
        **values,
    }


def blank(**values: Any) -> dict[str, Any]:
    return {"source_type": "blank", "destination_type": "local", **values}


def test_a_server_boots_from_a_new_volume_of_an_image(nova: Nova, tidy: None) -> None:
    device = from_image(nova, delete_on_termination=True, volume_type="default")
    server = nova.launch(imageRef="", block_device_mapping_v2=[device])
    shown = nova.get(f"/servers/{server}")["server"]
    assert shown["image"] == ""
    assert shown["OS-EXT-STS:vm_state"] == "active"
    (attached,) = shown["os-extended-volumes:volumes_attached"]
    volume = nova.connections["demo"].block_storage.get_volume(attached["id"])
    assert (volume.status, volume.is_bootable, volume.size) == ("in-use", True, 1)
    assert volume.volume_image_metadata["image_id"] == nova.image
    assert list(attachments(nova, server)) == ["/dev/vda"]
    nova.delete(server)


def test_blank_volumes_come_along_and_stay_when_they_shall(nova: Nova) -> None:
    devices = [
        {**from_image(nova), "destination_type": "local", "volume_size": None},
        {**blank(), "destination_type": "volume", "volume_size": 2, "device_name": "/dev/vdf"},
        {**blank(), "destination_type": "volume", "volume_size": 1, "tag": "logs"},
    ]
    devices[2]["delete_on_termination"] = True
    del devices[0]["volume_size"]
    server = nova.launch(block_device_mapping_v2=devices)
    found = attachments(nova, server)
    assert list(found) == ["/dev/vdf", "/dev/vdb"]
    assert found["/dev/vdb"]["tag"] == "logs"
    demo = nova.connections["demo"]
    kept = demo.block_storage.get_volume(found["/dev/vdf"]["volumeId"])
    assert (kept.name, kept.size) == (f"{server}-blank-vol", 2)
    gone = found["/dev/vdb"]["volumeId"]
    nova.delete(server)
    nova.until(lambda: gone not in volumes_of(nova), "the volume goes with its server")
    assert volumes_of(nova)[kept.id] == "available"
    demo.block_storage.delete_volume(kept)


def test_several_servers_have_a_volume_each(nova: Nova, tidy: None) -> None:
    device = from_image(nova, delete_on_termination=True)
    body = nova.request(imageRef="", block_device_mapping_v2=[device], min_count=2)
    body["server"]["return_reservation_id"] = True
    answer = nova.call("POST", "/servers", body)
    assert answer.status_code == 202, answer.text
    reservation = answer.json()["reservation_id"]
    found = nova.get(f"/servers?reservation_id={reservation}")["servers"]
    ids = [server["id"] for server in found]
    assert len(ids) == 2
    volumes = set()
    for server in ids:
        shown = nova.settled(server)
        assert shown["status"] == "ACTIVE", shown
        volumes |= {v["id"] for v in shown["os-extended-volumes:volumes_attached"]}
    assert len(volumes) == 2
    nova.delete(*ids)


def test_no_volume_is_made_for_a_server_beyond_the_quota(nova: Nova, tidy: None) -> None:
    demo, admin = nova.connections["demo"], nova.connections["admin"]
    limits = demo.compute.get_limits().absolute
    big = admin.compute.create_flavor(name="m1.quota", ram=64, vcpus=1000, disk=1)
    message = nova.refused(
        403,
        "POST",
        "/servers",
        nova.request(flavorRef=big.id, imageRef="", block_device_mapping_v2=[from_image(nova)]),
    )
    assert message.startswith("Quota exceeded for cores")
    admin.compute.delete_flavor(big)
    assert demo.compute.get_limits().absolute.instances_used == limits.instances_used


def test_a_volume_beyond_the_volume_quota_is_refused(nova: Nova, tidy: None) -> None:
    device = from_image(nova, volume_size=1000)
    body = nova.request(
        imageRef="",
        block_device_mapping_v2=[device, {**blank(destination_type="volume", volume_size=1000)}],
    )
    message = nova.refused(403, "POST", "/servers", body)
    assert "Quota exceeded for gigabytes" in message or "exceeds" in message


def test_a_delete_while_the_volume_is_being_made_leaves_nothing(nova: Nova, tidy: None) -> None:
    device = from_image(nova, delete_on_termination=True)
    answer = nova.call("POST", "/servers", nova.request(block_device_mapping_v2=[device]))
    assert answer.status_code == 202, answer.text
    nova.delete(answer.json()["server"]["id"])


def test_a_launch_names_its_own_ephemeral_and_swap_disks(nova: Nova, roomy: str) -> None:
    local = {**from_image(nova), "destination_type": "local"}
    del local["volume_size"]
    devices = [
        local,
        blank(volume_size=1),
        blank(guest_format="swap", volume_size=32),
        {**blank(destination_type="volume", volume_size=1), "delete_on_termination": True},
    ]
    server = nova.launch(flavorRef=roomy, block_device_mapping_v2=devices)
    assert list(attachments(nova, server)) == ["/dev/vdd"]
    nova.delete(server)


def test_the_old_form_boots_and_attaches(nova: Nova) -> None:
    demo = nova.connections["demo"]
    root = demo.block_storage.create_volume(size=1, imageRef=nova.image, image=nova.image)
    data = demo.block_storage.create_volume(size=1)
    for volume in (root, data):
        demo.block_storage.wait_for_status(volume, "available", interval=0.05, wait=30)
    devices = [
        {"device_name": "vda", "volume_id": root.id, "delete_on_termination": "1"},
        {"device_name": "vdc", "volume_id": data.id, "delete_on_termination": True},
    ]
    server = nova.launch(imageRef=None, block_device_mapping=devices)
    assert list(attachments(nova, server)) == ["/dev/vda", "/dev/vdc"]
    assert nova.get(f"/servers/{server}")["server"]["image"] == ""
    nova.delete(server)
    nova.until(
        lambda: not {root.id, data.id} & set(volumes_of(nova)), "both volumes go with the server"
    )


LOCAL = {"source_type": "image", "destination_type": "local", "boot_index": 0}
REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no uuid": (
        [{"source_type": "volume", "destination_type": "volume"}],
        "Block Device Mapping is Invalid: Missing device UUID.",
    ),
    "a blank of something": (
        [blank(uuid=NOBODY)],
        "Block Device Mapping is Invalid: Invalid device UUID.",
    ),
    "a second local image": (
        [{**LOCAL, "uuid": "IMAGE"}, {**LOCAL, "uuid": "IMAGE", "boot_index": 1}],
        "Block Device Mapping is Invalid: Mapping image to local is not supported.",
    ),
    "a gap in the boot order": (
        [{**LOCAL, "uuid": "IMAGE"}, blank(volume_size=1, boot_index=2)],
        "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device "
        "mapping combination is not valid.",
    ),
    "an image's volume without a size": (
        [{"source_type": "image", "destination_type": "volume", "uuid": "IMAGE"}],
        "Images with destination_type 'volume' need to have a non-zero size specified",
    ),
    "a blank volume without a size": (
        [blank(destination_type="volume")],
        "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size",
    ),
    "an unknown image": (
        [
            {
                "source_type": "image",
                "destination_type": "volume",
                "uuid": NOBODY,
                "volume_size": 1,
            }
        ],
        f"Block Device Mapping is Invalid: failed to get image {NOBODY}.",
    ),
    "an unknown snapshot": (
        [{"source_type": "snapshot", "destination_type": "volume", "uuid": NOBODY}],
        f"Block Device Mapping is Invalid: failed to get snapshot {NOBODY}.",
    ),
    "an unknown volume": (
        [{"source_type": "volume", "destination_type": "volume", "uuid": NOBODY}],
        f"Block Device Mapping is Invalid: failed to get volume {NOBODY}.",
    ),
    "a larger ephemeral disk than the flavor has": (
        [{**LOCAL, "uuid": "IMAGE"}, blank(volume_size=5)],
        "Ephemeral disks requested are larger than the instance type allows. If no size is "
        "given in one block device mapping, flavor ephemeral size will be used.",
    ),
    "a larger swap disk than the flavor has": (
        [{**LOCAL, "uuid": "IMAGE"}, blank(guest_format="swap", volume_size=128)],
        "Swap drive requested is larger than instance type allows.",
    ),
    "two swap disks": (
        [{**LOCAL, "uuid": "IMAGE"}, *[blank(guest_format="swap", volume_size=1)] * 2],
        "Block Device Mapping is Invalid: More than one swap drive requested.",
    ),
    "too many local disks": (
        [{**LOCAL, "uuid": "IMAGE"}, *[blank(volume_size=1)] * 3],
        "Block Device Mapping is Invalid: You specified more local devices than the limit allows",
    ),
    "a bus that is none": (
        [{**LOCAL, "uuid": "IMAGE", "disk_bus": "xen"}],
        "Block Device Mapping is Invalid: The provided disk bus xen is not valid.",
    ),
    "a type for what exists": (
        [
            {
                "source_type": "volume",
                "destination_type": "volume",
                "uuid": NOBODY,
                "volume_type": "default",
            }
        ],
        "Block Device Mapping is Invalid: Specifying volume type to existing volume is not "
        "supported.",
    ),
    "a type for a local disk": (
        [{**LOCAL, "uuid": "IMAGE", "volume_type": "default"}],
        "Block Device Mapping is Invalid: Specifying a volume_type with destination_type=local "
        "is not supported.",
    ),
    "an unknown type": (
        [blank(destination_type="volume", volume_size=1, volume_type="gold")],
        "Volume type gold could not be found.",
    ),
    "the root's name": (
        [blank(destination_type="volume", volume_size=1, device_name="/dev/vda")],
        "The volume cannot be assigned the same device name as the root device vda",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_mapping_is_refused_in_novas_words(nova: Nova, roomy: str, what: str) -> None:
    devices, message = REFUSED[what]
    entries = [
        {k: nova.image if v == "IMAGE" else v for k, v in device.items()} for device in devices
    ]
    body = nova.request(flavorRef=roomy, block_device_mapping_v2=entries)
    assert nova.refused(400, "POST", "/servers", body) == message


def test_both_forms_at_once_are_refused(nova: Nova) -> None:
    body = nova.request(
        block_device_mapping=[{"volume_id": NOBODY}],
        block_device_mapping_v2=[blank(volume_size=1)],
    )
    assert "different block_device_mapping syntaxes" in nova.refused(400, "POST", "/servers", body)


def test_a_volume_type_is_no_field_before_2_67(nova: Nova) -> None:
    body = nova.request(block_device_mapping_v2=[from_image(nova, volume_type="default")])
    assert "volume_type" in nova.refused(400, "POST", "/servers", body, version="2.66")


def test_a_server_boots_from_a_snapshot(nova: Nova, tidy: None) -> None:
    storage = nova.connections["demo"].block_storage
    source = storage.create_volume(size=1, image=nova.image, imageRef=nova.image)
    storage.wait_for_status(source, "available", interval=0.05, wait=30)
    snapshot = storage.create_snapshot(volume_id=source.id, name="golden")
    storage.wait_for_status(snapshot, "available", interval=0.05, wait=30)
    modern = {
        "uuid": snapshot.id,
        "source_type": "snapshot",
        "destination_type": "volume",
        "boot_index": 0,
        "delete_on_termination": True,
    }
    old = {"device_name": "vda", "snapshot_id": snapshot.id, "delete_on_termination": True}
    for asked in ({"block_device_mapping_v2": [modern]}, {"block_device_mapping": [old]}):
        server = nova.launch(imageRef="", **asked)
        volume = storage.get_volume(attachments(nova, server)["/dev/vda"]["volumeId"])
        assert (volume.snapshot_id, volume.size) == (snapshot.id, 1)
        nova.delete(server)
    storage.delete_snapshot(snapshot)
    nova.until(lambda: not list(storage.snapshots(details=False)), "the snapshot is gone")
    storage.delete_volume(source)


def test_a_server_goes_although_its_volume_has_to_stay(nova: Nova) -> None:
    storage = nova.connections["demo"].block_storage
    device = from_image(nova, delete_on_termination=True)
    server = nova.launch(imageRef="", block_device_mapping_v2=[device])
    volume = attachments(nova, server)["/dev/vda"]["volumeId"]
    snapshot = storage.create_snapshot(volume_id=volume, force=True)
    storage.wait_for_status(snapshot, "available", interval=0.05, wait=30)
    nova.delete(server)
    assert volumes_of(nova)[volume] == "available"
    storage.delete_snapshot(snapshot)
    nova.until(lambda: not list(storage.snapshots(details=False)), "the snapshot is gone")
    storage.delete_volume(volume)
    nova.until(lambda: volume not in volumes_of(nova), "the volume is gone")

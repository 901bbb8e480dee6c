"""Volumes made from images and volumes, and images made from volumes."""

import os
import subprocess
import uuid

import pytest
import requests

from minova.companions.volume.queries import volumes

MIB, GIB = 1024**2, 1024**3


def _qcow2(tmp_path, content: bytes = b"", *options: str) -> bytes:
    raw, qcow2 = tmp_path / "raw", tmp_path / "qcow2"
    raw.write_bytes(content.ljust(2 * MIB, b"\0"))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, qcow2]
    subprocess.run(command, check=True)
    return qcow2.read_bytes()


def test_a_raw_image_becomes_a_bootable_sparse_volume(cloud, image_service):
    data = b"boot sector".ljust(MIB, b"\0") + os.urandom(MIB) + bytes(6 * MIB)
    image_id = image_service.upload(data, hw_disk_bus="virtio")
    volume_id = cloud.create(imageRef=image_id, size=1)
    volume = cloud.volume(volume_id)
    assert volume["bootable"] == "true"
    shown = volume["volume_image_metadata"]
    assert shown["image_id"] == image_id
    assert (shown["disk_format"], shown["hw_disk_bus"]) == ("raw", "virtio")
    file = cloud.file(volume_id)
    with file.open("rb") as opened:
        assert opened.read(len(data)) == data
    assert file.stat().st_size == GIB
    assert file.stat().st_blocks * 512 < 3 * MIB
    assert list(cloud.volumes_path.iterdir()) == [file]


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
def test_any_image_becomes_any_volume(
    make_cloud, image_service, tmp_path, disk_format, volume_format
):
    content = b"hello volume"
    data = content if disk_format == "raw" else _qcow2(tmp_path, content, "-c")
    cloud = make_cloud(format=volume_format)
    volume_id = cloud.create(imageRef=image_service.upload(data, disk_format), size=2)
    info = subprocess.run(
        ["qemu-img", "info", "-f", volume_format, cloud.file(volume_id)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "2 GiB" in info
    assert "backing" not in info
    attachment = cloud.attach(volume_id, str(uuid.uuid4()))
    data = attachment["connection_info"]["data"]
    uri = f"nbd+unix:///{data['export']}?socket={data['socket']}"
    copy = tmp_path / "copy"
    subprocess.run(["nbdcopy", uri, copy], check=True)
    with copy.open("rb") as opened:
        assert opened.read(16).startswith(content)


def test_a_volume_must_be_large_enough_for_its_image(cloud, image_service):
    image_id = image_service.upload(b"x" * MIB, min_disk=3)
    answer = cloud("POST", "/v3/volumes", {"volume": {"size": 2, "imageRef": image_id}})
    assert answer.status_code == 400
    assert "3 GiB" in answer.json()["badRequest"]["message"]
    assert cloud("POST", "/v3/volumes", {"volume": {"imageRef": image_id}}).status_code == 400


def test_an_image_nobody_may_read_cannot_become_a_volume(cloud, image_service, tokens):
    private = image_service.upload(b"secret", token=tokens["other"])
    for image_id in (private, str(uuid.uuid4())):
        answer = cloud("POST", "/v3/volumes", {"volume": {"size": 1, "imageRef": image_id}})
        assert answer.status_code == 400
        assert image_id in answer.json()["badRequest"]["message"]


def test_an_image_in_another_format_is_refused_at_once(cloud, image_service, tokens):
    headers = {"X-Auth-Token": tokens["member"]}
    body = {"name": "i", "disk_format": "vmdk", "container_format": "bare"}
    image_id = requests.post(f"{image_service.url}/v2/images", json=body, headers=headers).json()[
        "id"
    ]
    answer = cloud("POST", "/v3/volumes", {"volume": {"size": 1, "imageRef": image_id}})
    assert answer.status_code == 400


def test_a_volume_is_copied_from_a_volume(cloud):
    source = cloud.create(name="source")
    assert cloud.act(source, "os-set_bootable", {"bootable": True}).ok
    with cloud.file(source).open("r+b") as opened:
        opened.write(b"original")
    copy = cloud.create(source_volid=source, size=None, name="copy")
    volume = cloud.volume(copy)
    assert (volume["size"], volume["bootable"], volume["source_volid"]) == (1, "true", source)
    with cloud.file(source).open("r+b") as opened:
        opened.write(b"modified")
    with cloud.file(copy).open("rb") as opened:
        assert opened.read(8) == b"original"
    cloud.attach(source, str(uuid.uuid4()))
    answer = cloud("POST", "/v3/volumes", {"volume": {"source_volid": source}})
    assert answer.status_code == 400


@pytest.mark.parametrize("disk_format", [pytest.param("raw", marks=pytest.mark.slow), "qcow2"])
def test_a_volume_becomes_an_image_of_its_owner(
    cloud, image_service, eventually, disk_format, tmp_path
):
    volume_id = cloud.create()
    with cloud.file(volume_id).open("r+b") as opened:
        opened.write(b"my data")
    asked = {"image_name": "of a volume", "disk_format": disk_format, "force": "False"}
    answer = cloud.act(volume_id, "os-volume_upload_image", asked)
    assert answer.status_code == 202
    shown = answer.json()["os-volume_upload_image"]
    assert (shown["status"], shown["disk_format"]) == ("uploading", disk_format)
    image_id = shown["image_id"]
    eventually(lambda: image_service.get(image_id).json()["status"] == "active")
    cloud.wait(volume_id, "available")
    image = image_service.get(image_id).json()
    assert (image["owner"], image["name"]) == ("a" * 32, "of a volume")
    if disk_format == "qcow2":
        (tmp_path / "image").write_bytes(image_service.data(image_id))
        subprocess.run(
            ["qemu-img", "compare", "-f", "qcow2", "-F", "raw", tmp_path / "image",
             cloud.file(volume_id)],
            check=True,
        )  # fmt: skip
    assert [file.name for file in cloud.volumes_path.iterdir()] == [f"volume-{volume_id}"]


def test_a_creation_that_a_crash_interrupted_is_done_at_the_next_start(cloud, image_service):
    image_id = image_service.upload(b"late")
    volume_id = cloud.create(imageRef=image_id)
    cloud.file(volume_id).unlink()
    cloud.store.part(volume_id, "download.").write_bytes(b"half a downlo")
    volumes.settle(cloud.db, volume_id, "available", "creating")
    cloud.restart()
    cloud.wait(volume_id, "available")
    with cloud.file(volume_id).open("rb") as opened:
        assert opened.read(4) == b"late"
    assert len(list(cloud.volumes_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("status", "after"),
    [("extending", "available"), ("uploading", "available"), ("deleting", None)],
)
def test_other_interrupted_work_ends_at_the_next_start(cloud, status, after):
    volume_id = cloud.create()
    volumes.update(cloud.db, volume_id, status=status, new_size_gb=2 if after else None)
    cloud.restart()
    if after is None:
        cloud.wait_gone(volume_id)
        assert not cloud.file(volume_id).exists()
    else:
        assert cloud.wait(volume_id, after)["size"] == (2 if status == "extending" else 1)


def test_a_creation_whose_image_vanished_ends_in_error(cloud, image_service, tokens):
    image_id = image_service.upload(b"gone")
    volume_id = cloud.create(imageRef=image_id)
    headers = {"X-Auth-Token": tokens["member"]}
    requests.delete(f"{image_service.url}/v2/images/{image_id}", headers=headers)
    volumes.settle(cloud.db, volume_id, "available", "creating")
    cloud.file(volume_id).unlink()
    cloud.restart()
    cloud.wait(volume_id, "error")
    assert not cloud.file(volume_id).exists()
    assert cloud("DELETE", f"/v3/volumes/{volume_id}").status_code == 202
    cloud.wait_gone(volume_id)


def _reimage(cloud, volume_id, image_id, **asked):
    return cloud.act(volume_id, "os-reimage", {"image_id": image_id, **asked})


def test_a_volume_is_made_anew_from_an_image(cloud, image_service):
    first, second = image_service.upload(b"first".ljust(MIB)), image_service.upload(b"second")
    volume_id = cloud.create(imageRef=first)
    old = cloud.act(volume_id, "os-reimage", {"image_id": second}, version="3.67")
    assert old.status_code == 404
    assert _reimage(cloud, volume_id, second).status_code == 202
    volume = cloud.wait(volume_id, "available")
    assert volume["volume_image_metadata"]["image_id"] == second
    with cloud.file(volume_id).open("rb") as opened:
        assert opened.read(MIB) == b"second".ljust(MIB, b"\0"), "the old bytes are still there"
    assert len(list(cloud.volumes_path.iterdir())) == 1


def test_what_a_server_uses_is_made_anew_only_when_it_is_reserved(cloud, image_service, tokens):
    image_id = image_service.upload(b"new")
    large = image_service.upload(b"large", min_disk=3)
    volume_id = cloud.create(imageRef=image_id)
    assert _reimage(cloud, volume_id, large).status_code == 400
    assert _reimage(cloud, volume_id, str(uuid.uuid4())).status_code == 400
    attachment = cloud.attach(volume_id, str(uuid.uuid4()))
    assert _reimage(cloud, volume_id, image_id, reimage_reserved=True).status_code == 400
    cloud.ok("DELETE", f"/v3/attachments/{attachment['id']}", token=tokens["service"])
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": str(uuid.uuid4())}}
    cloud.ok("POST", "/v3/attachments", body, token=tokens["service"])
    assert _reimage(cloud, volume_id, image_id).status_code == 400
    assert _reimage(cloud, volume_id, image_id, reimage_reserved=True).status_code == 202
    cloud.wait(volume_id, "reserved")

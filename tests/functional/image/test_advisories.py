"""The field's own history with images, one test for each advisory."""

import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from minova.companions.image import queries

MIB = 1024**2
Disk = Callable[..., bytes]


def refused(cloud: Any, user: Any, data: bytes, words: str, **settings: Any) -> None:
    """The data is refused in one sentence, by both ways in, and nothing is kept."""
    image = user.create(**settings)["id"]
    octets = {"Content-Type": "application/octet-stream"}
    for way in ("file", "stage"):
        answer = user.put(f"/v2/images/{image}/{way}", data=data, headers=octets)
        assert answer.status_code == 400, answer.text
        message = answer.json()["message"]
        assert words in message and message.endswith(".") and "\n" not in message
        assert str(cloud.folder) not in message
        shown = user.show(image)
        assert (shown["status"], shown["size"], shown["checksum"]) == ("queued", None, None)
        assert cloud.files() == []


def test_cve_2024_32498_qcow2_external_data_file(
    cloud: Any, demo: Any, disk: Disk, tmp_path: Path
) -> None:
    data = disk("qcow2", "1M", "-o", f"data_file={tmp_path}/outside.raw")
    refused(cloud, demo, data, "external data file", disk_format="qcow2")
    refused(cloud, demo, data, "is qcow2, not raw", disk_format="raw")


@pytest.mark.parametrize("disk_format", ["qcow2", "vdi", "vpc", "vhdx", "vmdk", "qed"])
@pytest.mark.parametrize("declared", ["raw", "ami", "iso"])
def test_cve_2024_40767_raw_that_is_really_something_else(
    cloud: Any, demo: Any, disk: Disk, disk_format: str, declared: str
) -> None:
    refused(cloud, demo, disk(disk_format), f", not {declared}", disk_format=declared)


def test_cve_2024_40767_a_header_shorter_than_a_sector(cloud: Any, demo: Any, disk: Disk) -> None:
    refused(cloud, demo, disk("qcow2")[:104], "is qcow2, not raw", disk_format="raw")
    refused(cloud, demo, disk("qcow2")[:104], "cut off", disk_format="qcow2")


def test_cve_2024_40767_the_format_changes_while_the_upload_begins(
    cloud: Any, demo: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload saw `qcow2`; before it owns the image, its owner makes it `raw`."""
    real = queries.move

    def move(db: Any, image_id: str, source: Any, target: str, **values: Any) -> bool:
        if target == "saving":
            patch = {"op": "replace", "path": "/disk_format", "value": "raw"}
            assert cloud.user().patch(image_id, patch).status_code == 200
        return real(db, image_id, source, target, **values)

    monkeypatch.setattr(queries, "move", move)
    image = demo.create(disk_format="qcow2")["id"]
    assert demo.upload(image, disk("qcow2")).status_code == 400
    assert demo.show(image)["status"] == "queued" and cloud.files() == []


def test_cve_2024_40767_two_formats_in_one_file(cloud: Any, demo: Any, disk: Disk) -> None:
    both = bytearray(disk("qcow2")[:512].ljust(40 * 1024, b"\0"))
    both[32 * 1024 : 32 * 1024 + 6] = b"\x01CD001"
    for declared in ("qcow2", "iso", "raw"):
        refused(cloud, demo, bytes(both), "is iso and qcow2", disk_format=declared)


@pytest.mark.parametrize("subformat", ["monolithicSparse", "streamOptimized", "monolithicFlat"])
def test_cve_2022_47951_vmdk_descriptor(cloud: Any, demo: Any, disk: Disk, subformat: str) -> None:
    data = disk("vmdk", "1M", "-o", f"subformat={subformat}")
    refused(cloud, demo, data, "has disk format vmdk", disk_format="vmdk")
    refused(cloud, demo, data, "is vmdk, not raw", disk_format="raw")


def test_cve_2022_47951_vmdk_descriptor_in_tiny_pieces(cloud: Any, demo: Any) -> None:
    """An inspector that judges by the first few bytes would see no descriptor in them."""
    text = b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\n'
    text += b'RW 2048 FLAT "/etc/shadow" 0\n'
    image = demo.create()["id"]
    answer = demo.upload(image, (text[n : n + 1] for n in range(len(text))))
    assert answer.status_code == 400 and "vmdk" in answer.json()["message"]
    assert cloud.files() == []


def test_cve_2015_1851_backing_file(cloud: Any, demo: Any, disk: Disk) -> None:
    data = disk("qcow2", "1G", "-u", "-b", "/etc/shadow", "-F", "raw")
    refused(cloud, demo, data, "backing file", disk_format="qcow2")
    refused(cloud, demo, data, "not raw", disk_format="raw")


def test_cve_2013_2096_size_bomb(cloud: Any, demo: Any, disk: Disk) -> None:
    data = disk("qcow2", "50T", "-o", "cluster_size=2M")
    assert len(data) < 8 * MIB
    refused(cloud, demo, data, "virtual size", disk_format="qcow2")
    claims = bytearray(disk("qcow2"))
    struct.pack_into(">Q", claims, 24, 2**64 - 1)
    refused(cloud, demo, bytes(claims), "virtual size", disk_format="qcow2")


def test_cve_2024_32498_unknown_qcow2_feature(cloud: Any, demo: Any, disk: Disk) -> None:
    data = bytearray(disk("qcow2"))
    data[72:80] = struct.pack(">Q", 1 << 40)
    refused(cloud, demo, bytes(data), "features", disk_format="qcow2")


@pytest.mark.parametrize(
    "image_id", ["../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "%2e%2e", "a%00"]
)
def test_cve_2012_3360_path_traversal_in_ids(cloud: Any, demo: Any, image_id: str) -> None:
    for path in (f"/v2/images/{image_id}", f"/v2/images/{image_id}/file"):
        for method in ("GET", "PUT", "DELETE"):
            assert demo.request(method, path, data=b"x").status_code in (404, 405)
    for bad in (image_id, "0" * 36, "\n" * 36):
        with pytest.raises(ValueError):
            cloud.store.path(bad)


def test_cve_2014_9493_symlinks_in_the_store_are_not_followed(
    cloud: Any, demo: Any, tmp_path: Path
) -> None:
    image, secret = demo.make(), tmp_path / "secret"
    secret.write_text("secret")
    cloud.store.path(image["id"]).unlink()
    cloud.store.path(image["id"]).symlink_to(secret)
    answer = demo.get(image["file"])
    assert answer.status_code >= 400 and b"secret" not in answer.content
    demo.delete(f"/v2/images/{image['id']}")
    assert secret.read_text() == "secret"


def test_cve_2015_1195_locations_are_never_the_users_to_set(demo: Any) -> None:
    image = demo.create()["id"]
    for url in ("file:///etc/passwd", "filesystem:///etc/passwd", "http://127.0.0.1/"):
        location = {"url": url, "metadata": {}}
        for name in ("locations", "location", "direct_url"):
            assert demo.post("/v2/images", {name: [location]}).status_code == 403
        patch = {"op": "add", "path": "/locations/-", "value": location}
        assert demo.patch(image, patch).status_code == 403
    assert demo.post(f"/v2/images/{image}/locations", {"url": "file:///x"}).status_code == 404


def test_cve_2016_0757_where_the_data_lies_is_told_to_services_alone(
    cloud: Any, demo: Any, admin: Any
) -> None:
    image = demo.make(visibility="private")
    for user in (demo, admin):
        assert "direct_url" not in user.show(image["id"])
        assert str(cloud.folder) not in user.get("/v2/images").text
    service = cloud.user("service", "service")
    assert service.show(image["id"])["direct_url"] == f"file://{cloud.folder}/{image['id']}"
    queued = demo.create()["id"]
    assert "direct_url" not in service.show(queued)


def test_cve_2015_5251_status_is_not_the_users_to_set(demo: Any) -> None:
    image = demo.make()
    for status in ("queued", "active", "deactivated", "deleted"):
        for operation in ("add", "replace"):
            patch = {"op": operation, "path": "/status", "value": status}
            assert demo.patch(image["id"], patch).status_code == 403
    header = {"Content-Type": "application/octet-stream", "x-image-meta-status": "queued"}
    answer = demo.put(image["file"], data=b"other", headers=header)
    assert answer.status_code == 409
    assert demo.show(image["id"]) == image


def test_ossn_0065_data_of_an_active_image_is_never_replaced(demo: Any, admin: Any) -> None:
    image = demo.make(b"the data")
    octets = {"Content-Type": "application/octet-stream"}
    for user in (demo, admin):
        for way in ("file", "stage"):
            answer = user.put(f"/v2/images/{image['id']}/{way}", data=b"x", headers=octets)
            assert answer.status_code == 409
        body = {"method": {"name": "glance-direct"}}
        assert user.post(f"/v2/images/{image['id']}/import", body).status_code == 409
    assert demo.get(image["file"]).content == b"the data"
    patch = {"op": "replace", "path": "/disk_format", "value": "qcow2"}
    assert demo.patch(image["id"], patch).status_code == 403


def test_ossn_0075_an_id_is_never_used_again(demo: Any, other: Any, admin: Any) -> None:
    image = demo.make()["id"]
    demo.delete(f"/v2/images/{image}")
    for user in (demo, other, admin):
        assert user.post("/v2/images", {"id": image}).status_code == 409
        assert user.get(f"/v2/images/{image}").status_code == 404
    assert admin.ids() == []


@pytest.mark.parametrize("name", ["web-download", "glance-download", "copy-image", "x"])
def test_cve_2026_34881_ossn_0078_nothing_is_fetched_for_a_user(demo: Any, name: str) -> None:
    """The only import is of bytes the user sent; there is no URL to abuse."""
    image = demo.create()["id"]
    for uri in ("http://127.0.0.1/", "http://2130706433/", "http://169.254.169.254/", "file:///"):
        body = {"method": {"name": name, "uri": uri}}
        assert demo.post(f"/v2/images/{image}/import", body).status_code == 400
    assert demo.show(image)["status"] == "queued"


@pytest.mark.parametrize("way", ["file", "stage"])
def test_cve_2014_9623_deleting_while_saving_leaves_no_bytes(
    cloud: Any, demo: Any, way: str
) -> None:
    image, half, go = demo.create()["id"], threading.Event(), threading.Event()

    def body() -> Iterator[bytes]:
        yield bytes(2 * MIB)
        half.set()
        assert go.wait(20)
        yield bytes(2 * MIB)

    octets = {"Content-Type": "application/octet-stream"}
    with ThreadPoolExecutor(1) as pool:
        path = f"/v2/images/{image}/{way}"
        upload = pool.submit(demo.put, path, data=body(), headers=octets)
        assert half.wait(20)
        cloud.user().wait_while(image, "queued")
        assert cloud.user().delete(f"/v2/images/{image}").status_code == 204
        assert cloud.files() == [], "the bytes stay until the upload ends"
        go.set()
        answer = upload.result(20)
    assert answer.status_code == 410 and "deleted" in answer.json()["message"]
    assert cloud.files() == [] and demo.get(f"/v2/images/{image}").status_code == 404


def test_cve_2014_5356_the_size_cap_holds_without_a_length(small_cloud: Any) -> None:
    demo = small_cloud.user()
    image = demo.create()["id"]
    for headers in ({}, {"X-OpenStack-Image-Size": "10"}):
        answer = demo.upload(image, (bytes(65536) for _ in range(40)), **headers)
        assert answer.status_code == 413, answer.text
    assert small_cloud.files() == [] and demo.show(image)["status"] == "queued"


def test_cve_2013_4428_membership_is_asked_on_every_download(demo: Any, other: Any) -> None:
    image = demo.make()
    members = f"/v2/images/{image['id']}/members"
    demo.post(members, {"member": "other"})
    assert other.get(image["file"]).status_code == 200
    demo.delete(f"{members}/other")
    assert other.get(image["file"]).status_code == 404


def test_cve_2013_4202_xml_is_not_read(demo: Any) -> None:
    xml = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    answer = demo.request(
        "POST", "/v2/images", data=xml, headers={"Content-Type": "application/xml"}
    )
    assert answer.status_code == 415

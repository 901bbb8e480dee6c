"""What went wrong in Cinder once, and does not here. Named after the advisories."""

import hashlib
import os
import subprocess
import uuid

import pytest

from minova.companions.image import tables as image_tables
from minova.companions.volume import exports, qemuimg
from minova.companions.volume.queries import volumes
from minova.db import engine

MIB = 1024**2


def _smuggle(image_service, image_id: str, data: bytes, digest: bool = True) -> None:
    """Put `data` into the image service's store, as if its own checks had failed us."""
    root = image_service.root
    file = next(path for path in (root / "images").rglob("*") if image_id in path.name)
    file.chmod(0o600)
    file.write_bytes(data)
    values = {"size": len(data)}
    if digest:
        values["os_hash_value"] = hashlib.sha512(data).hexdigest()
    db = engine.Database(f"sqlite:///{root}/image.sqlite")
    with db.transaction() as connection:
        images = image_tables.images
        connection.execute(images.update().where(images.c.id == image_id).values(**values))
    db.dispose()


def _image(tmp_path, *options: str, size: str = "1M") -> bytes:
    """A qcow2 image, made with `qemu-img create` and these options."""
    path = tmp_path / f"image-{uuid.uuid4()}"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, size], check=True)
    return path.read_bytes()


@pytest.fixture
def refused(cloud, image_service, caplog):
    """Checks that the smuggled image makes no volume, and that the log says why."""

    def refused(image_id: str, data: bytes, reason: str, **options) -> None:
        _smuggle(image_service, image_id, data, **options)
        volume_id = cloud.create("error", imageRef=image_id)
        assert not cloud.file(volume_id).exists()
        assert list(cloud.volumes_path.iterdir()) == []
        assert reason in caplog.text

    return refused


def test_cve_2015_1851_backing_file(refused, image_service, tmp_path):
    image_id = image_service.upload(_image(tmp_path), "qcow2")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret".ljust(MIB, b"\0"))
    evil = _image(tmp_path, "-b", str(secret), "-F", "raw")
    refused(image_id, evil, "has a backing file")


def test_cve_2024_32498_qcow2_external_data_file(refused, image_service, tmp_path):
    image_id = image_service.upload(_image(tmp_path), "qcow2")
    outside = tmp_path / "outside"
    evil = _image(tmp_path, "-o", f"data_file={outside},data_file_raw=on")
    outside.unlink()
    refused(image_id, evil, "has an external data file")
    assert not outside.exists()


def test_cve_2024_40767_raw_that_is_really_qcow2(refused, image_service, tmp_path):
    image_id = image_service.upload(b"x" * MIB, "raw")
    refused(image_id, _image(tmp_path), "is qcow2, not raw")


def test_cve_2013_4463_size_bomb(refused, image_service, tmp_path):
    image_id = image_service.upload(_image(tmp_path), "qcow2")
    refused(image_id, _image(tmp_path, size="900G"), "smaller than what it is made from")


def test_damaged_data_of_an_image_is_noticed(refused, image_service):
    image_id = image_service.upload(b"x" * MIB, "raw")
    refused(image_id, b"y" * MIB, "does not have the sha512 checksum", digest=False)


def test_cve_2015_7548_a_guest_writes_a_header_into_its_raw_volume(cloud, tokens, tmp_path):
    """It stays raw bytes for us: no host file is opened for it, ever."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret".ljust(MIB, b"\0"))
    header = tmp_path / "header"
    header.write_bytes(_image(tmp_path, "-b", str(secret), "-F", "raw"))
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, str(uuid.uuid4()))
    subprocess.run(["nbdcopy", header, _uri(attachment)], check=True, timeout=60)
    path = f"/v3/attachments/{attachment['id']}"
    cloud.ok("DELETE", path, token=tokens["service"])
    assert cloud.act(volume_id, "os-extend", {"new_size": 2}).ok
    cloud.wait(volume_id, "available")
    copy = cloud.create(source_volid=volume_id, size=2)
    for each in (copy, volume_id):
        out = tmp_path / each
        uri = _uri(cloud.attach(each, str(uuid.uuid4())))
        subprocess.run(["nbdcopy", uri, out], check=True, timeout=60)
        with out.open("rb") as file:
            data = file.read(MIB)
        assert data.startswith(header.read_bytes())
        assert out.stat().st_size == 2048 * MIB


def _uri(attachment: dict) -> str:
    data = attachment["connection_info"]["data"]
    return f"nbd+unix:///{data['export']}?socket={data['socket']}"


def test_cve_2013_4183_deleted_bytes_are_zero_for_the_next_owner(cloud, tokens):
    volume_id = cloud.create()
    with cloud.file(volume_id).open("r+b") as file:
        file.write(os.urandom(4 * MIB))
    cloud.ok("DELETE", f"/v3/volumes/{volume_id}")
    cloud.wait_gone(volume_id)
    other = cloud.create(token=tokens["other"])
    with cloud.file(other).open("rb") as file:
        assert file.read(8 * MIB) == bytes(8 * MIB)


def test_cve_2023_2088_a_user_cannot_take_a_volume_from_a_running_guest(
    cloud, tokens, compute_service
):
    volume_id, server_id = cloud.create(), str(uuid.uuid4())
    attachment = cloud.attach(volume_id, server_id)
    compute_service.attached.add((server_id, volume_id))
    path = f"/v3/attachments/{attachment['id']}"
    for token in (tokens["member"], "root/" + "c" * 32 + "/admin"):
        for service_token in (None, tokens["member"]):
            headers = {"X_Service_Token": service_token} if service_token else {}
            options = {"token": token, **headers}
            assert cloud("DELETE", path, **options).status_code == 409
            detach = {"attachment_id": attachment["id"]}
            assert cloud.act(volume_id, "os-detach", detach, **options).status_code == 409
            assert cloud.act(volume_id, "os-detach", {}, **options).status_code == 409
            connector = {"connector": {}}
            terminated = cloud.act(volume_id, "os-terminate_connection", connector, **options)
            assert terminated.status_code == 409
            forced = cloud.act(volume_id, "os-force_detach", detach, **options)
            assert forced.status_code in (403, 409)
    volumes.update(cloud.db, volume_id, status="error")
    forced = cloud.act(volume_id, "os-force_detach", detach, token=tokens["admin"])
    assert forced.status_code == 409
    assert cloud("DELETE", f"/v3/volumes/{volume_id}?force=True").status_code in (400, 403)
    assert cloud.exports.running(volume_id)
    volumes.update(cloud.db, volume_id, status="in-use")
    # With a service's token beside the user's it is the compute service that asks.
    answer = cloud("DELETE", path, X_Service_Token=tokens["service"])
    assert answer.status_code == 200
    assert not cloud.exports.running(volume_id)


def test_an_owner_frees_a_volume_whose_server_is_gone(cloud):
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, str(uuid.uuid4()))
    assert cloud("DELETE", f"/v3/attachments/{attachment['id']}").status_code == 200
    assert cloud.volume(volume_id)["status"] == "available"


def test_cve_2023_2088_the_attachment_of_another_volume_is_no_key(cloud):
    one, two = cloud.create(), cloud.create()
    server_id = str(uuid.uuid4())
    cloud.attach(one, server_id)
    attachment = cloud.attach(two, server_id)
    answer = cloud.act(one, "os-detach", {"attachment_id": attachment["id"]})
    assert answer.status_code == 400


def test_cve_2023_2088_an_export_that_does_not_end_fails_loudly(cloud, tokens, monkeypatch):
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, str(uuid.uuid4()))
    monkeypatch.setattr(exports, "_end", lambda pid: False)
    path = f"/v3/attachments/{attachment['id']}"
    assert cloud("DELETE", path, token=tokens["service"]).status_code == 503
    assert cloud.volume(volume_id)["status"] == "error_detaching"
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": str(uuid.uuid4())}}
    assert cloud("POST", "/v3/attachments", body).status_code == 400
    monkeypatch.undo()
    assert cloud("DELETE", path, token=tokens["service"]).status_code == 200
    assert cloud.volume(volume_id)["status"] == "available"


def test_cve_2015_5162_qemu_img_runs_under_limits(tmp_path, monkeypatch):
    seen = []
    real = subprocess.run

    def recording(command, **options):
        seen.append(command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", recording)
    qemuimg.create(tmp_path / "a", "qcow2", MIB)
    qemuimg.convert(tmp_path / "a", "qcow2", tmp_path / "b", "raw")
    for command in seen:
        assert command[0] == "prlimit"
        assert any(part.startswith("--as=") for part in command)
        assert any(part.startswith("--cpu=") for part in command)
        assert "-f" in command


def test_every_format_given_to_qemu_is_one_we_chose():
    assert set(qemuimg.FORMATS.values()) == {"raw", "qcow2"}

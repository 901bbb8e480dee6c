"""Snapshots: of volumes at rest and in use, volumes made of them, and their end."""

import os
import subprocess
import uuid

import pytest

from tests.functional.volume.conftest import ADMIN, OTHER, READER, wait_for

MIB = 1024**2


def snapshot(cloud, volume_id, status="available", **asked):
    body = {"snapshot": {"volume_id": volume_id, **asked}}
    made = cloud.ok("POST", "/v3/snapshots", body)["snapshot"]
    assert made["status"] == "creating"
    wait_for(lambda: shown(cloud, made["id"])["status"] == status)
    return made["id"]


def shown(cloud, snapshot_id, **options):
    return cloud.ok("GET", f"/v3/snapshots/{snapshot_id}", **options)["snapshot"]


def gone(cloud, snapshot_id):
    wait_for(lambda: cloud("GET", f"/v3/snapshots/{snapshot_id}").status_code == 404)


def refused(answer, status=400):
    assert answer.status_code == status, answer.text
    (error,) = answer.json().values()
    return error["message"]


def write(cloud, volume_id, data):
    with cloud.file(volume_id).open("r+b") as file:
        file.write(data)


def uri_of(attachment):
    data = attachment["connection_info"]["data"]
    return f"nbd+unix:///{data['export']}?socket={data['socket']}"


def test_a_volume_made_of_a_snapshot_is_what_the_first_one_was(cloud):
    first = cloud.create(name="first")
    cloud.ok("POST", f"/v3/volumes/{first}/action", {"os-set_bootable": {"bootable": True}})
    write(cloud, first, b"before")
    made = snapshot(cloud, first, name="kept", metadata={"why": "test"})
    write(cloud, first, b"after!")
    second = cloud.create(snapshot_id=made, size=2)
    volume = cloud.volume(second)
    assert (volume["snapshot_id"], volume["size"], volume["bootable"]) == (made, 2, "true")
    assert cloud.file(second).read_bytes()[:6] == b"before"
    assert cloud.volume(cloud.create(snapshot_id=made, size=None))["size"] == 1
    body = shown(cloud, made)
    assert body["os-extended-snapshot-attributes:progress"] == "100%"
    assert (body["name"], body["size"], body["metadata"]) == ("kept", 1, {"why": "test"})
    (listed,) = cloud.ok("GET", f"/v3/snapshots/detail?volume_id={first}")["snapshots"]
    assert listed == body


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_a_volume_in_use_can_be_snapshot(make_cloud, tmp_path, volume_format):
    cloud = make_cloud(format=volume_format)
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, str(uuid.uuid4()))
    uri = uri_of(attachment)
    before = tmp_path / "before"
    before.write_bytes(os.urandom(MIB) * 64)
    subprocess.run(["nbdcopy", "--", str(before), uri], check=True)
    assert "in-use" in refused(
        cloud("POST", "/v3/snapshots", {"snapshot": {"volume_id": volume_id}}, version="3.65")
    )
    assert "3.66" in refused(
        cloud("POST", "/v3/snapshots", {"snapshot": {"volume_id": volume_id, "force": False}})
    )
    after = tmp_path / "after"
    after.write_bytes(b"\xff" * 64 * MIB)
    made = snapshot(cloud, volume_id, force=True)
    subprocess.run(["nbdcopy", "--", str(after), uri], check=True)
    copy = cloud.create(snapshot_id=made)
    again = uri_of(cloud.attach(copy, str(uuid.uuid4())))
    result = tmp_path / "result"
    subprocess.run(["nbdcopy", "--", again, str(result)], check=True)
    with result.open("rb") as file:
        assert file.read(64 * MIB) == before.read_bytes()
    assert cloud.volume(volume_id)["status"] == "in-use"


def test_a_snapshot_keeps_its_volume(cloud):
    volume_id = cloud.create()
    made = snapshot(cloud, volume_id)
    message = refused(cloud("DELETE", f"/v3/volumes/{volume_id}"))
    assert "dependent snapshots" in message
    assert "dependent snapshots" in refused(
        cloud("DELETE", f"/v3/volumes/{volume_id}?force=True", token=ADMIN)
    )
    assert cloud("DELETE", f"/v3/snapshots/{made}").status_code == 202
    gone(cloud, made)
    assert cloud("DELETE", f"/v3/volumes/{volume_id}").status_code == 202
    cloud.wait_gone(volume_id)
    assert list(cloud.volumes_path.glob(f"*{made}*")) == []


def test_a_cascade_takes_the_snapshots_along(cloud):
    volume_id = cloud.create()
    made = [snapshot(cloud, volume_id) for _ in range(2)]
    assert cloud("DELETE", f"/v3/volumes/{volume_id}?cascade=True").status_code == 202
    cloud.wait_gone(volume_id)
    for each in made:
        gone(cloud, each)
        assert list(cloud.volumes_path.glob(f"*{each}*")) == []


def test_the_quota_counts_snapshots_and_their_gigabytes(make_cloud):
    cloud = make_cloud(quota_snapshots=1, quota_gigabytes=3)
    first = cloud.create()
    snapshot(cloud, first)
    answer = cloud("POST", "/v3/snapshots", {"snapshot": {"volume_id": first}})
    assert "Quota exceeded for snapshots" in refused(answer, 413)
    answer = cloud("POST", "/v3/volumes", {"volume": {"size": 2}})
    assert "Quota exceeded for gigabytes" in refused(answer, 413)
    absolute = cloud.ok("GET", "/v3/limits")["limits"]["absolute"]
    assert (absolute["maxTotalSnapshots"], absolute["totalSnapshotsUsed"]) == (1, 1)
    assert absolute["totalGigabytesUsed"] == 2


def test_a_foreign_snapshot_is_not_there(cloud):
    volume_id = cloud.create()
    made = snapshot(cloud, volume_id)
    for method, path, body in (
        ("GET", f"/v3/snapshots/{made}", None),
        ("DELETE", f"/v3/snapshots/{made}", None),
        ("PUT", f"/v3/snapshots/{made}", {"snapshot": {"name": "x"}}),
        ("POST", f"/v3/snapshots/{made}/metadata", {"metadata": {}}),
        ("POST", "/v3/snapshots", {"snapshot": {"volume_id": volume_id}}),
        ("POST", "/v3/volumes", {"volume": {"size": 1, "snapshot_id": made}}),
    ):
        refused(cloud(method, path, body, token=OTHER), 404)
    assert cloud.ok("GET", "/v3/snapshots", token=OTHER)["snapshots"] == []
    assert cloud("DELETE", f"/v3/snapshots/{made}", token=READER).status_code == 403
    ids = [
        s["id"] for s in cloud.ok("GET", "/v3/snapshots?all_tenants=1", token=ADMIN)["snapshots"]
    ]
    assert made in ids


def test_a_snapshot_that_a_crash_interrupted_is_made_after_all(cloud):
    volume_id = cloud.create()
    made = snapshot(cloud, volume_id)
    path = cloud.volumes_path / f"snapshot-{made}"
    path.rename(path.with_suffix(".part"))
    answer = cloud(
        "POST",
        f"/v3/snapshots/{made}/action",
        {"os-reset_status": {"status": "nonsense"}},
        token=ADMIN,
    )
    assert "valid status" in refused(answer)
    cloud.store.delete_snapshot(made)
    from minova.companions.volume.queries import snapshots

    snapshots.update(cloud.db, made, status="creating")
    cloud.restart()
    wait_for(lambda: shown(cloud, made)["status"] == "available")
    assert path.exists()


def test_a_snapshot_that_is_whole_is_not_made_anew(cloud):
    volume_id = cloud.create()
    write(cloud, volume_id, b"then")
    made = snapshot(cloud, volume_id)
    write(cloud, volume_id, b"now!")
    reset = {"os-reset_status": {"status": "creating"}}
    answer = cloud("POST", f"/v3/snapshots/{made}/action", reset, token=ADMIN)
    assert answer.status_code == 202
    cloud.restart()
    wait_for(lambda: shown(cloud, made)["status"] == "available")
    assert (cloud.volumes_path / f"snapshot-{made}").read_bytes()[:4] == b"then"
    reset = {"os-reset_status": {"status": "deleting"}}
    cloud("POST", f"/v3/snapshots/{made}/action", reset, token=ADMIN)
    forced = {"os-force_delete": {}}
    assert cloud("POST", f"/v3/snapshots/{made}/action", forced, token=ADMIN).status_code == 202
    gone(cloud, made)


def test_what_is_no_volume_or_marker_is_not_found(cloud):
    refused(cloud("POST", "/v3/snapshots", {"snapshot": {"volume_id": None}}), 404)
    refused(cloud("GET", f"/v3/snapshots?marker={uuid.uuid4()}"), 404)


def test_a_snapshots_metadata_can_be_read_and_changed(cloud):
    made = snapshot(cloud, cloud.create())
    path = f"/v3/snapshots/{made}/metadata"
    assert cloud.ok("POST", path, {"metadata": {"a": "1"}}) == {"metadata": {"a": "1"}}
    assert cloud.ok("PUT", f"{path}/b", {"meta": {"b": "2"}}) == {"meta": {"b": "2"}}
    assert cloud.ok("GET", path) == {"metadata": {"a": "1", "b": "2"}}
    assert cloud("DELETE", f"{path}/a").status_code == 200
    assert cloud.ok("PUT", path, {"metadata": {"c": "3"}}) == {"metadata": {"c": "3"}}
    refused(cloud("GET", f"{path}/a"), 404)
    renamed = cloud.ok("PUT", f"/v3/snapshots/{made}", {"snapshot": {"name": "n"}})["snapshot"]
    assert (renamed["name"], renamed["metadata"]) == ("n", {"c": "3"})

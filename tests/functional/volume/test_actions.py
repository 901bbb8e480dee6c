"""Actions of volumes and snapshots that clients and Nova know besides everyday's."""

import subprocess
import threading
import uuid

import pytest

from minova.companions.volume.queries import snapshots, volumes
from tests.functional.volume.conftest import ADMIN, HOST, OTHER, READER, SERVICE, wait_for

SERVER = str(uuid.uuid4())
CONNECTOR = {"connector": {"host": HOST}}


def message(answer, status=400):
    assert answer.status_code == status, answer.text
    (error,) = answer.json().values()
    return error["message"]


def snapshot(cloud, volume_id, status="available"):
    body = {"snapshot": {"volume_id": volume_id}}
    made = cloud.ok("POST", "/v3/snapshots", body)["snapshot"]["id"]
    wait_for(lambda: shown(cloud, made)["status"] == status)
    return made


def shown(cloud, snapshot_id):
    return cloud.ok("GET", f"/v3/snapshots/{snapshot_id}")["snapshot"]


def tell(cloud, snapshot_id, **options):
    """os-update_snapshot_status"""
    body = {"os-update_snapshot_status": options.pop("body", None) or dict(options)}
    return cloud("POST", f"/v3/snapshots/{snapshot_id}/action", body)


def begin(cloud, snapshot_id, status):
    """As if somebody else made the snapshot, or deleted it."""
    snapshots.update(cloud.db, snapshot_id, status=status)


def holds(cloud, volume_id, data):
    with cloud.file(volume_id).open("rb") as file:
        return file.read(len(data)) == data


def write(cloud, volume_id, data):
    with cloud.file(volume_id).open("r+b") as file:
        file.write(data)


def test_who_makes_a_snapshot_says_how_far_it_is(cloud):
    made = snapshot(cloud, cloud.create())
    begin(cloud, made, "creating")
    for status, progress in (("creating", "0%"), ("creating", "40%"), ("available", "100%")):
        assert tell(cloud, made, status=status, progress=progress).status_code == 202
        body = shown(cloud, made)
        assert (body["status"], body["os-extended-snapshot-attributes:progress"]) == (
            status,
            progress,
        )
    begin(cloud, made, "deleting")
    assert tell(cloud, made, status="error_deleting").status_code == 202
    assert shown(cloud, made)["status"] == "error_deleting"


def test_a_snapshots_status_is_not_told_out_of_turn(cloud):
    made = snapshot(cloud, cloud.create())
    assert message(tell(cloud, made, status="error")) == (
        "Snapshot status available not allowed for update_snapshot_status"
    )
    begin(cloud, made, "creating")
    assert message(tell(cloud, made, status="deleting")) == (
        "Provided snapshot status deleting not allowed for snapshot with status creating."
    )
    for body in ({}, {"status": 1}, {"status": "error", "x": 1}, {"progress": "1%"}):
        assert tell(cloud, made, body=body or {"y": 1}).status_code == 400, body
    for progress in ("101%", "50", "half", "-1%", 50):
        assert tell(cloud, made, status="creating", progress=progress).status_code == 400
    path, body = f"/v3/snapshots/{made}/action", {"os-update_snapshot_status": {"status": "error"}}
    assert cloud("POST", path, body, token=READER).status_code == 403
    assert cloud("POST", path, body, token=OTHER).status_code == 404
    assert "no such action" in message(cloud("POST", path, {"os-nonsense": {}}))


def test_a_snapshot_said_to_be_there_while_it_is_made_keeps_its_data(cloud, monkeypatch):
    volume_id = cloud.create()
    write(cloud, volume_id, b"data")
    adopt, reached, go = cloud.store.adopt_snapshot, threading.Event(), threading.Event()

    def slowly(snapshot_id):
        reached.set()
        assert go.wait(10)
        adopt(snapshot_id)

    monkeypatch.setattr(cloud.store, "adopt_snapshot", slowly)
    body = {"snapshot": {"volume_id": volume_id}}
    made = cloud.ok("POST", "/v3/snapshots", body)["snapshot"]["id"]
    assert reached.wait(10)
    assert tell(cloud, made, status="available").status_code == 202
    go.set()
    path = cloud.volumes_path / f"snapshot-{made}"
    wait_for(path.exists)
    assert holds(cloud, cloud.create(snapshot_id=made), b"data")


def test_a_volume_goes_back_to_its_latest_snapshot(cloud):
    volume_id = cloud.create()
    write(cloud, volume_id, b"first")
    first = snapshot(cloud, volume_id)
    write(cloud, volume_id, b"then!")
    second = snapshot(cloud, volume_id)
    write(cloud, volume_id, b"wrong")
    assert cloud.act(volume_id, "revert", {"snapshot_id": second}).status_code == 202
    cloud.wait(volume_id, "available")
    assert holds(cloud, volume_id, b"then!")
    assert shown(cloud, second)["status"] == "available"
    assert message(cloud.act(volume_id, "revert", {"snapshot_id": first})) == (
        f"Invalid snapshot: Specified snapshot {first} is None or not the latest one of volume "
        f"{volume_id}."
    )
    assert cloud.volume(volume_id)["status"] == "available"


def test_what_cannot_be_reverted_is_refused(cloud):
    volume_id = cloud.create()
    made = snapshot(cloud, volume_id)
    asked = {"snapshot_id": made}
    assert cloud.act(volume_id, "revert", asked, version="3.39").status_code == 404
    assert cloud.act(volume_id, "revert", asked, token=READER).status_code == 403
    assert cloud.act(volume_id, "revert", {"snapshot_id": str(uuid.uuid4())}).status_code == 404
    assert cloud.act(volume_id, "revert", {"snapshot_id": "x"}).status_code == 400
    begin(cloud, made, "error")
    assert "must be available" in message(cloud.act(volume_id, "revert", asked))
    begin(cloud, made, "available")
    cloud.attach(volume_id, SERVER)
    assert "in-use" in message(cloud.act(volume_id, "revert", asked))
    larger = cloud.create()
    made = snapshot(cloud, larger)
    cloud.act(larger, "os-extend", {"new_size": 2})
    cloud.wait(larger, "available")
    assert "size must be equal" in message(cloud.act(larger, "revert", {"snapshot_id": made}))


def test_a_revert_that_a_crash_interrupted_is_done_after_all(cloud):
    volume_id = cloud.create()
    write(cloud, volume_id, b"good")
    made = snapshot(cloud, volume_id)
    write(cloud, volume_id, b"bad!")
    volumes.update(cloud.db, volume_id, status="reverting")
    begin(cloud, made, "restoring")
    cloud.restart()
    cloud.wait(volume_id, "available")
    assert holds(cloud, volume_id, b"good") and shown(cloud, made)["status"] == "available"


def test_a_revert_that_fails_leaves_the_volume_in_error_and_the_snapshot_free(cloud):
    volume_id = cloud.create()
    made = snapshot(cloud, volume_id)
    (cloud.volumes_path / f"snapshot-{made}").unlink()
    assert cloud.act(volume_id, "revert", {"snapshot_id": made}).status_code == 202
    wait_for(lambda: cloud.volume(volume_id)["status"] == "error")
    assert shown(cloud, made)["status"] == "available"


def test_the_old_way_to_an_export(cloud, tmp_path):
    """As services went before attachments: reserve, initialize, attach; detach."""
    volume_id = cloud.create()
    service = {"token": SERVICE}
    assert cloud.act(volume_id, "os-initialize_connection", CONNECTOR).status_code == 403
    assert cloud.act(volume_id, "os-reserve", **service).status_code == 202
    answer = cloud.act(volume_id, "os-initialize_connection", CONNECTOR, **service)
    data = answer.json()["connection_info"]["data"]
    again = cloud.act(volume_id, "os-initialize_connection", CONNECTOR, **service)
    assert again.json()["connection_info"]["data"] == data
    content = tmp_path / "content"
    content.write_bytes(b"minova" + bytes(1024**2 - 6))
    uri = f"nbd+unix:///{data['export']}?socket={data['socket']}"
    subprocess.run(["nbdcopy", "--", str(content), uri], check=True)
    attach = {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}
    assert cloud.act(volume_id, "os-attach", attach, **service).status_code == 202
    volume = cloud.volume(volume_id)
    (attachment,) = volume["attachments"]
    assert (volume["status"], attachment["server_id"]) == ("in-use", SERVER)
    assert cloud.act(volume_id, "os-terminate_connection", CONNECTOR, **service).status_code == 202
    assert cloud.volume(volume_id)["status"] == "in-use", "its server has it"
    assert cloud.exports.running(volume_id)
    assert cloud.act(volume_id, "os-detach", {}, **service).status_code == 202
    assert cloud.volume(volume_id)["status"] == "available"
    assert not cloud.exports.running(volume_id) and holds(cloud, volume_id, b"minova")


def test_an_export_nobody_attached_ends_with_its_connection(cloud):
    volume_id = cloud.create()
    service = {"token": SERVICE}
    answer = cloud.act(volume_id, "os-initialize_connection", CONNECTOR, **service)
    assert answer.status_code == 200 and cloud.exports.running(volume_id)
    assert cloud.act(volume_id, "os-terminate_connection", CONNECTOR, **service).status_code == 202
    assert not cloud.exports.running(volume_id)
    assert cloud.volume(volume_id)["status"] == "available"


def test_what_takes_another_host_or_type_says_there_is_none(cloud):
    volume_id = cloud.create()
    admin = {"token": ADMIN}
    assert cloud.act(volume_id, "os-migrate_volume", {"host": "x"}).status_code == 403
    assert message(cloud.act(volume_id, "os-migrate_volume", {"host": "x"}, **admin)) == (
        "Invalid host: No available service named 'x'"
    )
    assert "must be different" in message(
        cloud.act(volume_id, "os-migrate_volume", {"host": HOST}, **admin)
    )
    assert message(cloud.act(volume_id, "os-retype", {"new_type": "gold"}), 404)
    same = {"new_type": "default", "migration_policy": "never"}
    assert "has to be different" in message(cloud.act(volume_id, "os-retype", same))
    completed = {"error": False}
    path = "os-extend_volume_completion"
    assert cloud.act(volume_id, path, completed).status_code == 403
    assert cloud.act(volume_id, path, completed, version="3.70", **admin).status_code == 404
    assert "waits to be completed" in message(cloud.act(volume_id, path, completed, **admin))


def test_a_volume_said_to_be_creating_keeps_its_data(cloud):
    volume_id, other = cloud.create(), cloud.create()
    write(cloud, volume_id, b"data")
    for each in (volume_id, other):
        answer = cloud.act(each, "os-reset_status", {"status": "creating"}, token=ADMIN)
        assert answer.status_code == 202
    assert cloud.act(other, "os-force_delete", {}, token=ADMIN).status_code == 202
    cloud.wait_gone(other)
    cloud.restart()
    cloud.wait(volume_id, "available")
    assert holds(cloud, volume_id, b"data")


def test_an_admin_says_that_a_volume_is_detached(cloud):
    volume_id = cloud.create()
    attach = {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}
    assert cloud.act(volume_id, "os-attach", attach).status_code == 202
    for wrong in ({"attach_status": "x"}, {"migration_status": "x"}, {}):
        assert cloud.act(volume_id, "os-reset_status", wrong, token=ADMIN).status_code == 400
    asked = {"attach_status": "detached"}
    assert cloud.act(volume_id, "os-reset_status", asked, token=ADMIN).status_code == 202
    volume = cloud.volume(volume_id)
    assert (volume["status"], volume["attachments"]) == ("available", [])


@pytest.mark.parametrize("error", [True, False])
def test_a_new_volume_takes_the_old_ones_place_when_nova_says_so(cloud, error):
    old, new = cloud.create(), cloud.create()
    cloud.attach(old, SERVER)
    asked = {"new_volume": new, "error": error}
    assert cloud.act(old, "os-migrate_volume_completion", asked).status_code == 403
    answer = cloud.act(old, "os-migrate_volume_completion", asked, token=SERVICE)
    assert (answer.status_code, answer.json()) == (200, {"save_volume_id": new})
    statuses = [cloud.volume(each)["status"] for each in (old, new)]
    assert statuses == (["in-use", "available"] if error else ["available", "in-use"])

"""A volume on its way to a server and back, with real exports."""

import grp
import json
import os
import select
import signal
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minova.companions.volume.queries import attachments

SERVER, ANOTHER = str(uuid.uuid4()), str(uuid.uuid4())
MIB = 1024**2


def _uri(info: dict) -> str:
    data = info["data"]
    return f"nbd+unix:///{data['export']}?socket={data['socket']}"


def _qemu_io(info: dict, *commands: str) -> str:
    arguments = [argument for command in commands for argument in ("-c", command)]
    done = subprocess.run(
        ["qemu-io", "-f", "raw", *arguments, _uri(info)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def _reserve(cloud, volume_id, server=SERVER, **options):
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server}}
    return cloud("POST", "/v3/attachments", body, **options)


def _connect(cloud, attachment_id, tokens, host="lab"):
    body = {"attachment": {"connector": {"host": host, "mountpoint": "/dev/vdb"}}}
    path = f"/v3/attachments/{attachment_id}"
    return cloud("PUT", path, body, token=tokens["service"])


def _pid(cloud, volume_id):
    return int((cloud.run / f"{volume_id}.pid").read_text())


def _serves(pid):
    """Whether the process runs; a zombie has no command line any more."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.exists() and path.read_bytes() != b""


def test_each_step_of_an_attachment_shows_in_the_status(cloud, tokens):
    volume_id = cloud.create()
    attachment = _reserve(cloud, volume_id).json()["attachment"]
    assert attachment["status"] == "reserved"
    assert attachment["connection_info"] == {}
    assert cloud.volume(volume_id)["status"] == "reserved"
    connected = _connect(cloud, attachment["id"], tokens).json()["attachment"]
    assert connected["status"] == "attaching"
    assert connected["connection_info"] == {
        "driver_volume_type": "nbd",
        "data": {
            "transport": "unix",
            "socket": f"{cloud.run}/{volume_id}.sock",
            "export": f"volume-{volume_id}",
            "access_mode": "rw",
            "volume_id": volume_id,
            "discard": True,
            "encrypted": False,
        },
    }
    assert cloud.volume(volume_id)["status"] == "attaching"
    path = f"/v3/attachments/{attachment['id']}"
    for _ in range(2):
        done = cloud("POST", f"{path}/action", {"os-complete": None}, token=tokens["service"])
        assert done.status_code == 204
    volume = cloud.volume(volume_id)
    assert volume["status"] == "in-use"
    shown = volume["attachments"][0]
    assert shown["attachment_id"] == attachment["id"]
    assert shown["id"] == shown["volume_id"] == volume_id
    assert (shown["server_id"], shown["device"]) == (SERVER, "/dev/vdb")
    assert shown["host_name"] is None
    assert cloud.volume(volume_id, token=tokens["admin"])["attachments"][0]["host_name"] == "lab"
    assert cloud("DELETE", f"/v3/volumes/{volume_id}").status_code == 400
    gone = cloud("DELETE", path, token=tokens["service"])
    assert (gone.status_code, gone.json()) == (200, {"attachments": []})
    assert cloud.volume(volume_id)["status"] == "available"
    assert not (cloud.run / f"{volume_id}.sock").exists()
    assert cloud("DELETE", path, token=tokens["service"]).status_code == 404


@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_the_guest_reads_what_it_wrote_also_after_a_detach(make_cloud, tokens, fmt, tmp_path):
    cloud = make_cloud(format=fmt)
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, SERVER)
    info = attachment["connection_info"]
    listed = subprocess.run(
        ["nbdinfo", "--json", _uri(info)], capture_output=True, text=True, check=True
    )
    export = json.loads(listed.stdout)["exports"][0]
    assert export["export-size"] == 1024 * MIB
    assert export["is_read_only"] is False
    assert "errors" not in _qemu_io(info, f"write -P 0xab {5 * MIB} {MIB}", "flush")
    cloud.ok("DELETE", f"/v3/attachments/{attachment['id']}", token=tokens["service"])
    assert "Failed to connect" in _qemu_io(info, "read 0 512")
    info = cloud.attach(volume_id, ANOTHER)["connection_info"]
    assert "verification failed" not in _qemu_io(info, f"read -P 0xab {5 * MIB} {MIB}")
    copy = tmp_path / "copy"
    subprocess.run(["nbdcopy", _uri(info), copy], check=True, timeout=60)
    with copy.open("rb") as file:
        file.seek(5 * MIB)
        assert file.read(4) == b"\xab" * 4


def test_connecting_twice_gives_the_same_export(cloud, tokens):
    volume_id = cloud.create()
    attachment_id = _reserve(cloud, volume_id).json()["attachment"]["id"]
    first = _connect(cloud, attachment_id, tokens).json()
    pid = _pid(cloud, volume_id)
    assert _connect(cloud, attachment_id, tokens).json() == first
    assert _pid(cloud, volume_id) == pid


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users")
def test_the_sockets_are_for_the_guests_group_only(cloud):
    info = cloud.attach(cloud.create(), SERVER)["connection_info"]
    socket = Path(info["data"]["socket"])
    kvm = grp.getgrnam("kvm").gr_gid
    assert socket.stat().st_gid == socket.parent.stat().st_gid == kvm
    assert socket.stat().st_mode & 0o777 == 0o660
    assert socket.parent.stat().st_mode & 0o777 == 0o750
    for user, group, reaches in (("libvirt-qemu", "kvm", True), ("nobody", "nogroup", False)):
        become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        done = subprocess.run([*become, "nbdinfo", "--size", _uri(info)], capture_output=True)
        assert (done.returncode == 0) is reaches, done.stderr


def test_a_read_only_volume_cannot_be_written(cloud, tokens):
    volume_id = cloud.create()
    assert cloud.act(volume_id, "os-update_readonly_flag", {"readonly": True}).ok
    info = cloud.attach(volume_id, SERVER)["connection_info"]
    assert info["data"]["access_mode"] == "ro"
    assert "Permission denied" in _qemu_io(info, "write 0 512")


def test_the_export_outlives_a_restart_of_the_service(cloud, tokens):
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, SERVER)
    pid = _pid(cloud, volume_id)
    cloud.restart()
    assert _pid(cloud, volume_id) == pid
    assert cloud.exports.running(volume_id)
    cloud.ok("DELETE", f"/v3/attachments/{attachment['id']}", token=tokens["service"])
    assert not _serves(pid)


@pytest.mark.parametrize("how", ["crash", "reboot"])
def test_an_export_that_died_comes_back(cloud, how):
    volume_id = cloud.create()
    info = cloud.attach(volume_id, SERVER)["connection_info"]
    _qemu_io(info, "write -P 0x77 0 4096", "flush")
    process = os.pidfd_open(_pid(cloud, volume_id))
    signal.pidfd_send_signal(process, signal.SIGKILL)
    assert select.select([process], [], [], 10)[0]
    os.close(process)
    if how == "reboot":
        for file in cloud.run.iterdir():
            file.unlink()
        cloud.run.rmdir()
        cloud.restart()
    else:
        cloud.attaching.check()
    assert "verification failed" not in _qemu_io(info, "read -P 0x77 0 4096")


def test_a_foreign_process_with_the_pid_is_not_taken_for_the_export(cloud):
    volume_id = cloud.create()
    cloud.attach(volume_id, SERVER)
    cloud.exports.stop(volume_id)
    (cloud.run / f"{volume_id}.pid").write_text(f"{os.getpid()}\n")
    assert not cloud.exports.running(volume_id)
    cloud.attaching.check()
    assert cloud.exports.running(volume_id)


def test_of_two_servers_that_want_a_volume_one_gets_it(cloud):
    volume_id = cloud.create()
    servers = [str(uuid.uuid4()) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda server: _reserve(cloud, volume_id, server), servers))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    refused = next(answer for answer in answers if answer.status_code == 400)
    assert "reserved" in refused.json()["badRequest"]["message"]


def test_a_migration_has_two_attachments_of_the_same_server(cloud, tokens):
    volume_id = cloud.create()
    first = cloud.attach(volume_id, SERVER)
    second = _reserve(cloud, volume_id, token=tokens["service"]).json()["attachment"]
    assert _connect(cloud, second["id"], tokens, host="lab2").status_code == 200
    assert cloud.volume(volume_id)["status"] == "in-use"
    left = cloud.ok("DELETE", f"/v3/attachments/{first['id']}", token=tokens["service"])
    assert [each["id"] for each in left["attachments"]] == [second["id"]]
    assert cloud.volume(volume_id)["status"] == "in-use"
    assert cloud.exports.running(volume_id)
    cloud.ok("DELETE", f"/v3/attachments/{second['id']}", token=tokens["service"])
    assert cloud.volume(volume_id)["status"] == "available"
    assert not cloud.exports.running(volume_id)


def test_attachments_are_listed_and_filtered(cloud, tokens):
    one, two = cloud.create(), cloud.create()
    first = cloud.attach(one, SERVER)["id"]
    second = _reserve(cloud, two, ANOTHER).json()["attachment"]["id"]

    def ids(query, **options):
        return [
            a["id"] for a in cloud.ok("GET", f"/v3/attachments{query}", **options)["attachments"]
        ]

    assert ids("") == [first, second]
    assert ids(f"?volume_id={two}") == [second]
    assert ids(f"?instance_id={SERVER}") == [first]
    assert ids("?status=reserved") == [second]
    assert ids("", token=tokens["other"]) == []
    assert ids("?all_tenants=1", token=tokens["admin"]) == [first, second]
    detail = cloud.ok("GET", "/v3/attachments/detail?limit=1")
    assert detail["attachments"][0]["attach_mode"] == "rw"
    assert "marker=" in detail["attachments_links"][0]["href"]


def test_users_are_not_told_where_a_volume_is_exported(cloud, tokens):
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, SERVER)
    path = f"/v3/attachments/{attachment['id']}"
    assert cloud.ok("GET", path)["attachment"]["connection_info"] == {}
    shown = cloud.ok("GET", path, token=tokens["service"])["attachment"]
    assert shown["connection_info"]["data"]["export"] == f"volume-{volume_id}"
    connector = {"connector": {"host": "mine"}}
    assert cloud("PUT", path, {"attachment": connector}).status_code == 403
    other = cloud.create()
    body = {"attachment": {"volume_uuid": other, "instance_uuid": SERVER, **connector}}
    assert cloud("POST", "/v3/attachments", body).status_code == 403
    answer = cloud("POST", "/v3/attachments", body, X_Service_Token=tokens["service"])
    assert answer.json()["attachment"]["connection_info"]["driver_volume_type"] == "nbd"


def test_an_export_that_does_not_start_leaves_the_volume_reserved(cloud, tokens):
    volume_id = cloud.create()
    attachment_id = _reserve(cloud, volume_id).json()["attachment"]["id"]
    cloud.file(volume_id).rename(cloud.volumes_path / "away")
    answer = _connect(cloud, attachment_id, tokens)
    assert answer.status_code == 503
    assert str(cloud.volumes_path) not in answer.text
    assert cloud.volume(volume_id)["status"] == "reserved"
    (cloud.volumes_path / "away").rename(cloud.file(volume_id))
    assert _connect(cloud, attachment_id, tokens).status_code == 200


def test_an_interrupted_detachment_is_finished_at_the_next_start(cloud):
    volume_id = cloud.create()
    attachment = cloud.attach(volume_id, SERVER)
    attachments.begin_detach(cloud.db, attachment["id"])
    assert cloud.volume(volume_id)["status"] == "detaching"
    cloud.restart()
    assert cloud.volume(volume_id)["status"] == "available"
    assert not cloud.exports.running(volume_id)


def test_the_old_actions_of_cinder_work(cloud):
    volume_id = cloud.create()
    for action, status in (
        ("os-reserve", "attaching"),
        ("os-unreserve", "available"),
    ):
        assert cloud.act(volume_id, action).status_code == 202
        assert cloud.volume(volume_id)["status"] == status
    attach = {"instance_uuid": SERVER, "mountpoint": "/dev/vdc"}
    assert cloud.act(volume_id, "os-attach", attach).status_code == 202
    volume = cloud.volume(volume_id)
    assert volume["status"] == "in-use"
    assert volume["attachments"][0]["device"] == "/dev/vdc"
    assert cloud.act(volume_id, "os-attach", attach).status_code == 400
    for action, status in (
        ("os-begin_detaching", "detaching"),
        ("os-roll_detaching", "in-use"),
        ("os-detach", "available"),
    ):
        assert cloud.act(volume_id, action, {}).status_code == 202
        assert cloud.volume(volume_id)["status"] == status
    assert cloud.act(volume_id, "os-detach", {}).status_code == 202, "it is detached"
    cloud.act(volume_id, "os-reserve")
    assert cloud.act(volume_id, "os-detach", {}).status_code == 400


def test_attachments_need_their_microversions(cloud):
    volume_id = cloud.create()
    assert _reserve(cloud, volume_id, version="3.26").status_code == 404
    attachment_id = _reserve(cloud, volume_id, version="3.27").json()["attachment"]["id"]
    path = f"/v3/attachments/{attachment_id}/action"
    assert cloud("POST", path, {"os-complete": None}, version="3.43").status_code == 404

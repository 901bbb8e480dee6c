"""Passwords, crash dumps and diagnostics, over HTTP."""

import hashlib
import hmac
import re

import pytest
import requests


@pytest.fixture(scope="module")
def server(nova):
    server_id = nova.launch(name="looked-into")
    yield server_id
    nova.act(server_id, "forceDelete", user="admin")


@pytest.fixture(scope="module")
def with_agent(nova):
    """A server whose image has a guest agent."""
    demo = nova.connections["demo"].image
    image = demo.create_image(
        name="agent",
        disk_format="raw",
        container_format="bare",
        data=b"\2" * 4096,
        validate_checksum=False,
        hw_qemu_guest_agent="yes",
    )
    server_id = nova.launch(name="talks", imageRef=image.id)
    yield server_id
    nova.act(server_id, "forceDelete", user="admin")
    demo.delete_image(image.id)


def test_a_password_is_changed_while_one_waits(nova, with_agent) -> None:
    answer = nova.act(with_agent, "changePassword", {"adminPass": "n3w-s3cret"})
    assert answer.status_code == 202 and answer.text == ""
    assert nova.get(f"/servers/{with_agent}")["server"]["status"] == "ACTIVE"
    console = nova.act(with_agent, "os-getConsoleOutput", {}).json()["output"]
    assert "password was changed" in console
    newest = nova.get(f"/servers/{with_agent}/os-instance-actions")["instanceActions"][0]
    assert (newest["action"], newest["message"]) == ("changePassword", None)


def test_a_password_cannot_be_changed_without_an_agent(nova, server) -> None:
    path = f"/servers/{server}/action"
    said = nova.refused(409, "POST", path, {"changePassword": {"adminPass": "x"}})
    assert said.startswith("QEMU guest agent is not enabled")
    assert nova.settled(server)["status"] == "ACTIVE"
    newest = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]
    assert newest["action"] == "changePassword" and "failed" in newest["message"]
    for value in (None, {}, {"adminPass": 7}, {"adminPass": "x", "user": "root"}):
        nova.refused(400, "POST", path, {"changePassword": value})


def test_nobody_finds_the_password_on_the_way(nova, with_agent, cloud) -> None:
    nova.act(with_agent, "changePassword", {"adminPass": "unfindable-7261"})
    for path in cloud.folder.rglob("*"):
        if path.is_file():
            assert b"unfindable-7261" not in path.read_bytes(), path


def test_a_crash_dump_is_asked_for_from_2_17(nova, server) -> None:
    assert nova.act(server, "trigger_crash_dump", version="2.16").status_code == 404
    assert nova.act(server, "trigger_crash_dump").status_code == 202

    def dumped() -> bool:
        return "NMI" in nova.act(server, "os-getConsoleOutput", {}).json()["output"]

    nova.until(dumped, "the guest gets its NMI")
    assert nova.settled(server)["status"] == "ACTIVE"


def test_diagnostics_have_one_form_from_2_48(nova, server) -> None:
    path = f"/servers/{server}/diagnostics"
    told = nova.get(path, user="admin", version="2.48")
    assert (told["state"], told["driver"]) == ("running", "libvirt")
    assert (told["num_cpus"], told["num_nics"], told["num_disks"]) == (1, 1, 1)
    assert told["memory_details"]["maximum"] == 64
    plain = nova.get(path, user="admin", version="2.47")
    assert plain["memory"] == 64 * 1024 and "cpu0_time" in plain and "vda_read" in plain
    nova.refused(403, "GET", path)
    nova.refused(404, "GET", path, user="stranger")


def test_a_server_that_does_not_run_has_no_diagnostics(nova, server) -> None:
    for down, up, state in (("pause", "unpause", "paused"), ("os-stop", "os-start", "shutdown")):
        nova.act(server, down)
        nova.settled(server)
        said = nova.refused(409, "GET", f"/servers/{server}/diagnostics", user="admin")
        assert said == (
            f"Cannot 'get_diagnostics' instance {server} while it is in power state {state}"
        )
        nova.act(server, up)
        nova.settled(server)


def test_a_guest_posts_its_password_once_and_its_owner_reads_it(nova, server, cloud) -> None:
    path = f"/servers/{server}/os-server-password"
    assert nova.get(path) == {"password": ""}
    secret = re.search(r"metadata_secret = (\w+)", cloud.config_file.read_text())[1]
    headers = {
        "X-Instance-ID": server,
        "X-Tenant-ID": nova.project,
        "X-Instance-ID-Signature": hmac.new(
            secret.encode(), server.encode(), hashlib.sha256
        ).hexdigest(),
    }
    url = f"http://127.0.0.1:{cloud.ports['metadata']}/openstack"

    def post(data: bytes, version: str = "2013-10-17", **more: str) -> int:
        said = {**headers, **more}
        return requests.post(
            f"{url}/{version}/password", data, headers=said, timeout=10
        ).status_code

    assert post(b"x" * 1021) == 400
    assert post(b"\xff\n") == 400
    assert post(b"abc", version="2012-08-10") == 405
    assert post(b"abc", **{"X-Instance-ID-Signature": "0" * 64}) == 403
    assert post(b"QUJD" * 255) == 200
    assert post(b"other") == 409
    assert nova.get(path) == {"password": "QUJD" * 255}
    assert nova.get(path, user="reader") == {"password": "QUJD" * 255}
    told = requests.get(f"{url}/latest/password", headers=headers, timeout=10)
    assert told.text == "QUJD" * 255
    assert "password" in requests.get(f"{url}/latest", headers=headers, timeout=10).text.split()
    nova.refused(403, "DELETE", path, user="reader")
    nova.refused(404, "GET", path, user="stranger")
    for _ in range(2):
        assert nova.call("DELETE", path).status_code == 204
    assert nova.get(path) == {"password": ""}
    assert post(b"again") == 200

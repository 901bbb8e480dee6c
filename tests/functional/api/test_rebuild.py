"""Rebuilt servers: the same to everybody who knows them, with other disks."""

import base64
import uuid

import pytest

from tests.nova import PUBLIC_KEY


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="to-rebuild", metadata={"old": "yes"})
    yield server_id
    nova.delete(server_id)


@pytest.fixture(scope="module")
def other(nova):
    """Another image than that which servers are launched from."""
    image = nova.connections["admin"].image.create_image(
        name="other",
        disk_format="raw",
        container_format="bare",
        visibility="public",
        data=b"\1" * 4096,
        validate_checksum=False,
    )
    yield image.id
    nova.connections["admin"].image.delete_image(image.id)


def _rebuild(nova, server: str, image: str, version: str = "2.96", **values: object):
    answer = nova.act(server, "rebuild", {"imageRef": image, **values}, version=version)
    assert answer.status_code == 202, answer.text
    return answer.json()["server"]


def test_a_rebuilt_server_keeps_its_place_and_takes_another_image(nova, server, other) -> None:
    before = nova.get(f"/servers/{server}")["server"]
    shown = _rebuild(
        nova,
        server,
        other,
        name="rebuilt",
        metadata={"new": "yes"},
        adminPass="s3cret",
        accessIPv4="192.0.2.7",
        description="as new",
        hostname="rebuilt-host",
    )
    assert (shown["id"], shown["name"], shown["adminPass"]) == (server, "rebuilt", "s3cret")
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("REBUILD", "rebuilding")
    assert shown["image"]["id"] == other
    after = nova.settled(server)
    assert after["status"] == "ACTIVE"
    for kept in ("id", "addresses", "flavor", "created", "tenant_id", "key_name", "hostId"):
        assert after[kept] == before[kept], kept
    changed = {
        "name": "rebuilt",
        "metadata": {"new": "yes"},
        "accessIPv4": "192.0.2.7",
        "description": "as new",
        "OS-EXT-SRV-ATTR:hostname": "rebuilt-host",
    }
    assert {key: after[key] for key in changed} == changed
    assert after["image"]["id"] == other
    assert after["OS-SRV-USG:launched_at"] > before["OS-SRV-USG:launched_at"]
    events = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [event["action"] for event in events] == ["rebuild", "create"]


def test_a_stopped_server_is_stopped_after_its_rebuild(nova, server) -> None:
    nova.act(server, "os-stop")
    nova.settled(server)
    _rebuild(nova, server, nova.image)
    after = nova.settled(server)
    assert (after["status"], after["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    assert nova.act(server, "os-start").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"


def test_a_rebuild_mends_a_server_in_error(nova, server) -> None:
    nova.act(server, "os-resetState", {"state": "error"}, user="admin")
    _rebuild(nova, server, nova.image)
    assert nova.settled(server)["status"] == "ACTIVE"


def test_key_and_user_data_come_and_go(nova, server) -> None:
    nova.call("POST", "/os-keypairs", {"keypair": {"name": "mine", "public_key": PUBLIC_KEY}})
    data = base64.b64encode(b"#!/bin/sh").decode()
    shown = _rebuild(nova, server, nova.image, key_name="mine", user_data=data)
    assert (shown["key_name"], shown["user_data"]) == ("mine", data)
    nova.settled(server)
    shown = _rebuild(nova, server, nova.image, "2.60")
    assert (shown["key_name"], shown["user_data"]) == ("mine", data)
    nova.settled(server)
    shown = _rebuild(nova, server, nova.image, key_name=None, user_data=None)
    assert (shown["key_name"], shown["user_data"]) == (None, None)
    nova.settled(server)
    shown = _rebuild(nova, server, nova.image, "2.1")
    assert not {"key_name", "user_data", "locked", "tags"} & set(shown)
    nova.settled(server)
    nova.call("DELETE", "/os-keypairs/mine")


def test_what_makes_no_sense_is_refused_and_changes_nothing(nova, server) -> None:
    before = nova.get(f"/servers/{server}")["server"]
    large = nova.connections["admin"].image.create_image(
        name="large",
        disk_format="raw",
        container_format="bare",
        visibility="public",
        min_disk=2,
        data=b"\2" * 512,
        validate_checksum=False,
    )
    empty = nova.connections["admin"].image.create_image(
        name="empty", disk_format="raw", container_format="bare", visibility="public"
    )
    good = {"imageRef": nova.image}
    refused = (
        {},
        {"imageRef": ""},
        {"imageRef": "nonsense"},
        {"imageRef": str(uuid.uuid4())},
        {"imageRef": large.id},
        {"imageRef": empty.id},
        {**good, "name": ""},
        {**good, "name": "a" * 256},
        {**good, "unknown": 1},
        {**good, "key_name": "nobody's"},
        {**good, "user_data": "not base64!"},
        {**good, "accessIPv4": "nowhere"},
        {**good, "metadata": {"a": 1}},
        {**good, "preserve_ephemeral": "maybe"},
    )
    for value in refused:
        nova.refused(400, "POST", f"/servers/{server}/action", {"rebuild": value})
    many = {**good, "metadata": {str(i): "v" for i in range(129)}}
    nova.refused(403, "POST", f"/servers/{server}/action", {"rebuild": many})
    for version, field in (("2.18", "description"), ("2.53", "key_name"), ("2.56", "user_data")):
        body = {"rebuild": {**good, field: None}}
        nova.refused(400, "POST", f"/servers/{server}/action", body, version=version)
    nova.refused(404, "POST", f"/servers/{server}/action", {"rebuild": good}, user="stranger")
    nova.act(server, "pause")
    nova.settled(server)
    said = nova.refused(409, "POST", f"/servers/{server}/action", {"rebuild": good})
    assert said == f"Cannot 'rebuild' instance {server} while it is in vm_state paused"
    nova.act(server, "unpause")
    after = nova.settled(server)
    assert {**after, "updated": None} == {**before, "updated": None}
    for image in (large, empty):
        nova.connections["admin"].image.delete_image(image.id)


def test_deleting_a_server_while_it_is_rebuilt_leaves_nothing(nova) -> None:
    servers = [nova.launch(name="hurried") for _ in range(3)]
    for server in servers:
        _rebuild(nova, server, nova.image)
    nova.delete(*servers)
    for server in servers:
        assert not list(nova.connections["admin"].network.ports(device_id=server))


def test_cve_2017_16239_a_rebuild_asks_whether_the_host_will_do_and_claims_once(
    nova, server
) -> None:
    image = nova.connections["admin"].image.create_image(
        name="foreign",
        disk_format="raw",
        container_format="bare",
        visibility="public",
        data=b"\3" * 512,
        validate_checksum=False,
        hw_architecture="s390x",
    )

    def claimed() -> tuple[int, int]:
        found = nova.get("/os-hypervisors/detail", user="admin", version="2.87")["hypervisors"][0]
        return found["running_vms"], found["memory_mb_used"]

    before = claimed()
    body = {"rebuild": {"imageRef": image.id}}
    said = nova.refused(400, "POST", f"/servers/{server}/action", body)
    assert "No valid host was found" in said
    assert nova.get(f"/servers/{server}")["server"]["image"]["id"] == nova.image
    _rebuild(nova, server, nova.image)
    assert nova.settled(server)["status"] == "ACTIVE"
    assert claimed() == before
    nova.connections["admin"].image.delete_image(image.id)

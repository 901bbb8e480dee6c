"""Volumes of servers that do not run: stopped, paused, shelved, on no host at all; and PUT."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.nova import Nova

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def volume(nova: Nova) -> Iterator[str]:
    yield from _volume(nova, "data")


@pytest.fixture(scope="module")
def other(nova: Nova) -> Iterator[str]:
    yield from _volume(nova, "other")


def _volume(nova: Nova, name: str) -> Iterator[str]:
    storage = nova.connections["demo"].block_storage
    made = storage.create_volume(size=1, name=name)
    storage.wait_for_status(made, "available", interval=0.05, wait=30)
    yield str(made.id)
    nova.until(lambda: status(nova, made.id) == "available", "the volume is free")
    storage.delete_volume(made)


@pytest.fixture
def server(nova: Nova) -> Iterator[str]:
    made = nova.launch()
    yield made
    nova.delete(made)


def status(nova: Nova, volume: str) -> str:
    return str(nova.connections["demo"].block_storage.get_volume(volume).status)


def path(server: str, volume: str = "") -> str:
    return f"/servers/{server}/os-volume_attachments" + (f"/{volume}" if volume else "")


def attach(nova: Nova, server: str, volume: str, **values: Any) -> dict[str, Any]:
    version = values.pop("version", "2.96")
    body = {"volumeAttachment": {"volumeId": volume, **values}}
    answer = nova.call("POST", path(server), body, version=version)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["volumeAttachment"])


def into(nova: Nova, server: str, *actions: str) -> None:
    for action in actions:
        answer = nova.act(server, action)
        assert answer.status_code == 202, answer.text
        nova.settled(server)


@pytest.mark.parametrize("actions", [["os-stop"], ["pause"]], ids="-".join)
def test_a_volume_comes_and_goes_while_the_server_rests(
    nova: Nova, server: str, volume: str, actions: list[str]
) -> None:
    into(nova, server, *actions)
    assert attach(nova, server, volume)["device"] == "/dev/vdb"
    nova.until(lambda: status(nova, volume) == "in-use", "the volume is attached")
    assert nova.call("DELETE", path(server, volume)).status_code == 202
    nova.until(lambda: status(nova, volume) == "available", "the volume is detached")
    assert nova.get(path(server))["volumeAttachments"] == []


def test_a_server_on_no_host_keeps_a_volume_for_when_it_is_back(
    nova: Nova, server: str, volume: str
) -> None:
    into(nova, server, "shelve")
    assert nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    body = {"volumeAttachment": {"volumeId": volume}}
    for method, where, said in (
        ("POST", path(server), body),
        ("DELETE", path(server, volume), None),
    ):
        if method == "DELETE":
            attach(nova, server, volume)
        action = "attach_volume" if method == "POST" else "detach_volume"
        message = nova.refused(409, method, where, said, version="2.19")
        assert message == (
            f"Cannot '{action}' instance {server} while it is in vm_state shelved_offloaded"
        )
    assert status(nova, volume) == "in-use"
    into(nova, server, "unshelve")
    assert nova.settled(server)["status"] == "ACTIVE"
    assert status(nova, volume) == "in-use"
    assert nova.get(path(server))["volumeAttachments"][0]["volumeId"] == volume
    assert nova.call("DELETE", path(server, volume)).status_code == 202
    nova.until(lambda: status(nova, volume) == "available", "the volume is detached")


def test_a_server_on_no_host_gives_a_volume_back(nova: Nova, server: str, volume: str) -> None:
    into(nova, server, "shelve")
    tagged = {"volumeAttachment": {"volumeId": volume, "tag": "x"}}
    assert "shelved-offloaded" in nova.refused(400, "POST", path(server), tagged)
    attach(nova, server, volume)
    assert nova.call("DELETE", path(server, volume)).status_code == 202
    assert status(nova, volume) == "available"
    done = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert {"attach_volume", "detach_volume"} <= {entry["action"] for entry in done}


def test_a_deleted_shelved_server_lets_go_of_its_volume(nova: Nova, volume: str) -> None:
    server = nova.launch()
    into(nova, server, "shelve")
    attach(nova, server, volume)
    nova.delete(server)
    nova.until(lambda: status(nova, volume) == "available", "the volume is free")


def test_delete_on_termination_is_given_shown_and_changed(
    nova: Nova, server: str, volume: str
) -> None:
    body = {"volumeAttachment": {"volumeId": volume, "delete_on_termination": True}}
    nova.refused(400, "POST", path(server), body, version="2.78")
    shown = attach(nova, server, volume, delete_on_termination=True, tag="data")
    assert (shown["delete_on_termination"], shown["tag"]) == (True, "data")
    nova.until(lambda: status(nova, volume) == "in-use", "the volume is attached")
    change = {"volumeAttachment": {"volumeId": volume, "delete_on_termination": False}}
    nova.refused(
        403, "PUT", path(server, volume), {"volumeAttachment": {"volumeId": volume}}, version="2.84"
    )
    assert nova.call("PUT", path(server, volume), change, version="2.85").status_code == 202
    shown = nova.get(path(server, volume))["volumeAttachment"]
    assert shown["delete_on_termination"] is False
    for wrong in ({"device": "/dev/vdx"}, {"tag": "other"}, {"serverId": NOBODY}):
        said = {"volumeAttachment": {"volumeId": volume, **wrong}}
        nova.refused(400, "PUT", path(server, volume), said)
    assert nova.call("DELETE", path(server, volume)).status_code == 202
    nova.until(lambda: status(nova, volume) == "available", "the volume is detached")


def test_a_swap_by_hand_is_refused_as_nova_does(
    nova: Nova, server: str, volume: str, other: str
) -> None:
    attach(nova, server, volume)
    nova.until(lambda: status(nova, volume) == "in-use", "the volume is attached")
    swap = {"volumeAttachment": {"volumeId": other}}
    nova.refused(403, "PUT", path(server, volume), swap)
    for version in ("2.1", "2.84", "2.96"):
        message = nova.refused(
            409, "PUT", path(server, volume), swap, user="admin", version=version
        )
        assert "block storage service" in message
    nova.refused(404, "PUT", path(server, other), swap, user="admin", version="2.1")
    gone = {"volumeAttachment": {"volumeId": NOBODY}}
    nova.refused(400, "PUT", path(server, volume), gone, user="admin", version="2.1")
    assert status(nova, volume) == "in-use"
    assert status(nova, other) == "available"
    assert nova.call("DELETE", path(server, volume)).status_code == 202
    nova.until(lambda: status(nova, volume) == "available", "the volume is detached")

"""What becomes of images, shelved and rebuilt servers when a step fails or is overtaken."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.functional.failing import WANTED, Failing

pytest_plugins = ["tests.functional.failing"]
OPTIONS: dict[str, dict[str, object]] = {
    "compute": {"report_interval": 2, "sync_power_state_interval": 2},
    # Of which one receives an upload at a time.
    "image": {"threads": 3},
    "conductor": {"recovery_interval": 1, "lease_seconds": 3, "message_seconds": 3},
}


@pytest.fixture
def server(cloud: Failing) -> Iterator[str]:
    server_id = cloud.nova.launch(name="failing")
    yield server_id
    cloud.gates.clear()
    cloud.nova.delete(server_id)
    cloud.nothing_left(server_id)


@pytest.mark.parametrize("point", ["snapshot", "upload"])
@pytest.mark.parametrize("action", ["createImage", "createBackup"])
def test_an_image_that_cannot_be_made_is_not_there_and_the_server_goes_on(
    cloud: Failing, server: str, point: str, action: str
) -> None:
    cloud.gates.fail(point, WANTED)
    more = {"backup_type": "daily", "rotation": 1} if action == "createBackup" else {}
    cloud.act(server, action, {"name": "lost", **more})
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    assert cloud.images() == {}
    assert WANTED in cloud.last(server)


def delete_is_taken(cloud: Failing, server: str) -> bool:
    """Whether its host knows that the server is to be deleted."""
    query = "SELECT owner FROM work WHERE instance_uuid = :id AND action = 'delete'"
    return all(owner for (owner,) in cloud.books.ask("database", query, id=server))


@pytest.mark.parametrize("point", ["snapshot", "upload"])
def test_a_delete_in_the_middle_of_an_image_leaves_none(cloud: Failing, point: str) -> None:
    server = cloud.nova.launch(name="short-lived")
    with cloud.gates.hold(point) as reached:
        cloud.act(server, "createImage", {"name": "unfinished"})
        reached()
        assert cloud.images() == {"unfinished": "queued"}
        assert cloud.nova.call("DELETE", f"/servers/{server}").status_code == 204
        # An image that is whole before the host hears of the delete stays.
        cloud.nova.until(lambda: delete_is_taken(cloud, server), "the host has the delete")
    cloud.nova.until(lambda: cloud.images() == {}, "the image is gone")
    cloud.nothing_left(server)


def test_an_image_deleted_in_the_middle_stays_deleted(cloud: Failing, server: str) -> None:
    with cloud.gates.hold("upload") as reached:
        image_id = cloud.act(server, "createImage", {"name": "unwanted"})
        reached()
        cloud.nova.connections["demo"].image.delete_image(image_id)
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    assert cloud.images() == {}


def test_an_image_waits_until_the_image_service_has_room(cloud: Failing, server: str) -> None:
    service = cloud.nova.connections["demo"].image
    other = service.create_image(
        name="slow", disk_format="raw", container_format="bare", visibility="private"
    )
    release = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield bytes(1024)
        release.wait(30)
        yield bytes(1024)

    headers = {"X-Auth-Token": cloud.nova.tokens["demo"]}
    headers["Content-Type"] = "application/octet-stream"
    url = f"http://127.0.0.1:{cloud.ports['image']}/v2/images/{other.id}/file"
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(requests.put, url, data=slowly(), headers=headers, timeout=60)
        cloud.nova.until(
            lambda: cloud.images()["slow"] == "saving" or sending.done(), "the other upload runs"
        )
        assert not sending.done(), sending.result().text
        try:
            cloud.act(server, "createImage", {"name": "patient"})
            task = "OS-EXT-STS:task_state"
            cloud.nova.until(
                lambda: cloud.nova.get(f"/servers/{server}")["server"][task] == "image_uploading",
                "the host sends the image",
            )
            assert cloud.images()["patient"] == "queued"
        finally:
            release.set()
        assert sending.result().status_code == 204
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    assert cloud.images()["patient"] == "active"


@pytest.mark.parametrize("point", ["finish", "reply"])
def test_an_image_whose_end_is_not_heard_of_is_there_once(
    cloud: Failing, server: str, point: str
) -> None:
    cloud.gates.fail(point, WANTED, once=True)
    cloud.act(server, "createImage", {"name": "whole"})
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    assert cloud.images() == {"whole": "active"}


@pytest.mark.parametrize("point", ["snapshot", "upload"])
def test_a_server_that_cannot_be_shelved_runs_on(cloud: Failing, server: str, point: str) -> None:
    cloud.gates.fail(point, WANTED)
    cloud.act(server, "shelve")
    after = cloud.nova.settled(server)
    assert (after["status"], after["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert cloud.images() == {}
    assert WANTED in cloud.last(server)


@pytest.mark.parametrize("point", ["upload", "uploaded"])
def test_a_delete_in_the_middle_of_shelving_leaves_nothing(cloud: Failing, point: str) -> None:
    server = cloud.nova.launch(name="short-lived")
    with cloud.gates.hold(point) as reached:
        cloud.act(server, "shelve")
        reached()
        assert cloud.nova.call("DELETE", f"/servers/{server}").status_code == 204
    cloud.nova.until(lambda: cloud.images() == {}, "the image is gone")
    cloud.nothing_left(server)


@pytest.mark.parametrize("point", ["cache_image", "make_disks", "port", "spawn"])
def test_a_server_that_cannot_come_back_stays_shelved(
    cloud: Failing, server: str, point: str
) -> None:
    cloud.act(server, "shelve")
    assert cloud.nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    cloud.gates.fail(point, WANTED)
    cloud.act(server, "unshelve")
    assert cloud.nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    assert "claims" not in cloud.books.held_by(server)
    assert cloud.books.miscounted() == []
    assert server not in cloud.guests()
    assert cloud.images() == {"failing-shelved": "active"}
    cloud.gates.clear()
    cloud.act(server, "unshelve")
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    assert cloud.images() == {}


def test_without_a_host_a_server_stays_shelved(cloud: Failing, server: str) -> None:
    cloud.act(server, "shelve")
    cloud.nova.settled(server)
    path = "/os-services?binary=nova-compute"
    (service,) = cloud.nova.get(path, user="admin")["services"]

    def set_status(status: str) -> None:
        path = f"/os-services/{service['id']}"
        assert cloud.nova.call("PUT", path, {"status": status}, user="admin").status_code == 200

    set_status("disabled")
    try:
        cloud.act(server, "unshelve")
        assert cloud.nova.settled(server)["status"] == "SHELVED_OFFLOADED"
        assert "No valid host was found" in cloud.last(server)
    finally:
        set_status("enabled")
    cloud.act(server, "unshelve")
    assert cloud.nova.settled(server)["status"] == "ACTIVE"


@pytest.mark.parametrize("point", ["claimed", "spawn", "spawned"])
def test_a_delete_while_a_server_comes_back_leaves_nothing(cloud: Failing, point: str) -> None:
    server = cloud.nova.launch(name="short-lived")
    cloud.act(server, "shelve")
    cloud.nova.settled(server)
    with cloud.gates.hold(point) as reached:
        cloud.act(server, "unshelve")
        reached()
        assert cloud.nova.call("DELETE", f"/servers/{server}").status_code == 204
    cloud.nova.until(lambda: cloud.images() == {}, "the image is gone")
    cloud.nothing_left(server)


@pytest.mark.parametrize("point", ["clear", "make_disks", "spawn"])
def test_a_rebuild_that_fails_says_so_and_another_mends_it(
    cloud: Failing, server: str, point: str
) -> None:
    cloud.gates.fail(point, WANTED)
    cloud.act(server, "rebuild", {"imageRef": cloud.nova.image})
    after = cloud.nova.settled(server)
    assert after["status"] == "ERROR"
    assert WANTED in after["fault"]["message"]
    assert cloud.books.miscounted() == []
    cloud.gates.clear()
    cloud.act(server, "rebuild", {"imageRef": cloud.nova.image})
    assert cloud.nova.settled(server)["status"] == "ACTIVE"


@pytest.mark.parametrize("point", ["clear", "spawn"])
def test_a_delete_in_the_middle_of_a_rebuild_leaves_nothing(cloud: Failing, point: str) -> None:
    server = cloud.nova.launch(name="short-lived")
    with cloud.gates.hold(point) as reached:
        cloud.act(server, "rebuild", {"imageRef": cloud.nova.image})
        reached()
        assert cloud.nova.call("DELETE", f"/servers/{server}").status_code == 204
    cloud.nothing_left(server)

"""Images of servers, as their users make them; the disks are a fake hypervisor's."""

import datetime as dt
import uuid

import pytest
import requests

from tests.nova import Nova


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="imaged", metadata={"kept": "here"})
    yield server_id
    nova.delete(server_id)


@pytest.fixture
def images(nova):
    """The image service as demo sees it; what a test leaves there goes."""
    service = nova.connections["demo"].image
    before = {image.id for image in service.images()}
    yield service
    for image in service.images():
        if image.id not in before:
            service.delete_image(image.id)


def _create(nova: Nova, server: str, name: str = "copy", **values: object) -> str:
    answer = nova.act(server, "createImage", {"name": name, **values})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["image_id"])


def _active(nova: Nova, images, image_id: str):
    nova.until(lambda: images.get_image(image_id).status == "active", "the image is active")
    return images.get_image(image_id)


def test_an_image_wants_as_much_memory_as_its_servers_own(nova, images, server) -> None:
    admin = nova.connections["admin"].image
    admin.update_image(nova.image, min_ram=32)
    try:
        image_id = _create(nova, server, name="thirsty")
        assert images.get_image(image_id).min_ram == 32
        _active(nova, images, image_id)
        images.delete_image(image_id)
    finally:
        admin.update_image(nova.image, min_ram=0)


def test_an_image_of_a_running_server_boots_another(nova, images, server) -> None:
    image_id = _create(nova, server, metadata={"purpose": "test"})
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"
    image = _active(nova, images, image_id)
    shown = (image.name, image.disk_format, image.container_format, image.visibility)
    assert shown == ("copy", "qcow2", "bare", "private")
    assert (image.owner, image.min_disk) == (nova.project, 1)
    said = {
        "image_type": "snapshot",
        "instance_uuid": server,
        "base_image_ref": nova.image,
        "purpose": "test",
        "owner_id": nova.project,
    }
    record = images.get(f"/images/{image_id}").json()
    assert {key: record.get(key) for key in said} == said
    assert nova.settled(server)["status"] == "ACTIVE"
    events = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [event["action"] for event in events] == ["createImage", "create"]
    copy = nova.launch(name="from-copy", imageRef=image_id)
    assert nova.get(f"/servers/{copy}")["server"]["image"]["id"] == image_id
    nova.delete(copy)


@pytest.mark.parametrize(("leave", "status"), [("os-stop", "SHUTOFF"), ("pause", "PAUSED")])
def test_a_server_at_rest_can_be_imaged_and_stays_so(nova, images, server, leave, status) -> None:
    assert nova.act(server, leave).status_code == 202
    nova.settled(server)
    _active(nova, images, _create(nova, server))
    assert nova.settled(server)["status"] == status


def test_before_2_45_the_answer_says_where_the_image_is(nova, images, server) -> None:
    answer = nova.act(server, "createImage", {"name": "old"}, version="2.1")
    assert (answer.status_code, answer.content) == (202, b"")
    where = answer.headers["Location"]
    token = {"X-Auth-Token": nova.tokens["demo"]}
    image_id = where.rpartition("/images/")[2]
    assert _active(nova, images, image_id).name == "old"
    assert requests.get(where.replace("/images", "/v2/images"), headers=token).status_code == 200


def test_a_second_image_waits_for_the_first(nova, cloud, images, server) -> None:
    """Whoever is late is told so, and no image of his stays."""
    before = {image.id for image in images.images()}
    answers = [nova.act(server, "createImage", {"name": f"n{i}"}) for i in range(4)]
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {202, 409} and 202 in codes
    nova.settled(server)
    made = {answer.json()["image_id"] for answer in answers if answer.status_code == 202}
    assert {image.id for image in images.images()} - before == made


def test_what_cannot_be_imaged_leaves_no_image(nova, images, server) -> None:
    before = [image.id for image in images.images()]
    refused = (
        (400, {}),
        (400, {"name": ""}),
        (400, {"name": "x", "unknown": 1}),
        (400, {"name": "x", "metadata": {"owner": "me"}}),
        (400, {"name": "x", "metadata": {"a": 1}}),
        (403, {"name": "x", "metadata": {str(i): "v" for i in range(129)}}),
    )
    for status, value in refused:
        nova.refused(status, "POST", f"/servers/{server}/action", {"createImage": value})
    nova.refused(404, "POST", f"/servers/{uuid.uuid4()}/action", {"createImage": {"name": "x"}})
    body = {"createImage": {"name": "x"}}
    nova.refused(404, "POST", f"/servers/{server}/action", body, user="stranger")
    nova.refused(403, "POST", f"/servers/{server}/action", body, user="reader")
    nova.act(server, "os-resetState", {"state": "error"}, user="admin")
    said = nova.refused(409, "POST", f"/servers/{server}/action", body)
    assert said == f"Cannot 'createImage' instance {server} while it is in vm_state error"
    assert [image.id for image in images.images()] == before


def test_an_admins_image_of_a_users_server_is_shared_with_the_user(nova, images, server) -> None:
    answer = nova.act(server, "createImage", {"name": "rescue"}, user="admin")
    image_id = answer.json()["image_id"]
    image = _active(nova, images, image_id)
    assert image.visibility == "shared"
    assert image.owner != nova.project
    nova.settled(server)
    nova.connections["admin"].image.delete_image(image_id)


def test_deleting_the_server_meanwhile_leaves_no_image_without_data(nova, images) -> None:
    for _ in range(3):
        server = nova.launch(name="short-lived")
        image_id = _create(nova, server)
        nova.delete(server)
        left = [image.status for image in images.images() if image.id == image_id]
        assert left in ([], ["active"])


def test_deleting_the_image_meanwhile_lets_the_server_go_on(nova, images, server) -> None:
    image_id = _create(nova, server)
    images.delete_image(image_id)
    assert nova.settled(server)["status"] == "ACTIVE"
    assert image_id not in {image.id for image in images.images()}


def _backups(images, server: str, kind: str = "daily") -> list[str]:
    found = images.get(f"/images?instance_uuid={server}&backup_type={kind}").json()["images"]
    return [image["name"] for image in found]


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _back_up(nova, server: str, name: str, rotation: int, kind: str = "daily"):
    value = {"name": name, "backup_type": kind, "rotation": rotation}
    answer = nova.act(server, "createBackup", value)
    assert answer.status_code == 202, answer.text
    nova.settled(server)
    return answer


def test_backups_beyond_the_rotation_go_oldest_first(nova, images, server) -> None:
    for name in ("one", "two", "three"):
        answer = _back_up(nova, server, name, 2)
        made = images.get_image(answer.json()["image_id"])
        assert made.name == name
        # The image service orders by whole seconds.
        nova.until(lambda: _now() > made.created_at, "the next second")  # noqa: B023
    _back_up(nova, server, "other", 1, kind="weekly")
    assert _backups(images, server) == ["three", "two"]
    assert _backups(images, server, "weekly") == ["other"]
    answer = _back_up(nova, server, "none", 0)
    assert answer.content == b""
    assert _backups(images, server) == []
    value = {"name": "old", "backup_type": "daily", "rotation": "1"}
    assert _back_up(nova, server, "last", 1, "hourly") and _back_up(
        nova, server, "newest", 1, "hourly"
    )
    assert _backups(images, server, "hourly") == ["newest"]
    old = nova.act(server, "createBackup", value, version="2.1")
    assert images.get_image(old.headers["Location"].rpartition("/")[2]).name == "old"
    nova.settled(server)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x", "backup_type": "daily"},
        {"name": "x", "backup_type": "daily", "rotation": -1},
        {"name": "x", "backup_type": "daily", "rotation": "many"},
        {"name": "x", "backup_type": "daily", "rotation": 2**31},
        {"name": "", "backup_type": "daily", "rotation": 1},
        {"name": "x", "rotation": 1},
    ],
)
def test_an_unclear_backup_is_refused(nova, server, value) -> None:
    nova.refused(400, "POST", f"/servers/{server}/action", {"createBackup": value})

"""Rescuing a server, over HTTP."""

import uuid

import pytest


@pytest.fixture(scope="module")
def images(nova):
    """Name -> id of images to rescue with: `plain`, and `stable` ones that say how."""
    made = {}
    demo = nova.connections["demo"].image
    for name, properties in (
        ("plain", {}),
        ("stable", {"hw_rescue_bus": "virtio"}),
        ("odd", {"hw_rescue_device": "tape"}),
    ):
        image = demo.create_image(
            name=name,
            disk_format="raw",
            container_format="bare",
            data=b"\1" * 4096,
            validate_checksum=False,
            **properties,
        )
        made[name] = image.id
    yield made
    for image_id in made.values():
        demo.delete_image(image_id)


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="ill")
    yield server_id
    nova.act(server_id, "forceDelete", user="admin")


def console(nova, server_id: str) -> str:
    return nova.act(server_id, "os-getConsoleOutput", {}).json()["output"]


@pytest.mark.parametrize("image", [None, "plain", "stable"])
def test_a_server_is_rescued_and_comes_back(nova, server, images, image) -> None:
    wanted = {} if image is None else {"rescue_image_ref": images[image]}
    answer = nova.act(server, "rescue", wanted)
    assert answer.status_code == 200
    assert len(answer.json()["adminPass"]) == 12
    rescued = nova.settled(server)
    assert (rescued["status"], rescued["OS-EXT-STS:power_state"]) == ("RESCUE", 1)
    assert "rescue system is up" in console(nova, server)
    for action, value in (("reboot", {"type": "HARD"}), ("pause", None), ("os-stop", None)):
        assert nova.act(server, action, value).status_code == 409
    assert nova.act(server, "unrescue").status_code == 202
    back = nova.settled(server)
    assert (back["status"], back["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    actions = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == ["unrescue", "rescue", "create"]


def test_a_stopped_server_is_rescued_with_a_password_of_ones_own(nova, server) -> None:
    assert nova.act(server, "os-stop").status_code == 202
    nova.settled(server)
    answer = nova.act(server, "rescue", {"adminPass": "MySecret"})
    assert answer.json() == {"adminPass": "MySecret"}
    assert nova.settled(server)["status"] == "RESCUE"
    nova.act(server, "unrescue")
    assert nova.settled(server)["status"] == "ACTIVE"


def test_an_image_that_cannot_rescue_is_refused(nova, server, images) -> None:
    path, unknown = f"/servers/{server}/action", str(uuid.uuid4())
    said = nova.refused(400, "POST", path, {"rescue": {"rescue_image_ref": unknown}})
    assert said == f"Requested rescue image '{unknown}' is not supported"
    said = nova.refused(400, "POST", path, {"rescue": {"rescue_image_ref": images["odd"]}})
    assert "tape" in said
    for value in ({"rescue_image_ref": "x"}, {"adminPass": 1}, {"image": None}, "x"):
        nova.refused(400, "POST", path, {"rescue": value})
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"


def test_a_server_on_a_volume_is_rescued_from_2_87_and_stably(nova, images) -> None:
    device = {
        "uuid": nova.image,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": 0,
        "delete_on_termination": True,
    }
    server = nova.launch(name="on-a-volume", imageRef="", block_device_mapping_v2=[device])
    path, body = f"/servers/{server}/action", {"rescue": {"rescue_image_ref": images["stable"]}}
    said = nova.refused(400, "POST", path, body, version="2.86")
    assert said == (f"Instance {server} cannot be rescued: Cannot rescue a volume-backed instance")
    for value in ({}, {"rescue_image_ref": images["plain"]}):
        nova.refused(400, "POST", path, {"rescue": value})
    assert nova.call("POST", path, body).status_code == 200
    assert nova.settled(server)["status"] == "RESCUE"
    assert nova.act(server, "unrescue").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    nova.act(server, "forceDelete")

"""What becomes of a launch when one of its steps fails, or a delete comes in between.

Whatever goes wrong: the server says at which step, and holds nothing any more.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.failing import WANTED, Failing

pytest_plugins = ["tests.functional.failing"]
ROUNDS = 50
OPTIONS: dict[str, dict[str, object]] = {
    "quota": {"instances": 100, "cores": 100},
    "compute": {"report_interval": 2, "sync_power_state_interval": 2},
}
IMAGE = b"minova test image".ljust(1024 * 1024, b"\0")


@pytest.fixture
def volume(cloud: Failing) -> Iterator[str]:
    """A volume that nobody may use any more when the test ends."""
    storage = cloud.nova.connections["demo"].block_storage
    made = storage.create_volume(size=1, name="data")
    storage.wait_for_status(made, "available", interval=0.1, wait=30)
    yield str(made.id)
    storage.delete_volume(made.id, ignore_missing=False)


def with_volume(volume_id: str) -> list[dict[str, Any]]:
    return [
        {
            "source_type": "volume",
            "destination_type": "volume",
            "uuid": volume_id,
            "boot_index": None,
            "delete_on_termination": False,
        }
    ]


STEPS = [
    ("claim", "step 6"),
    ("cache_image", "step 12"),
    ("make_disks", "step 12"),
    ("port", "step 13"),
    ("spawn", "step 16"),
    ("spawned", "step 16"),
]


@pytest.mark.parametrize(("point", "step"), STEPS)
def test_a_step_that_fails_is_named_and_leaves_nothing(
    cloud: Failing, volume: str, point: str, step: str
) -> None:
    cloud.gates.fail(point, WANTED)
    server = cloud.post(block_device_mapping_v2=with_volume(volume))
    cloud.failed(server, step)
    cloud.nothing_left(server)
    assert cloud.volume_status(volume) == "available"
    cloud.gates.clear()
    cloud.nova.delete(server)
    again = cloud.nova.launch(block_device_mapping_v2=with_volume(volume))
    assert cloud.volume_status(volume) == "in-use"
    cloud.nova.delete(again)
    cloud.nothing_left(again)
    assert cloud.volume_status(volume) == "available"


def test_a_port_of_ones_own_is_kept_when_the_launch_fails(cloud: Failing) -> None:
    demo = cloud.nova.connections["demo"]
    port = demo.network.create_port(network_id=cloud.nova.network)
    cloud.gates.fail("spawn", WANTED)
    server = cloud.post(networks=[{"port": port.id}])
    cloud.failed(server, "step 16")
    cloud.nothing_left(server)
    assert demo.network.get_port(port.id).device_id == ""
    cloud.nova.delete(server)
    demo.network.delete_port(port.id)


def upload(cloud: Failing, name: str) -> str:
    """Another image of the project's own: nothing has it in its cache."""
    content = name.encode() + IMAGE
    image = cloud.nova.connections["demo"].image.create_image(
        name=name, data=content, disk_format="raw", container_format="bare", wait=True
    )
    return str(image.id)


def test_an_image_deleted_after_the_post_fails_the_launch(cloud: Failing) -> None:
    image = upload(cloud, "fleeting")
    with cloud.gates.hold("instance") as reached:
        server = cloud.post(imageRef=image)
        reached()
        cloud.nova.connections["demo"].image.delete_image(image)
    cloud.failed(server, "step 11", image)
    cloud.nothing_left(server)
    cloud.nova.delete(server)


def test_an_image_damaged_in_its_store_is_never_booted(cloud: Failing) -> None:
    image = upload(cloud, "damaged")
    (stored,) = (p for p in cloud.folder.rglob(f"*{image}*") if p.is_file() and "image" in str(p))
    with stored.open("r+b") as file:
        file.seek(4096)
        file.write(b"damage")
    server = cloud.post(imageRef=image)
    cloud.failed(server, "step 12")
    cloud.nothing_left(server)
    cloud.nova.delete(server)


def test_a_volume_whose_data_is_gone_fails_the_launch(cloud: Failing, volume: str) -> None:
    (stored,) = (p for p in cloud.folder.rglob(f"*{volume}*") if p.is_file())
    stored.rename(stored.with_suffix(".away"))
    server = cloud.post(block_device_mapping_v2=with_volume(volume))
    cloud.failed(server, "step 14")
    cloud.nothing_left(server)
    assert cloud.volume_status(volume) == "available"
    cloud.nova.delete(server)


def test_a_launch_whose_outcome_gets_no_answer_is_active_once(cloud: Failing) -> None:
    cloud.gates.fail("reply", "The answer is lost.", once=True)
    server = cloud.nova.launch()
    assert cloud.guests() >= {server}
    cloud.nova.delete(server)
    cloud.nothing_left(server)


def test_a_conductor_that_fails_once_does_not_fail_the_launch(cloud: Failing) -> None:
    cloud.gates.fail("finish", "Not now.", once=True)
    server = cloud.nova.launch()
    assert cloud.guests() >= {server}
    cloud.nova.delete(server)
    cloud.nothing_left(server)


def test_a_scheduler_that_fails_once_does_not_fail_the_launch(cloud: Failing) -> None:
    cloud.gates.fail("claim", "Not now.", once=True)
    server = cloud.nova.launch()
    cloud.nova.delete(server)
    cloud.nothing_left(server)


@pytest.mark.parametrize(
    "point", ["launch", "claim", "claimed", "instance", "make_disks", "port", "spawn", "finish"]
)
def test_a_delete_in_the_middle_of_a_build_leaves_nothing(
    cloud: Failing, volume: str, point: str
) -> None:
    with cloud.gates.hold(point) as reached:
        server = cloud.post(block_device_mapping_v2=with_volume(volume))
        reached()
        for _ in range(2):  # impatient people ask twice
            assert cloud.nova.call("DELETE", f"/servers/{server}").status_code in (204, 404)
    gone(cloud, server)
    cloud.nothing_left(server)
    assert cloud.volume_status(volume) == "available"


def test_a_server_is_deleted_from_every_state(cloud: Failing) -> None:
    for status in ("active", "error"):
        server = cloud.nova.launch()
        answer = cloud.nova.act(server, "os-resetState", {"state": status}, user="admin")
        assert answer.status_code == 202, answer.text
        cloud.nova.delete(server)
        cloud.nothing_left(server)
    server = cloud.nova.launch()
    assert cloud.nova.act(server, "os-stop").status_code == 202
    assert cloud.nova.settled(server)["status"] == "SHUTOFF"
    cloud.nova.delete(server)
    cloud.nothing_left(server)
    server = cloud.nova.launch()
    assert cloud.nova.act(server, "reboot", {"type": "HARD"}).status_code == 202
    cloud.nova.delete(server)
    cloud.nothing_left(server)


@pytest.fixture(scope="module")
def larger(running: Failing) -> str:
    compute = running.nova.connections["admin"].compute
    return str(compute.create_flavor(name="larger", ram=96, vcpus=1, disk=2).id)


@pytest.mark.parametrize("point", ["move", "migrate_out", "migrate_in", "finish"])
def test_a_delete_in_the_middle_of_a_resize_leaves_nothing(
    cloud: Failing, larger: str, point: str
) -> None:
    server = cloud.nova.launch()
    with cloud.gates.hold(point) as reached:
        assert cloud.nova.act(server, "resize", {"flavorRef": larger}).status_code == 202
        reached()
        assert cloud.nova.call("DELETE", f"/servers/{server}").status_code == 204
    gone(cloud, server)
    cloud.nothing_left(server)


@pytest.mark.parametrize("point", ["migrate_out", "migrate_in"])
def test_a_resize_that_fails_leaves_the_server_as_it_was(
    cloud: Failing, larger: str, point: str
) -> None:
    server = cloud.nova.launch()
    cloud.gates.fail(point, WANTED)
    assert cloud.nova.act(server, "resize", {"flavorRef": larger}).status_code == 202
    left = cloud.nova.settled(server)
    assert (left["status"], left["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert left["flavor"]["ram"] == 64
    (last, *_) = cloud.nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert WANTED in last["message"]
    assert len(cloud.books.held_by(server)["claims"]) == 1
    cloud.gates.clear()
    assert cloud.nova.act(server, "resize", {"flavorRef": larger}).status_code == 202
    assert cloud.nova.settled(server)["status"] == "VERIFY_RESIZE"
    cloud.nova.delete(server)
    cloud.nothing_left(server)


def test_an_interface_that_the_guest_does_not_take_leaves_no_port(cloud: Failing) -> None:
    server = cloud.nova.launch()
    cloud.gates.fail("attach_interface", WANTED)
    wanted = {"interfaceAttachment": {"net_id": cloud.nova.network}}
    answer = cloud.nova.call("POST", f"/servers/{server}/os-interface", wanted)
    assert answer.status_code == 500
    assert f"Failed to attach network adapter device to {server}" in answer.text
    assert len(cloud.books.held_by(server)["ports"]) == 1
    assert len(cloud.nova.get(f"/servers/{server}")["server"]["addresses"]["private"]) == 1
    cloud.nova.delete(server)
    cloud.nothing_left(server)


def test_a_guest_built_during_a_sweep_survives_it(cloud: Failing) -> None:
    """The sweep's list of instances is older than the guest it finds on the host."""
    with cloud.gates.hold("leftovers") as reached:
        reached()
        server = cloud.nova.launch()
    with cloud.gates.hold("leftovers") as reached:
        reached()
    assert server in cloud.guests()
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    cloud.nova.delete(server)


def test_creates_and_deletes_at_once_leave_no_row_and_no_port(cloud: Failing) -> None:
    servers: list[str] = []
    problems: list[object] = []

    def rounds(worker: int) -> None:
        try:
            for number in range(ROUNDS // 5):
                server = cloud.post(name=f"race-{worker}-{number}")
                servers.append(server)
                # Each round catches the build a little later.
                threading.Event().wait(0.01 * number * worker)
                answer = cloud.nova.call("DELETE", f"/servers/{server}")
                if answer.status_code != 204:
                    problems.append(answer.text)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=rounds, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for server in servers:
        gone(cloud, server)
        cloud.nothing_left(server)


def gone(cloud: Failing, server_id: str) -> None:
    cloud.nova.until(
        lambda: cloud.nova.call("GET", f"/servers/{server_id}").status_code == 404, "it is gone"
    )

"""Deletes and hard reboots do not wait for what is being done; and each step of that is seen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from minova.model import states
from tests.faults import Books, FaultyCloud
from tests.nova import Nova, furnish

SOON = 10.0
OPTIONS: dict[str, dict[str, object]] = {"quota": {"instances": 40}}


@dataclass
class Rig:
    cloud: FaultyCloud
    nova: Nova
    books: Books
    larger: str

    def begins(self, server_id: str, action: str, value: Any) -> None:
        answer = self.nova.act(server_id, action, value, version="2.90")
        assert answer.status_code in (200, 202), answer.text

    def task(self, server_id: str) -> str | None:
        server = self.nova.get(f"/servers/{server_id}")["server"]
        return server["OS-EXT-STS:task_state"]  # type: ignore[no-any-return]

    def waits_in(self, server_id: str, task: str) -> None:
        self.nova.until(lambda: self.task(server_id) == task, f"it is {task}")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    cloud = FaultyCloud(tmp_path_factory.mktemp("takeover"), options=OPTIONS)
    try:
        cloud.start()
        nova = furnish(cloud)
        flavor = nova.connections["admin"].compute.create_flavor(
            name="larger", ram=96, vcpus=1, disk=2
        )
        books = Books(cloud)
        yield Rig(cloud, nova, books, flavor.id)
        books.close()
    finally:
        cloud.stop()
    assert cloud.unexpected() == []


@pytest.fixture
def deaf(rig: Rig) -> Iterator[None]:
    """No guest hears its power button."""
    rig.cloud.gates.guests_are_deaf()
    yield
    rig.cloud.gates.clear()


# Action, its value and the task_state in which it waits for the guest, for up to a minute.
WAITING: list[tuple[str, Any, str]] = [
    ("os-stop", None, "powering-off"),
    ("reboot", {"type": "SOFT"}, "reboot_started"),
    ("shelve", None, "shelving"),
    ("rescue", {}, "rescuing"),
    ("resize", "LARGER", "resize_migrating"),
]


@pytest.mark.parametrize(("action", "value", "task"), WAITING, ids=lambda value: str(value))
def test_a_delete_does_not_wait_for_the_guest_to_shut_down(
    rig: Rig, deaf: None, action: str, value: Any, task: str
) -> None:
    server_id = rig.nova.launch(networks="none")
    rig.begins(server_id, action, {"flavorRef": rig.larger} if value == "LARGER" else value)
    rig.waits_in(server_id, task)
    began = time.monotonic()
    rig.nova.delete(server_id)
    assert time.monotonic() - began < SOON
    assert rig.books.held_by(server_id) == {}
    assert server_id not in rig.cloud.guests()


def test_a_server_is_deleted_while_every_worker_waits_for_a_guest(rig: Rig, deaf: None) -> None:
    servers = [rig.nova.launch(networks="none") for _ in range(18)]
    for server_id in servers[:17]:
        rig.begins(server_id, "os-stop", None)
    began = time.monotonic()
    rig.nova.delete(servers[17])
    assert time.monotonic() - began < SOON
    assert rig.task(servers[16]) == "powering-off"
    rig.nova.delete(*servers[:17])
    assert time.monotonic() - began < 2 * SOON


def test_a_hard_reboot_does_not_wait_for_a_soft_one(rig: Rig, deaf: None) -> None:
    server_id = rig.nova.launch(networks="none")
    rig.begins(server_id, "reboot", {"type": "SOFT"})
    rig.waits_in(server_id, "reboot_started")
    began = time.monotonic()
    rig.begins(server_id, "reboot", {"type": "HARD"})
    assert rig.nova.settled(server_id)["status"] == "ACTIVE"
    assert time.monotonic() - began < SOON
    assert "work" not in rig.books.held_by(server_id)
    done = rig.nova.get(f"/servers/{server_id}/os-instance-actions")["instanceActions"]
    assert [(a["action"], a["message"]) for a in done[:2]] == [
        ("reboot", None),
        ("reboot", "A reboot took the server over."),
    ]
    rig.nova.delete(server_id)


# What a client that asks all the time sees of each action: at this step, this task_state.
CHAINS: dict[str, tuple[str, Any, list[tuple[str, str]]]] = {
    "reboot": (
        "reboot",
        {"type": "SOFT"},
        [("take", "rebooting"), ("action", "reboot_pending"), ("reboot", "reboot_started")],
    ),
    "reboot_hard": (
        "reboot",
        {"type": "HARD"},
        [
            ("take", "rebooting_hard"),
            ("action", "reboot_pending_hard"),
            ("reboot", "reboot_started_hard"),
        ],
    ),
    "createImage": (
        "createImage",
        {"name": "copy"},
        [
            ("take", "image_snapshot_pending"),
            ("action", "image_snapshot"),
            ("snapshot", "image_pending_upload"),
            ("upload", "image_uploading"),
        ],
    ),
    "createBackup": (
        "createBackup",
        {"name": "backup", "backup_type": "daily", "rotation": 1},
        [
            ("action", "image_backup"),
            ("snapshot", "image_pending_upload"),
            ("upload", "image_uploading"),
        ],
    ),
    "rebuild": (
        "rebuild",
        {"imageRef": "IMAGE"},
        [
            ("action", "rebuilding"),
            ("clear", "rebuild_block_device_mapping"),
            ("spawn", "rebuild_spawning"),
        ],
    ),
    "shelve": (
        "shelve",
        None,
        [
            ("action", "shelving"),
            ("snapshot", "shelving_image_pending_upload"),
            ("upload", "shelving_image_uploading"),
            ("destroy", "shelving_offloading"),
        ],
    ),
    "unshelve": ("unshelve", None, [("make_disks", "unshelving"), ("spawn", "spawning")]),
    "resize": (
        "resize",
        {"flavorRef": "LARGER"},
        [
            ("move", "resize_prep"),
            ("migrate_out", "resize_migrating"),
            ("arriving", "resize_migrated"),
            ("migrate_in", "resize_finish"),
        ],
    ),
    "revertResize": ("revertResize", None, [("action", "resize_reverting")]),
}


def test_a_client_that_asks_sees_every_task_state(rig: Rig) -> None:
    names = {"IMAGE": rig.nova.image, "LARGER": rig.larger}
    server_id = rig.nova.launch(networks="none")
    for name, (action, value, steps) in CHAINS.items():
        assert [task for _, task in steps] == list(states.ACTIONS[name].tasks)
        asked = {k: names.get(v, v) for k, v in value.items()} if value else value
        holds = [rig.cloud.gates.hold(point) for point, _ in steps]
        arrived = [hold.__enter__() for hold in holds]
        rig.begins(server_id, action, asked)
        for hold, arrive, (point, task) in zip(holds, arrived, steps, strict=True):
            arrive()
            assert rig.task(server_id) == task, f"{name} at {point}"
            hold.__exit__(None, None, None)
        rig.nova.settled(server_id)
    rig.nova.delete(server_id)

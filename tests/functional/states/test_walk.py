"""The whole table of states and actions, over HTTP.

Every pair it allows is done, from a state that was reached by real actions,
and ends where the row says. Every other pair is refused in Nova's words and
changes nothing. The tests are driven by the table: a new row without a
request in `requests_of` fails them.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from minova.api.actions import LATER
from minova.model import states as s
from minova.model.states import ACTIONS
from tests.functional.states.requests_of import ADMIN, REQUESTS, UNASKED, WORDS, Subject

# From where ACTIVE is one action away, and which; and the way there.
HOME = {
    s.PAUSED: "unpause",
    s.SUSPENDED: "resume",
    s.STOPPED: "start",
    s.RESCUED: "unrescue",
    s.RESIZED: "revertResize",
    s.SOFT_DELETED: "restore",
    s.SHELVED: "unshelve",
    s.SHELVED_OFFLOADED: "unshelve",
    s.ERROR: "reboot_hard",
}
OUT = {
    s.ACTIVE: (),
    s.PAUSED: ("pause",),
    s.SUSPENDED: ("suspend",),
    s.STOPPED: ("stop",),
    s.RESCUED: ("rescue",),
    s.RESIZED: ("resize",),
    s.SOFT_DELETED: ("softDelete",),
    s.SHELVED: ("shelve",),
    s.SHELVED_OFFLOADED: ("shelve", "shelveOffload"),
    s.ERROR: ("to error",),
}
# These write the record alone, so any record will do.
RECORD_ONLY = ("lock", "unlock", "resetState")
DELETES = ("softDelete", "forceDelete")
# What has to be followed by others, as far as the state allows them.
FOLLOWED = {
    "attach_volume": ("swap_volume", "detach_volume"),
    "attach_interface": ("detach_interface",),
    "addSecurityGroup": ("removeSecurityGroup",),
}
FOLLOWERS = tuple(name for names in FOLLOWED.values() for name in names)
# Allowed by the table, and refused by one host that is up and by volumes that stay where they are.
EXCUSED = {"evacuate": (400, "is still in use"), "swap_volume": (409, "is not being migrated")}


class Records:
    """The core's database, to put servers into states and to see that nothing changed."""

    def __init__(self, cloud: Any) -> None:
        path = cloud.databases["database"].removeprefix("sqlite:///")
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)

    def close(self) -> None:
        self._db.close()

    def put(self, server: str, vm_state: str, task: str | None = None) -> None:
        self._db.execute(
            "UPDATE instances SET vm_state = ?, task_state = ? WHERE uuid = ?",
            (vm_state, task, server),
        )

    def is_idle(self, server: str) -> bool:
        """Whether nothing is in flight, without a task_state either."""
        query = "SELECT COUNT(*) FROM work WHERE instance_uuid = ?"
        return bool(self._db.execute(query, (server,)).fetchone() == (0,))

    def of(self, server: str) -> str:
        """All that is recorded of a server."""
        tables = (("instances", "uuid"), *((name, "instance_uuid") for name in _BESIDE))
        return json.dumps(
            [
                self._db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (server,)).fetchall()
                for table, column in tables
            ],
            default=str,
        )


_BESIDE = ("instance_actions", "work", "block_devices", "allocations", "migrations")


@pytest.fixture(scope="module")
def records(cloud) -> Iterator[Records]:
    with closing(Records(cloud)) as found:
        yield found


@pytest.fixture(scope="module")
def subject(nova) -> Iterator[Subject]:
    """A server with two volumes at hand; none is attached."""
    demo, admin = nova.connections["demo"], nova.connections["admin"]
    flavor = admin.compute.create_flavor(name="walked", ram=128, vcpus=1, disk=1)
    demo.network.create_security_group(name="walked")
    volumes = [demo.block_storage.create_volume(size=1) for _ in range(2)]
    for volume in volumes:
        demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    agent = demo.image.create_image(
        name="walked-from",
        disk_format="raw",
        container_format="bare",
        data=b"\3" * 4096,
        validate_checksum=False,
        hw_qemu_guest_agent="yes",
    )
    server = nova.launch(name="walker", imageRef=agent.id)
    yield Subject(nova, server, flavor.id, volumes[0].id, volumes[1].id)
    nova.act(server, "forceDelete", user="admin")
    for image in demo.image.images(name="walked"):
        demo.image.delete_image(image)
    admin.compute.delete_flavor(flavor)


def test_every_row_is_asked_for_and_none_is_left_for_later() -> None:
    assert set(ACTIONS) == set(REQUESTS) | set(UNASKED)
    assert not LATER, f"still to come: {sorted(LATER)}"


@pytest.mark.parametrize("vm_state", [state for state in s.VM_STATES if state != s.DELETED])
def test_what_a_state_does_not_allow_is_refused_and_changes_nothing(
    nova, subject, records, attached, vm_state
) -> None:
    forbidden = [name for name in REQUESTS if vm_state not in ACTIONS[name].vm_states]
    for name in forbidden:
        records.put(subject.server, vm_state)
        before = records.of(subject.server)
        said = refusal(attached.ask(name), name)
        word = WORDS.get(name, name)
        assert said == (
            f"Cannot '{word}' instance {subject.server} while it is in vm_state {vm_state}"
        )
        assert records.of(subject.server) == before, name


def test_what_a_busy_server_does_not_take_is_refused_and_changes_nothing(
    nova, subject, records, attached
) -> None:
    tasks = sorted({task for row in ACTIONS.values() for task in row.tasks})
    for number, (name, row) in enumerate((n, ACTIONS[n]) for n in REQUESTS):
        forbidden = [task for task in tasks if task not in row.task_states]
        vm_state = s.ACTIVE if s.ACTIVE in row.vm_states else sorted(map(str, row.vm_states))[0]
        for task in forbidden[number % 7 :: 7]:
            records.put(subject.server, vm_state, task)
            before = records.of(subject.server)
            said = refusal(attached.ask(name), name)
            word = WORDS.get(name, name)
            assert said == (
                f"Cannot '{word}' instance {subject.server} while it is in task_state {task}"
            )
            assert records.of(subject.server) == before, (name, task)


def test_a_locked_server_takes_only_what_the_table_says(nova, subject, records, attached) -> None:
    assert nova.act(subject.server, "lock").status_code == 202
    before = records.of(subject.server)
    for name in REQUESTS:
        row = ACTIONS[name]
        if row.lockable and name not in ADMIN:
            records.put(subject.server, s.ACTIVE)
            said = refusal(attached.ask(name), name)
            assert said == f"Instance {subject.server} is locked", name
    assert records.of(subject.server) == before
    assert nova.act(subject.server, "unlock").status_code == 202


@pytest.mark.parametrize("name", RECORD_ONLY)
def test_what_writes_the_record_alone_is_done_in_every_state(subject, records, name) -> None:
    for vm_state in s.VM_STATES:
        if vm_state == s.DELETED:
            continue
        records.put(subject.server, vm_state)
        answer = subject.ask(name)
        assert answer.status_code == 202, answer.text
        after = s.ACTIVE if name == "resetState" else vm_state
        assert state_of(subject) == (after, None)
    records.put(subject.server, s.ACTIVE)


def test_every_pair_the_table_allows_ends_where_it_says(subject, records) -> None:
    todo = {
        (name, str(vm_state))
        for name in REQUESTS
        if name not in (*RECORD_ONLY, *DELETES, *FOLLOWERS)
        for vm_state in OUT
        if vm_state in ACTIONS[name].vm_states
    }
    walker = Walker(subject, records, todo)
    while walker.todo:
        walker.go_on()
    walker.reach(s.ACTIVE)


@pytest.mark.parametrize("name", DELETES)
def test_a_server_is_deleted_from_every_state(nova, subject, records, name) -> None:
    body = nova.request(name="doomed", min_count=len(OUT), return_reservation_id=True)
    reservation = nova.call("POST", "/servers", body).json()["reservation_id"]
    found = nova.get(f"/servers?reservation_id={reservation}")["servers"]
    doomed = dict(zip(OUT, (server["id"] for server in found), strict=True))
    for vm_state, server in doomed.items():
        assert nova.settled(server)["status"] == "ACTIVE"
        walker = Walker(Subject(nova, server, subject.flavor, "", ""), records)
        walker.reach(vm_state)
        answer = walker.subject.ask(name)
        assert answer.status_code == (202 if name == "forceDelete" else 204), (
            vm_state,
            answer.text,
        )
    for vm_state, server in doomed.items():
        # Without a host there is nothing to keep.
        if name == "softDelete" and vm_state != s.SHELVED_OFFLOADED:
            assert nova.settled(server)["OS-EXT-STS:vm_state"] == s.SOFT_DELETED, vm_state
            assert nova.act(server, "forceDelete").status_code == 202
        nova.until(
            lambda server=server: nova.call("GET", f"/servers/{server}").status_code == 404,
            f"the server that was {vm_state} is gone",
        )
        assert not list(nova.connections["demo"].network.ports(device_id=server))


def test_a_server_that_is_gone_is_not_found(nova, subject) -> None:
    server = nova.launch(name="gone")
    nova.act(server, "forceDelete")
    nova.until(lambda: nova.call("GET", f"/servers/{server}").status_code == 404, "it is gone")
    gone = Subject(nova, server, subject.flavor, subject.attached, subject.spare)
    for name in REQUESTS:
        if name != "detach_interface":  # it would ask for a port first
            assert gone.ask(name).status_code == 404, name


@pytest.fixture
def attached(nova, subject, records) -> Iterator[Subject]:
    """The subject with a volume attached, idle and ACTIVE again afterwards."""
    path = f"/servers/{subject.server}/os-volume_attachments"
    body = {"volumeAttachment": {"volumeId": subject.attached}}
    assert nova.call("POST", path, body).status_code == 200
    nova.until(lambda: records.is_idle(subject.server), "it is attached")
    block = nova.connections["demo"].block_storage
    volume = block.get_volume(subject.attached)
    block.wait_for_status(volume, "in-use", interval=0.05, wait=30)
    yield subject
    records.put(subject.server, s.ACTIVE)
    assert nova.call("DELETE", f"{path}/{subject.attached}").status_code == 202
    block.wait_for_status(volume, "available", interval=0.05, wait=30)


class Walker:
    """Takes one server through the pairs of `todo`, from each state on to the next."""

    def __init__(
        self, subject: Subject, records: Records, todo: set[tuple[str, str]] | None = None
    ) -> None:
        self.subject, self.records, self.todo = subject, records, todo or set()
        self.state = self.resized_from = s.ACTIVE

    def go_on(self) -> None:
        """Do one more pair: one of this state, those first that do not leave it."""
        here = [name for name, state in self.todo if state == self.state]
        if not here:
            self.reach(min(state for _, state in self.todo))
            return
        name = min(here, key=lambda n: (self.end_of(n) != self.state, n))
        self.do(name)
        for follower in FOLLOWED.get(name, ()):
            if self.state in ACTIONS[follower].vm_states:
                self.do(follower)

    def reach(self, state: str) -> None:
        """Go to `state` by real actions."""
        while self.state not in (state, s.ACTIVE):
            self.do(HOME[self.state])
        if self.state != state:
            for name in OUT[state]:
                self.do(name)

    def do(self, name: str) -> None:
        """Ask for it here; it ends where the table says."""
        before = self.state
        self.todo.discard((name, before))
        if name == "to error":
            self.subject.nova.act(
                self.subject.server, "os-resetState", {"state": "error"}, user="admin"
            )
            self.state = s.ERROR
            return
        subject = self.subject
        if name in FOLLOWERS:  # what they name is what was just attached
            subject = replace(subject, attached=subject.spare, spare=subject.attached)
        answer = subject.ask(name)
        where = f"{name} from {before}: {answer.status_code} {answer.text}"
        if name in EXCUSED:
            status, words = EXCUSED[name]
            assert answer.status_code == status and words in answer.text, where
        elif ACTIONS[name].hosted and before == s.SHELVED_OFFLOADED:
            assert answer.status_code == 409 and "is not ready" in answer.text, where
        else:
            assert answer.status_code < 300, where
        self.state = self.end_of(name)
        if self.state == s.RESIZED and before != s.RESIZED:
            self.resized_from = before
        self.subject.nova.until(
            lambda: state_of(self.subject) == (self.state, None),
            f"{where} ends in {self.state}",
        )
        server = self.subject.server
        self.subject.nova.until(lambda: self.records.is_idle(server), f"{where} is done")

    def end_of(self, name: str) -> str:
        """The vm_state after an action that begins here."""
        if name in EXCUSED:
            return self.state
        if ACTIONS[name].otherwise is not None:
            return self.resized_from
        return ACTIONS[name].ends(self.state)


def refusal(answer: Any, name: str) -> str:
    assert answer.status_code == 409, (name, answer.status_code, answer.text)
    return str(answer.json()["conflictingRequest"]["message"])


def state_of(subject: Subject) -> tuple[str, str | None]:
    shown = subject.nova.get(f"/servers/{subject.server}")["server"]
    return shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]

"""What guests do by themselves, from the driver's event to the DB."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from minova.common import errors
from minova.compute.manager import InstanceLocks
from minova.compute.reconcile import Reconciler
from minova.db import allocations, instances, launches, states
from minova.db.engine import Database, migrate
from minova.model import states as s
from minova.model.instance import Instance, utcnow
from minova.virt.driver import Lifecycle, LifecycleEvent
from minova.virt.fake import FakeDriver, FakeHost
from tests.configuration import configure
from tests.contract.test_database import LEASE, a_host, an_instance, ctxt

__all__ = ["ctxt"]
WAIT = 10.0


class Conductor:
    """The conductor's methods that a reconciler calls, on the DB itself."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def host_instances(self, ctxt: Any, host: str) -> list[Instance]:
        return instances.of_host(self.db, host)

    def host_work(self, ctxt: Any, host: str) -> list[Any]:
        return []

    def instance_get(self, ctxt: Any, uuid: str) -> Instance:
        return instances.get(self.db, uuid)

    def power_state_changed(self, ctxt: Any, uuid: str, host: str, power_state: int) -> None:
        states.power_state_seen(self.db, uuid, host, power_state)


class Manager:
    """Who is busy with which instance."""

    def __init__(self) -> None:
        self.locks = InstanceLocks()

    def is_busy_with(self, uuid: str) -> bool:
        return self.locks.is_held(uuid)

    @contextmanager
    def alone_with(self, uuid: str) -> Iterator[None]:
        with self.locks.hold(uuid):
            yield


@dataclass
class Bench:
    """A host with one server, and its reconciler."""

    db: Database
    driver: FakeDriver
    manager: Manager
    reconciler: Reconciler
    instance: Instance

    def sees(self, power_state: int) -> None:
        """The hypervisor's guest is in this state now."""
        self.driver.host.guests[self.instance.uuid].power_state = power_state

    def reports(self, power_state: int) -> None:
        """As `sees`, and the hypervisor says so."""
        self.sees(power_state)
        kind = Lifecycle.STOPPED  # what it is called decides nothing
        self.reconciler.on_event(LifecycleEvent(self.instance.uuid, kind, power_state))

    def is_now(self, vm_state: str, power_state: int, task: str | None = None) -> None:
        with self.db.transaction() as connection:
            connection.execute(
                states._instances.update()
                .where(states._instances.c.uuid == self.instance.uuid)
                .values(vm_state=vm_state, power_state=power_state, task_state=task)
            )

    @property
    def state(self) -> tuple[str, int]:
        now = instances.get(self.db, self.instance.uuid)
        return now.vm_state, now.power_state


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    configure()
    url = f"sqlite:///{tmp_path_factory.mktemp('db')}/states.sqlite"
    migrate(url, "minova.db.migrations")
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def bench(db: Database, ctxt: Any) -> Bench:
    host = a_host(db)
    entered, entry = launches.create(db, ctxt, [an_instance(uuid.uuid4().hex)], lease_seconds=1)[0]
    assert allocations.claim(db, entered, entry, host, host, LEASE)
    states.finish(db, entry, None, launched_at=utcnow(), power_state=s.RUNNING)
    driver, manager = FakeDriver(FakeHost()), Manager()
    instance = instances.get(db, entered.uuid)
    driver.make_disks(instance, None)
    driver.spawn(instance, None, [], [], None)
    reconciler = Reconciler(driver, Conductor(db), manager, host)  # type: ignore[arg-type]
    return Bench(db, driver, manager, reconciler, instance)


@pytest.mark.parametrize(
    ("before", "seen", "after"),
    [
        *((*pair, vm_state) for pair, vm_state in s.SEEN.items()),
        (s.RESCUED, s.SHUTDOWN, s.RESCUED),
        (s.RESIZED, s.SHUTDOWN, s.RESIZED),
        (s.SUSPENDED, s.SHUTDOWN, s.SUSPENDED),
        (s.ERROR, s.SHUTDOWN, s.ERROR),
        (s.SHELVED, s.SHUTDOWN, s.SHELVED),
        (s.SOFT_DELETED, s.RUNNING, s.SOFT_DELETED),
    ],
)
def test_what_a_guest_does_by_itself_is_seen(bench: Bench, before: str, seen: int, after) -> None:
    bench.is_now(before, s.NOSTATE)
    bench.reports(seen)
    assert bench.state == (after, seen)


def test_what_was_missed_is_found_by_the_next_sweep(bench: Bench) -> None:
    bench.sees(s.SHUTDOWN)
    bench.reconciler.sweep()
    assert bench.state == (s.STOPPED, s.SHUTDOWN)


def test_our_own_pauses_and_suspends_stay(bench: Bench) -> None:
    for vm_state, power in ((s.PAUSED, s.POWER_PAUSED), (s.SUSPENDED, s.POWER_SUSPENDED)):
        bench.is_now(vm_state, power)
        bench.reports(power)
        bench.reconciler.sweep()
        bench.reconciler.at_start()
        assert bench.state == (vm_state, power)


def test_a_running_action_is_not_disturbed(bench: Bench) -> None:
    bench.is_now(s.ACTIVE, s.RUNNING, "suspending")
    bench.reports(s.POWER_PAUSED)
    bench.reconciler.sweep()
    assert bench.state == (s.ACTIVE, s.RUNNING)


def test_a_guest_that_stops_while_we_are_busy_with_it_is_seen_after(bench: Bench) -> None:
    with bench.manager.alone_with(bench.instance.uuid):
        bench.reports(s.SHUTDOWN)
        assert bench.state == (s.ACTIVE, s.RUNNING)
    end = time.monotonic() + WAIT
    while bench.state != (s.STOPPED, s.SHUTDOWN):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_another_hosts_news_of_a_server_that_moved_are_old(bench: Bench) -> None:
    assert not states.power_state_seen(bench.db, bench.instance.uuid, "elsewhere", s.SHUTDOWN)
    assert bench.state == (s.ACTIVE, s.RUNNING)
    assert not states.power_state_seen(bench.db, str(uuid.uuid4()), "elsewhere", s.SHUTDOWN)


@pytest.mark.parametrize(
    ("vm_state", "power", "after"),
    [
        (s.ACTIVE, s.RUNNING, (s.ACTIVE, s.RUNNING)),
        (s.RESCUED, s.RUNNING, (s.RESCUED, s.RUNNING)),
        (s.RESIZED, s.SHUTDOWN, (s.RESIZED, s.SHUTDOWN)),
        (s.STOPPED, s.SHUTDOWN, (s.STOPPED, s.SHUTDOWN)),
        (s.PAUSED, s.POWER_PAUSED, (s.STOPPED, s.SHUTDOWN)),
    ],
)
def test_after_a_reboot_of_the_host_what_ran_runs_again(
    bench: Bench, vm_state: str, power: int, after: tuple[str, int]
) -> None:
    bench.is_now(vm_state, power)
    bench.sees(s.SHUTDOWN)
    bench.reconciler.at_start()
    assert bench.state == after
    assert bench.driver.power_state(bench.instance) == after[1]


def test_a_guest_that_cannot_be_started_again_is_stopped(bench: Bench) -> None:
    bench.sees(s.SHUTDOWN)
    bench.driver.faults["power_on"] = errors.Unavailable("no")
    bench.reconciler.at_start()
    assert bench.state == (s.STOPPED, s.SHUTDOWN)

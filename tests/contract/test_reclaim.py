"""Servers that were deleted and kept: they go when their time is over, and no other does."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from oslo_config import cfg

from minova.conductor.reclaim import Reclaimer
from minova.db import instances, states
from minova.db.engine import Database
from minova.model import states as s
from minova.model.instance import Instance, utcnow
from tests.contract.test_database import LEASE, active, ctxt

__all__ = ["ctxt"]


class Compute:
    """Notes what is cast."""

    def __init__(self) -> None:
        self.cast: list[tuple[str, str]] = []

    def run(self, ctxt: Any, host: str, work_id: str) -> None:
        self.cast.append((host, work_id))


@pytest.fixture
def reclaimer(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reclaimer]:
    monkeypatch.setattr("minova.conductor.reclaim.ComputeAPI", Compute)
    cfg.CONF.set_override("reclaim_instance_interval", 100, "compute")
    yield Reclaimer(db)
    cfg.CONF.clear_override("reclaim_instance_interval", "compute")


def kept(db: Database, ctxt: Any, seconds: float) -> Instance:
    """An instance that was deleted `seconds` ago."""
    instance = active(db, ctxt)
    entry = states.begin(db, ctxt, instance.uuid, "softDelete", lease_seconds=LEASE)
    moment = utcnow() - dt.timedelta(seconds=seconds)
    states.finish(db, entry, None, power_state=s.SHUTDOWN, soft_deleted_at=moment)
    return instances.get(db, instance.uuid)


def test_what_was_kept_for_long_enough_is_deleted_once(db, ctxt, reclaimer) -> None:
    old, new, other = kept(db, ctxt, 101), kept(db, ctxt, 60), active(db, ctxt)
    instances.update(db, old.uuid, locked=True, locked_by="owner")
    for _ in range(2):
        reclaimer.sweep()
    ((host, work_id),) = reclaimer._compute.cast
    assert host == old.host and work_id
    assert instances.get(db, old.uuid).task_state == s.DELETING
    assert instances.get(db, new.uuid).vm_state == s.SOFT_DELETED
    assert instances.get(db, new.uuid).task_state is None
    assert instances.get(db, other.uuid).task_state is None


def test_what_is_being_restored_or_came_back_stays(db, ctxt, reclaimer) -> None:
    back, coming = kept(db, ctxt, 200), kept(db, ctxt, 200)
    states.begin(db, ctxt, coming.uuid, "restore", lease_seconds=LEASE)
    entry = states.begin(db, ctxt, back.uuid, "restore", lease_seconds=LEASE)
    states.finish(db, entry, None, soft_deleted_at=None)
    reclaimer.sweep()
    assert reclaimer._compute.cast == []


def test_a_soft_delete_ends_what_is_in_flight(db, ctxt) -> None:
    instance = active(db, ctxt)
    reboot = states.begin(db, ctxt, instance.uuid, "reboot", lease_seconds=LEASE)
    deletion = states.begin(db, ctxt, instance.uuid, "softDelete", lease_seconds=LEASE)
    states.finish(db, reboot, None, power_state=s.RUNNING)
    assert instances.get(db, instance.uuid).task_state == s.SOFT_DELETING
    states.finish(db, deletion, None, power_state=s.SHUTDOWN)
    states.finish(db, reboot, None, power_state=s.RUNNING)
    assert instances.get(db, instance.uuid).vm_state == s.SOFT_DELETED

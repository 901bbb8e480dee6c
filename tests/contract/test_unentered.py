"""Launches that are announced, and entered or cleared away: never both, on every database."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minova.common import errors
from minova.db import instances, launches, unentered
from minova.db.engine import Database
from tests.contract.test_database import LEASE, an_instance, ctxt

__all__ = ["ctxt"]


def is_entered(db: Database, uuid: str) -> bool:
    try:
        return instances.get(db, uuid).uuid == uuid
    except errors.NotFound:
        return False


@pytest.mark.parametrize("number", range(8))
def test_only_one_of_entering_and_clearing_away_has_the_launch(
    db: Database, ctxt: Any, number: int
) -> None:
    instance = an_instance(project=f"project-{number}")
    unentered.announce(db, [instance.uuid], -1)
    start = threading.Barrier(2)

    def enter() -> bool:
        start.wait()
        try:
            launches.create(db, ctxt, [instance], lease_seconds=LEASE, announced=True)
        except errors.Unavailable:
            return False
        return True

    def clear() -> bool:
        start.wait()
        return unentered.overdue(db, 60) == [instance.uuid]

    with ThreadPoolExecutor() as pool:
        entering, clearing = pool.submit(enter), pool.submit(clear)
    assert entering.result() != clearing.result()
    assert is_entered(db, instance.uuid) == entering.result()


def test_what_is_given_up_is_looked_at_later_and_by_one_conductor(db: Database, ctxt: Any) -> None:
    instance = an_instance()
    unentered.announce(db, [instance.uuid], 60)
    assert unentered.overdue(db, 60) == []
    unentered.give_up(db, [instance.uuid])
    assert unentered.overdue(db, 60) == []
    with pytest.raises(errors.Unavailable, match="took too long"):
        launches.create(db, ctxt, [instance], lease_seconds=LEASE, announced=True)
    assert not is_entered(db, instance.uuid)
    other = an_instance()
    unentered.announce(db, [other.uuid], -1)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: unentered.overdue(db, 60), range(4)))
    assert [uuid for each in found for uuid in each] == [other.uuid]
    unentered.forget(db, other.uuid)
    unentered.forget(db, instance.uuid)

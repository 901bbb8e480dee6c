"""Moves of instances on every database: quota, two claims, and every end they can have."""

import uuid
from typing import Any

import pytest

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import (
    aggregates,
    allocations,
    hosts,
    instances,
    launches,
    migration_list,
    moves,
    quotas,
    states,
    work,
)
from minova.db.engine import Database
from minova.model import migration as m
from minova.model import states as s
from minova.model.instance import Flavor, Instance
from minova.model.migration import Migration
from minova.model.work import Work
from tests.contract.test_database import LEASE, a_host, active, an_instance, node_of, together

LARGER = Flavor("2", "m2", 3, 256, 4)
OWNER = "nova-compute@somewhere/1"


@pytest.fixture
def ctxt() -> RequestContext:
    return RequestContext(user_id="u", project_id="p", roles=["member"], overwrite=False)


def begun(db: Database, ctxt: RequestContext, instance: Instance) -> Work:
    return states.begin(
        db,
        ctxt,
        instance.uuid,
        "resize",
        lease_seconds=LEASE,
        stage="schedule",
        within=moves.entered(ctxt, m.RESIZE, LARGER),
    )


def claimed(db: Database, instance: Instance, entry: Work, host: str) -> bool:
    move: Migration = entry.request["migration"]
    return allocations.claim_move(db, instance, entry, move, host, host, None, LEASE)


def resized(db: Database, ctxt: RequestContext, there: str | None = None) -> Instance:
    """An instance that is RESIZED, on its host or on `there`."""
    instance = active(db, ctxt)
    entry = begun(db, ctxt, instance)
    assert claimed(db, instance, entry, there or str(instance.host))
    states.finish(db, entry, None, power_state=s.RUNNING)
    return instances.get(db, instance.uuid)


def ended(db: Database, ctxt: RequestContext, instance: Instance, action: str, becomes: str) -> Any:
    entry = states.begin(
        db,
        ctxt,
        instance.uuid,
        action,
        lease_seconds=LEASE,
        within=moves.taken(becomes),
    )
    states.finish(db, entry, None, vm_state=s.ACTIVE)
    return instances.get(db, instance.uuid), entry


def used(db: Database, host: str) -> tuple[int, int, int]:
    node = node_of(db, host)
    return node.running_vms, node.vcpus_used, node.memory_mb_used


def status(db: Database, instance: Instance) -> str:
    filters = migration_list.Filters(equal={"instance_uuid": instance.uuid})
    (found, *_) = migration_list.migrations(db, filters, newest_first=True, limit=10)
    return found.status


def counted(db: Database, instance: Instance) -> dict[str, int]:
    with db.reading() as connection:
        return launches.usage(connection, instance.project_id)


def test_both_sizes_are_held_until_a_resize_is_confirmed(
    db: Database, ctxt: RequestContext
) -> None:
    instance = resized(db, ctxt)
    host = str(instance.host)
    assert (instance.vm_state, instance.flavor.id) == (s.RESIZED, "2")
    assert used(db, host) == (2, 1 + 3, 64 + 256)
    assert status(db, instance) == m.FINISHED
    after, entry = ended(db, ctxt, instance, "confirmResize", m.CONFIRMING)
    assert entry.host == host
    assert (after.flavor.id, used(db, host)) == ("2", (1, 3, 256))
    assert status(db, instance) == m.CONFIRMED


def test_a_revert_gives_the_larger_size_back(db: Database, ctxt: RequestContext) -> None:
    instance = resized(db, ctxt)
    host = str(instance.host)
    assert counted(db, instance) == {"instances": 1, "cores": 3, "ram": 256}
    after, _ = ended(db, ctxt, instance, "revertResize", m.REVERTING)
    assert (after.flavor.id, used(db, host)) == ("1", (1, 1, 64))
    assert counted(db, instance) == {"instances": 1, "cores": 1, "ram": 64}
    assert status(db, instance) == m.REVERTED


def test_a_move_to_another_host_takes_its_zone_along(db: Database, ctxt: RequestContext) -> None:
    there = a_host(db)
    zone = aggregates.create(db, f"zone-{there}", "mars")
    aggregates.add_host(db, zone.id, there)
    instance = resized(db, ctxt, there)
    assert (instance.host, instance.availability_zone) == (there, "mars")
    (source,) = [
        n.host for n in hosts.nodes(db) if instance.uuid in migration_list.leaving(db, n.host)
    ]
    assert used(db, there) == (1, 3, 256)
    assert used(db, source) == (1, 1, 64)
    after, _ = ended(db, ctxt, instance, "revertResize", m.REVERTING)
    assert (after.host, after.availability_zone) == (source, "nova")
    assert (used(db, there), used(db, source)) == ((0, 0, 0), (1, 1, 64))
    assert migration_list.leaving(db, source) == []


def test_a_move_that_no_host_has_room_for_changes_nothing(
    db: Database, ctxt: RequestContext
) -> None:
    instance = active(db, ctxt)
    entry = begun(db, ctxt, instance)
    small = a_host(db, vcpus=2)
    assert not claimed(db, instance, entry, small)
    assert used(db, small) == (0, 0, 0)
    states.fail(db, entry, None, code=400, message="No valid host.", vm_state=s.ACTIVE)
    after = instances.get(db, instance.uuid)
    assert (after.vm_state, after.task_state, after.flavor.id) == (s.ACTIVE, None, "1")
    assert (status(db, instance), after.fault) == (m.ERROR, None)
    assert counted(db, instance)["cores"] == 1


def test_only_one_of_two_ends_is_begun(db: Database, ctxt: RequestContext) -> None:
    instance = resized(db, ctxt)

    def end(number: int) -> Any:
        action, becomes = (("confirmResize", m.CONFIRMING), ("revertResize", m.REVERTING))[
            number % 2
        ]
        return ended(db, ctxt, instance, action, becomes)

    outcomes = together(6, end)
    refused = [o for o in outcomes if isinstance(o, errors.MinovaError)]
    assert len(refused) == 5
    assert all(isinstance(error, (errors.Invalid, errors.Conflict)) for error in refused)
    assert used(db, str(instance.host))[0] == 1


def test_two_resizes_at_once_do_not_exceed_the_quota(db: Database, ctxt: RequestContext) -> None:
    project = uuid.uuid4().hex
    wanted = [an_instance(project) for _ in range(4)]
    made = [launches.create(db, ctxt, [each], lease_seconds=LEASE)[0] for each in wanted]
    for instance, entry in made:
        host = a_host(db)
        assert allocations.claim(db, instance, entry, host, host, LEASE)
        states.finish(db, entry, None, launched_at=instance.created_at)
    # Four have a core each; two may have two more.
    quotas.set_limits(db, project, {"cores": 9})
    outcomes = together(4, lambda n: begun(db, ctxt, made[n][0]))
    assert sum(isinstance(o, errors.QuotaExceeded) for o in outcomes) == 2
    quotas.set_limits(db, project, {"cores": -1})
    quotas.set_limits(db, project, {"ram": 0}, "u")
    refused = next(n for n, o in enumerate(outcomes) if isinstance(o, errors.QuotaExceeded))
    with pytest.raises(errors.QuotaExceeded, match="ram"):
        begun(db, ctxt, made[refused][0])


def test_a_deleted_instance_has_no_open_migration(db: Database, ctxt: RequestContext) -> None:
    instance = resized(db, ctxt)
    entry = states.begin(db, ctxt, instance.uuid, "delete", lease_seconds=LEASE)
    assert states.finish(db, entry, None) == [instance.host]
    assert used(db, str(instance.host)) == (0, 0, 0)
    assert status(db, instance) == m.CONFIRMED


def test_a_move_passes_from_host_to_host_with_its_work(db: Database, ctxt: RequestContext) -> None:
    instance, there = active(db, ctxt), a_host(db)
    entry = begun(db, ctxt, instance)
    assert claimed(db, instance, entry, there)
    taken = work.take(db, entry.id, OWNER, LEASE, stage="host", host=str(instance.host))
    assert taken is not None
    passed = {
        "expected": ["resize_prep"],
        "task_state": "resize_migrated",
        "host": there,
        "node": there,
        "request": {"step": "arrive"},
        "message_seconds": LEASE,
    }
    with pytest.raises(errors.Conflict):
        moves.pass_on(db, taken, "another", **passed)
    moves.pass_on(db, taken, OWNER, **passed)
    assert instances.get(db, instance.uuid).host == there
    assert status(db, instance) == m.POST_MIGRATING
    arrived = work.take(db, entry.id, "nova-compute@there/1", LEASE, stage="host", host=there)
    assert arrived is not None
    assert (arrived.request["step"], arrived.request["migration"].dest_compute) == ("arrive", there)


def test_what_nobody_confirms_is_overdue(db: Database, ctxt: RequestContext) -> None:
    instance = resized(db, ctxt)
    assert instance.uuid not in migration_list.overdue(db, 60)
    assert instance.uuid in migration_list.overdue(db, -1)
    ended(db, ctxt, instance, "confirmResize", m.CONFIRMING)
    assert instance.uuid not in migration_list.overdue(db, -1)


def test_a_reset_keeps_what_the_record_says(db: Database, ctxt: RequestContext) -> None:
    finished, halfway = resized(db, ctxt), active(db, ctxt)
    entry = begun(db, ctxt, halfway)
    assert claimed(db, halfway, entry, str(halfway.host))
    for instance, cores in ((finished, 3), (halfway, 1)):
        states.reset(db, ctxt, instance.uuid, s.ACTIVE)
        assert used(db, str(instance.host))[:2] == (1, cores)
        assert counted(db, instance)["cores"] == cores
    assert [status(db, one) for one in (finished, halfway)] == [m.CONFIRMED, m.ERROR]

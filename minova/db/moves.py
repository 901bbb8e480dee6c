"""Migrations in the DB: how a resize or a cold migration begins, goes on and ends.

What concerns the instance as well is written by `db.states` in one
transaction with this: `entered` and `taken` go into its `begin`, `ended`
into its `finish` and `fail`.
"""

import functools
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import (
    actions,
    aggregates,
    allocations,
    launches,
    notices,
    quotas,
    tables,
    work,
)
from minova.db.engine import Database, retried
from minova.model import migration as status
from minova.model import states
from minova.model.instance import Flavor, Instance, utcnow
from minova.model.migration import Migration
from minova.model.work import Work

_migrations = tables.migrations
_instances = tables.instances
_flavors = tables.flavors
Row = dict[str, Any]


def entered(
    ctxt: RequestContext, kind: str, new_flavor: Flavor
) -> Callable[[sa.Connection, Instance], Row]:
    """For `states.begin`: the new migration, within the project's quota; errors.QuotaExceeded."""

    def enter(connection: sa.Connection, instance: Instance) -> Row:
        _check_quota(connection, instance, new_flavor)
        old_flavor = instance.flavor
        numbers = _numbers(connection, {old_flavor.id, new_flavor.id})
        migration = Migration(
            uuid=str(uuid.uuid4()),
            instance_uuid=instance.uuid,
            project_id=str(ctxt.project_id),
            user_id=str(ctxt.user_id),
            migration_type=kind,
            status=status.PRE_MIGRATING,
            source_compute=instance.host,
            source_node=instance.node,
            old_flavor=old_flavor,
            new_flavor=new_flavor,
            old_flavor_number=numbers.get(old_flavor.id, 0),
            new_flavor_number=numbers.get(new_flavor.id, 0),
            old_vm_state=instance.vm_state,
            created_at=utcnow(),
        )
        values = {name: value for name, value in vars(migration).items() if name != "id"}
        connection.execute(_migrations.insert(), values)
        # From now on both count, so that neither end of the move can exceed the quota.
        _count(connection, instance.uuid, old_flavor, new_flavor)
        return {"migration": migration}

    return enter


def taken(becomes: str) -> Callable[[sa.Connection, Instance], Row]:
    """For `states.begin`: the finished migration, to be confirmed or reverted; errors.Invalid.

    A confirmation is the work of the host it left, a revert of the one it is on.
    """

    def take(connection: sa.Connection, instance: Instance) -> Row:
        migration = _open(connection, instance.uuid)
        if migration is None or migration.status != status.FINISHED:
            raise errors.Invalid("Instance has not been resized.")
        _set_status(connection, migration.uuid, becomes)
        migration = replace(migration, status=becomes)
        found: Row = {"migration": migration}
        if becomes == status.CONFIRMING:
            found["host"] = migration.source_compute
        return found

    return take


@retried
def pass_on(
    db: Database,
    entry: Work,
    owner: str,
    *,
    expected: list[str | None],
    task_state: str,
    host: str,
    node: str | None,
    request: Row,
    message_seconds: float,
) -> None:
    """The move goes on at `host`: its work, and the instance, are that host's now.

    Raises errors.Conflict when the work is no longer `owner`'s, or the
    instance's task_state is none of `expected`.
    """
    column = _instances.c.task_state
    with db.transaction() as connection:
        with notices.changing(connection, entry.instance_uuid):
            moved = connection.execute(
                _instances.update()
                .where(
                    _instances.c.uuid == entry.instance_uuid,
                    _instances.c.deleted_at.is_(None),
                    sa.or_(*(column.is_(None) if e is None else column == e for e in expected)),
                )
                .values(task_state=task_state, host=host, node=node, updated_at=utcnow())
            )
        if not moved.rowcount or not work.owned(connection, entry.id, owner):
            raise errors.Conflict(
                f"Instance {entry.instance_uuid} is no longer in the state this action left it."
            )
        work.hand_over(
            connection,
            entry.id,
            stage="host",
            host=host,
            lease_seconds=message_seconds,
            request={**entry.request, **request},
        )
        followed(connection, entry.instance_uuid, task_state)
        if task_state == _ON_THE_WAY:
            notices.passed(connection, entry.id, entry.instance_uuid, task_state)


def followed(connection: sa.Connection, instance_uuid: str, task_state: str | None) -> None:
    """The instance has gone on to `task_state`; so has the migration that it belongs to."""
    becomes = _STATUS_OF.get(task_state)
    if becomes is not None:
        connection.execute(
            _migrations.update()
            .where(
                _migrations.c.instance_uuid == instance_uuid,
                _migrations.c.status.in_(_STATUS_OF.values()),
            )
            .values(status=becomes, updated_at=utcnow())
        )


_ON_THE_WAY = "resize_migrated"
_STATUS_OF: dict[str | None, str] = {
    "resize_migrating": status.MIGRATING,
    _ON_THE_WAY: status.POST_MIGRATING,
}


def ended(connection: sa.Connection, entry: Work, *, succeeded: bool) -> list[str]:
    """What the end of an action means for its migration and claims; hosts that keep remains."""
    if entry.action in ("delete", "forceDelete"):
        return _deleted(connection, entry.instance_uuid) if succeeded else []
    if entry.action == "softDelete" and succeeded:
        abandoned(connection, entry.instance_uuid)
        return []
    end = _ENDS.get((entry.action, succeeded))
    migration = _open(connection, entry.instance_uuid) if end is not None else None
    if end is not None and migration is not None:
        end(connection, migration)
    return []


def _open(connection: sa.Connection, instance_uuid: str) -> Migration | None:
    """The migration of an instance that has not ended, if there is one."""
    row = connection.execute(
        _migrations.select()
        .where(_migrations.c.instance_uuid == instance_uuid, _migrations.c.status.in_(status.OPEN))
        .order_by(_migrations.c.id.desc())
    ).first()
    return None if row is None else Migration(**row._mapping)


def _moved(connection: sa.Connection, migration: Migration) -> None:
    """Until it is confirmed, the larger of both sizes counts for the quota."""
    _set_status(connection, migration.uuid, status.FINISHED)
    _keep(connection, migration, back=False)


def _not_moved(connection: sa.Connection, migration: Migration) -> None:
    """It is on the host it was, as it was; or whatever is left of it is there."""
    _set_status(connection, migration.uuid, status.ERROR)
    allocations.settle_move(connection, migration.instance_uuid, back=True)
    _keep(connection, migration, back=True)
    _count(connection, migration.instance_uuid, migration.old_flavor)


def _confirmed(connection: sa.Connection, migration: Migration, to: str) -> None:
    _set_status(connection, migration.uuid, to)
    allocations.settle_move(connection, migration.instance_uuid, back=False)
    _keep(connection, migration, back=False)
    _count(connection, migration.instance_uuid, migration.new_flavor)


def _reverted(connection: sa.Connection, migration: Migration) -> None:
    _set_status(connection, migration.uuid, status.REVERTED)
    allocations.settle_move(connection, migration.instance_uuid, back=True)
    _keep(connection, migration, back=True)
    _count(connection, migration.instance_uuid, migration.old_flavor)


_ENDS: dict[tuple[str, bool], Callable[[sa.Connection, Migration], None]] = {
    ("resize", True): _moved,
    ("resize", False): _not_moved,
    ("migrate", True): _moved,
    ("migrate", False): _not_moved,
    ("confirmResize", True): functools.partial(_confirmed, to=status.CONFIRMED),
    ("confirmResize", False): functools.partial(_confirmed, to=status.ERROR),
    ("revertResize", True): _reverted,
    ("revertResize", False): _not_moved,
}


def _deleted(connection: sa.Connection, instance_uuid: str) -> list[str]:
    """The server is gone: nothing is open any more. The hosts that may keep something of it."""
    rows = connection.execute(
        _migrations.select().where(
            _migrations.c.instance_uuid == instance_uuid, _migrations.c.status.in_(status.OPEN)
        )
    ).all()
    for row in rows:
        confirmed = row.status in (status.FINISHED, status.CONFIRMING)
        _set_status(connection, row.uuid, status.CONFIRMED if confirmed else status.ERROR)
    hosts = {host for row in rows for host in (row.source_compute, row.dest_compute) if host}
    return sorted(hosts)


def abandoned(connection: sa.Connection, instance_uuid: str) -> None:
    """Its state was set to another in the middle: the instance stays what its record says."""
    migration = _open(connection, instance_uuid)
    if migration is None:
        return
    back = migration.status not in (status.FINISHED, status.CONFIRMING, status.REVERTING)
    _set_status(connection, migration.uuid, status.ERROR if back else status.CONFIRMED)
    allocations.settle_move(connection, instance_uuid, back=back)
    flavor = migration.old_flavor if back else migration.new_flavor
    _count(connection, instance_uuid, flavor)


def _keep(connection: sa.Connection, migration: Migration, *, back: bool) -> None:
    """The instance has one of the two flavors, and is on its host."""
    flavor = migration.old_flavor if back else migration.new_flavor
    host = migration.source_compute if back else migration.dest_compute
    node = migration.source_node if back else migration.dest_node
    values: Row = {"flavor": flavor, "flavor_id": flavor.id, "host": host, "node": node}
    if not migration.stays:
        values["availability_zone"] = aggregates.zone_of(connection, str(host))
    connection.execute(
        _instances.update().where(_instances.c.uuid == migration.instance_uuid).values(**values)
    )


def _count(connection: sa.Connection, instance_uuid: str, *flavors: Flavor) -> None:
    """What the instance counts for in its project's quota: the most of these."""
    connection.execute(
        _instances.update()
        .where(_instances.c.uuid == instance_uuid)
        .values(
            vcpus=max(flavor.vcpus for flavor in flavors),
            memory_mb=max(flavor.memory_mb for flavor in flavors),
        )
    )


def _set_status(connection: sa.Connection, migration_uuid: str, becomes: str) -> None:
    connection.execute(
        _migrations.update()
        .where(_migrations.c.uuid == migration_uuid)
        .values(status=becomes, updated_at=utcnow())
    )


def _numbers(connection: sa.Connection, flavor_ids: set[str]) -> dict[str, int]:
    rows = connection.execute(
        sa.select(_flavors.c.flavorid, _flavors.c.id).where(_flavors.c.flavorid.in_(flavor_ids))
    )
    return {row.flavorid: row.id for row in rows}


def _check_quota(connection: sa.Connection, instance: Instance, new: Flavor) -> None:
    """Only what the new flavor has more of is asked for."""
    more = {
        "cores": new.vcpus - instance.flavor.vcpus,
        "ram": new.memory_mb - instance.flavor.memory_mb,
    }
    wanted = {resource: amount for resource, amount in more.items() if amount > 0}
    if not wanted:
        return
    project, user = instance.project_id, instance.user_id
    quotas.lock_project(connection, project)
    limits, own = quotas.limits_of_both(connection, project, user)
    _check_within(wanted, limits, launches.usage(connection, project))
    if own != limits:
        _check_within(wanted, own, launches.usage(connection, project, user))


def _check_within(wanted: dict[str, int], limits: dict[str, int], used: dict[str, int]) -> None:
    over = [r for r, amount in wanted.items() if 0 <= limits[r] < used[r] + amount]
    if over:
        raise errors.QuotaExceeded(
            resource=", ".join(over),
            requested=", ".join(str(wanted[r]) for r in over),
            used=", ".join(str(used[r]) for r in over),
            limit=", ".join(str(limits[r]) for r in over),
        )


@retried
def refused(
    db: Database,
    ctxt: RequestContext,
    instance: Instance,
    action: str,
    *,
    kind: str,
    message: str,
    word: str,
    fault: bool = False,
) -> None:
    """Record a move that no host can have: its action, its migration in `error`.

    With `fault` the instance is in ERROR then. Raises errors.Conflict when its
    state does not allow the action in the first place.
    """
    flavor = instance.flavor
    with db.transaction() as connection:
        locked = connection.execute(
            _instances.update()
            .where(
                _instances.c.uuid == instance.uuid,
                _instances.c.vm_state == instance.vm_state,
                _instances.c.deleted_at.is_(None),
            )
            .values(updated_at=utcnow())
        )
        if not locked.rowcount:
            raise errors.Conflict(f"Cannot '{word}' instance {instance.uuid}; try again.")
        number = _numbers(connection, {flavor.id}).get(flavor.id, 0)
        connection.execute(
            _migrations.insert().values(
                uuid=str(uuid.uuid4()),
                instance_uuid=instance.uuid,
                project_id=str(ctxt.project_id),
                user_id=str(ctxt.user_id),
                migration_type=kind,
                status=status.ERROR,
                source_compute=instance.host,
                source_node=instance.node,
                old_flavor=flavor,
                new_flavor=flavor,
                old_flavor_number=number,
                new_flavor_number=number,
                old_vm_state=instance.vm_state,
                created_at=utcnow(),
                updated_at=utcnow(),
            )
        )
        actions.finish(connection, actions.start(connection, ctxt, instance.uuid, action), message)
        if fault:
            _end_in_error(connection, instance.uuid, message)


def _end_in_error(connection: sa.Connection, instance_uuid: str, message: str) -> None:
    """Whatever else was being done to it, nobody will finish."""
    for action_id in work.end_all(connection, instance_uuid):
        actions.finish(connection, action_id, message)
    abandoned(connection, instance_uuid)
    with notices.changing(connection, instance_uuid):
        connection.execute(
            _instances.update()
            .where(_instances.c.uuid == instance_uuid)
            .values(vm_state=states.ERROR, task_state=None)
        )
    connection.execute(
        tables.instance_faults.insert().values(
            instance_uuid=instance_uuid,
            code=500,
            message=message[:255],
            details="",
            created_at=utcnow(),
        )
    )

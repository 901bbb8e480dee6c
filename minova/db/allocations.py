"""Claims: an instance's share of a host, taken and given back atomically.

The claim is one conditional UPDATE of the host's counters, so that two
schedulers can never overcommit, whatever they read before.
"""

from dataclasses import replace

import sqlalchemy as sa

from minova.db import notices, server_groups, tables, work
from minova.db.engine import Database, retried
from minova.model import migration as migrations
from minova.model import states
from minova.model.instance import Flavor, Instance, utcnow
from minova.model.migration import Migration
from minova.model.work import Work

_allocations = tables.allocations
_nodes = tables.compute_nodes
_instances = tables.instances
_AMOUNTS = ("vcpus", "memory_mb", "disk_gb")
# What a claim is for: the instance where it is or goes, or the place a migration keeps for it.
INSTANCE, MIGRATION = "instance", "migration"
# Only an instance launched with this hint can be in a server group.
_GROUP_HINT = "group"


@retried
def claim(
    db: Database,
    instance: Instance,
    entry: Work,
    host: str,
    node: str,
    message_seconds: float,
    *,
    zone: str | None = None,
) -> bool:
    """Take the flavor's share of `host`, in `zone`, for a launch; hand the work to its compute.

    False when the host has no room by now, the instance's server group does not
    allow it there, it is being deleted, or another scheduler has placed it:
    nothing changed then.
    """
    try:
        with db.transaction() as connection:
            # The instance first, as everywhere: so nobody waits for the other's second lock. Of two
            # schedulers one waits here, and sees at the work that it is late.
            placed = connection.execute(
                _instances.update()
                .where(
                    _instances.c.uuid == instance.uuid,
                    _instances.c.task_state == states.ACTIONS[entry.action].tasks[0],
                    _instances.c.deleted_at.is_(None),
                )
                .values(host=host, node=node, availability_zone=zone, updated_at=utcnow())
            )
            if not placed.rowcount or not work.hand_over(
                connection,
                entry.id,
                stage="host",
                host=host,
                lease_seconds=message_seconds,
                expected="schedule",
            ):
                raise _Refused
            if _GROUP_HINT in instance.scheduler_hints and server_groups.refusal_at_claim(
                connection, instance.uuid, host
            ):
                raise _Refused
            release(connection, instance.uuid)
            _take(connection, instance.uuid, instance.flavor, host)
    except _Refused:
        return False
    return True


@retried
def claim_move(
    db: Database,
    instance: Instance,
    entry: Work,
    migration: Migration,
    host: str,
    node: str,
    address: str | None,
    message_seconds: float,
) -> bool:
    """Take the new flavor's share of `host` for a move, besides what the instance has.

    The work goes to the host it leaves. False, and nothing changed, when the
    host has no room by now, the instance's server group does not allow it
    there, or it is being deleted.
    """
    uuid = instance.uuid
    placed = replace(
        migration,
        status=migrations.MIGRATING,
        dest_compute=host,
        dest_node=node,
        dest_host=address,
        updated_at=utcnow(),
    )
    try:
        with db.transaction() as connection:
            kept = connection.execute(
                _instances.update()
                .where(
                    _instances.c.uuid == uuid,
                    _instances.c.task_state == "resize_prep",
                    _instances.c.deleted_at.is_(None),
                )
                .values(updated_at=utcnow())
            )
            if not kept.rowcount or not work.hand_over(
                connection,
                entry.id,
                stage="host",
                host=migration.source_compute,
                lease_seconds=message_seconds,
                request={**entry.request, "migration": placed},
                expected="schedule",
            ):
                raise _Refused
            if _GROUP_HINT in instance.scheduler_hints and server_groups.refusal_at_claim(
                connection, uuid, host
            ):
                raise _Refused
            _drop(connection, uuid, MIGRATION)
            connection.execute(_of(_allocations.update(), uuid).values(purpose=MIGRATION))
            _take(connection, uuid, migration.new_flavor, host)
            connection.execute(
                tables.migrations.update()
                .where(tables.migrations.c.uuid == migration.uuid)
                .values(
                    status=placed.status,
                    dest_compute=host,
                    dest_node=node,
                    dest_host=address,
                    updated_at=placed.updated_at,
                )
            )
            notices.placed(connection, entry.id, uuid)
    except _Refused:
        return False
    return True


def settle_move(connection: sa.Connection, instance_uuid: str, *, back: bool) -> None:
    """Keep one of the two claims of a move: that of where it began if `back`. Idempotent."""
    old = connection.execute(
        sa.select(_allocations.c.host).where(
            _allocations.c.instance_uuid == instance_uuid, _allocations.c.purpose == MIGRATION
        )
    ).first()
    if old is None:
        return
    _drop(connection, instance_uuid, INSTANCE if back else MIGRATION)
    connection.execute(_of(_allocations.update(), instance_uuid).values(purpose=INSTANCE))


class _Refused(Exception):
    """Rolls the claim's transaction back."""


def _take(connection: sa.Connection, uuid: str, flavor: Flavor, host: str) -> None:
    amounts = _amounts(flavor)
    room = [
        _nodes.c[f"{name}_used"] + amount <= _nodes.c[f"{name}_limit"]
        for name, amount in amounts.items()
        if amount
    ]
    taken = connection.execute(
        _nodes.update()
        .where(_nodes.c.host == host, *room)
        .values(
            running_vms=_nodes.c.running_vms + 1,
            **{f"{name}_used": _nodes.c[f"{name}_used"] + a for name, a in amounts.items()},
        )
    )
    if not taken.rowcount:
        raise _Refused
    connection.execute(
        _allocations.insert(),
        {"instance_uuid": uuid, "purpose": INSTANCE, "host": host, **amounts},
    )


def _amounts(flavor: Flavor) -> dict[str, int]:
    return {"vcpus": flavor.vcpus, "memory_mb": flavor.memory_mb, "disk_gb": flavor.disk_gb}


def release(connection: sa.Connection, instance_uuid: str) -> None:
    """Give back all that the instance holds, in the caller's transaction. Idempotent."""
    held = connection.execute(
        sa.select(_allocations.c.purpose).where(_allocations.c.instance_uuid == instance_uuid)
    )
    for purpose in held.scalars().all():
        _drop(connection, instance_uuid, purpose)


def _drop(connection: sa.Connection, instance_uuid: str, purpose: str) -> None:
    mine = (_allocations.c.instance_uuid == instance_uuid, _allocations.c.purpose == purpose)
    held = connection.execute(_allocations.select().where(*mine)).first()
    # Whoever deletes it counts it off; another may have.
    if held is not None and connection.execute(_allocations.delete().where(*mine)).rowcount:
        connection.execute(
            _nodes.update()
            .where(_nodes.c.host == held.host)
            .values(
                running_vms=_nodes.c.running_vms - 1,
                **{f"{n}_used": _nodes.c[f"{n}_used"] - getattr(held, n) for n in _AMOUNTS},
            )
        )


def _of(statement: sa.Update, instance_uuid: str) -> sa.Update:
    return statement.where(_allocations.c.instance_uuid == instance_uuid)

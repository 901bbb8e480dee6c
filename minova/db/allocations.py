"""Claims: an instance's share of a host, taken and given back atomically.

The claim is one conditional UPDATE of the host's counters, so that two
schedulers can never overcommit, whatever they read before.
"""

import sqlalchemy as sa

from minova.db import tables, work
from minova.db.engine import Database, retried
from minova.model import states
from minova.model.instance import Flavor, Instance, utcnow
from minova.model.work import Work

_allocations = tables.allocations
_nodes = tables.compute_nodes
_instances = tables.instances
_AMOUNTS = ("vcpus", "memory_mb", "disk_gb")


@retried
def claim(
    db: Database, instance: Instance, entry: Work, host: str, node: str, message_seconds: float
) -> bool:
    """Take the flavor's share of `host` for a launch, and hand the work to its compute.

    False when the host has no room by now, the instance is being deleted, or
    another scheduler has placed it: nothing changed then.
    """
    try:
        with db.transaction() as connection:
            # The instance first, as everywhere: so nobody waits for the other's second lock. Of two
            # schedulers one waits here, and sees at the work that it is late.
            placed = connection.execute(
                _instances.update()
                .where(
                    _instances.c.uuid == instance.uuid,
                    _instances.c.task_state == states.SCHEDULING,
                    _instances.c.deleted_at.is_(None),
                )
                .values(host=host, node=node, updated_at=utcnow())
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
            _take(connection, instance.uuid, instance.flavor, host)
    except _Refused:
        return False
    return True


class _Refused(Exception):
    """Rolls the claim's transaction back."""


def _take(connection: sa.Connection, uuid: str, flavor: Flavor, host: str) -> None:
    release(connection, uuid)
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
    connection.execute(_allocations.insert(), {"instance_uuid": uuid, "host": host, **amounts})


def _amounts(flavor: Flavor) -> dict[str, int]:
    return {"vcpus": flavor.vcpus, "memory_mb": flavor.memory_mb, "disk_gb": flavor.disk_gb}


def release(connection: sa.Connection, instance_uuid: str) -> None:
    """Give back what the instance holds, in the caller's transaction. Idempotent."""
    held = connection.execute(
        _allocations.select().where(_allocations.c.instance_uuid == instance_uuid)
    ).first()
    if held is None:
        return
    removed = connection.execute(
        _allocations.delete().where(_allocations.c.instance_uuid == instance_uuid)
    )
    if removed.rowcount:
        connection.execute(
            _nodes.update()
            .where(_nodes.c.host == held.host)
            .values(
                running_vms=_nodes.c.running_vms - 1,
                **{f"{n}_used": _nodes.c[f"{n}_used"] - getattr(held, n) for n in _AMOUNTS},
            )
        )

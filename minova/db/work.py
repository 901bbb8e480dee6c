"""Work in flight: who owns it, and until when.

A message can die with the process that took it, so the row here is the
truth of a launch or an action. Whoever works on it takes it (`take`) and
renews its lease (`renew`) while alive; the row goes when the action's
outcome is written (`db.states`). When the lease runs out, `expired` shows
it to the conductor's recovery.
"""

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from minova.common import tracing
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow
from minova.model.work import Work

_work = tables.work
_BY_ID = _work.select().where(_work.c.id == sa.bindparam("id"))
_OWNER = sa.select(_work.c.owner).where(_work.c.id == sa.bindparam("id"))


def _work_of(row: sa.Row[Any]) -> Work:
    return Work(**row._mapping)


def add(
    connection: sa.Connection,
    *,
    instance_uuid: str,
    action: str,
    stage: str,
    host: str | None,
    context: dict[str, Any],
    request: dict[str, Any],
    action_id: int | None,
    lease_seconds: float,
) -> Work:
    """Put new, unowned work into the caller's transaction.

    The lease counts from now: if no message reaches anybody within
    `lease_seconds`, recovery takes the work up.
    """
    now = utcnow()
    entry = Work(
        id=str(uuid.uuid4()),
        instance_uuid=instance_uuid,
        action=action,
        stage=stage,
        host=host,
        owner=None,
        lease_until=now + dt.timedelta(seconds=lease_seconds),
        attempts=0,
        request=request,
        context={**context, "trace": tracing.carrier()},
        action_id=action_id,
        created_at=now,
    )
    connection.execute(_work.insert(), vars(entry))
    return entry


@retried
def take(
    db: Database,
    work_id: str,
    owner: str,
    lease_seconds: float,
    *,
    stage: str | None = None,
    host: str | None = None,
) -> Work | None:
    """Own the work, if nobody else does or the other's lease ran out; else None.

    With `stage` and `host`, only work that stands there: a message may be
    late, and the work meanwhile another's. An earlier incarnation of the same
    service on the same host is dead for sure, so its work is free at once.
    Taking again what one owns renews the lease. Each change of owner counts
    as an attempt.
    """
    now = utcnow()
    free = sa.or_(_work.c.owner.is_(None), _of_service(owner), _work.c.lease_until < now)
    if stage is not None:
        free = sa.and_(free, _work.c.stage == stage)
    if host is not None:
        free = sa.and_(free, _work.c.host == host)
    again = sa.case((_work.c.owner == owner, _work.c.attempts), else_=_work.c.attempts + 1)
    with db.transaction() as connection:
        taken = connection.execute(
            _work.update()
            .where(_work.c.id == work_id, free)
            # In this order: MariaDB counts with the owner as already set.
            .ordered_values(
                (_work.c.attempts, again),
                (_work.c.owner, owner),
                (_work.c.lease_until, now + dt.timedelta(seconds=lease_seconds)),
            )
        )
        if not taken.rowcount:
            return None
        return _work_of(connection.execute(_BY_ID, {"id": work_id}).one())


@retried
def renew(db: Database, owner: str, ids: list[str], lease_seconds: float) -> int:
    """Prolong the leases of these that `owner` holds; how many that was."""
    if not ids:
        return 0
    until = utcnow() + dt.timedelta(seconds=lease_seconds)
    with db.transaction() as connection:
        return connection.execute(
            _work.update()
            .where(_work.c.owner == owner, _work.c.id.in_(ids))
            .values(lease_until=until)
        ).rowcount


@retried
def release(db: Database, work_id: str, owner: str) -> None:
    """Let go of work that `owner` holds, for recovery to take up at once."""
    with db.transaction() as connection:
        connection.execute(
            _work.update()
            .where(_work.c.id == work_id, _work.c.owner == owner)
            .values(owner=None, lease_until=utcnow())
        )


@retried
def forsake_earlier(db: Database, owner: str) -> int:
    """End the leases of `owner`'s earlier incarnations, which are dead; how many those were."""
    with db.transaction() as connection:
        return connection.execute(
            _work.update()
            .where(_of_service(owner), _work.c.owner != owner)
            .values(owner=None, lease_until=utcnow())
        ).rowcount


def _of_service(owner: str) -> sa.ColumnElement[bool]:
    return _work.c.owner.startswith(owner.split("/")[0] + "/", autoescape=True)


@retried
def ask_again(db: Database, work_id: str, message_seconds: float) -> bool:
    """Give a new message `message_seconds` to reach whoever takes the work; counts as an attempt.

    False if the work is not waiting any more, or another has just asked.
    """
    now = utcnow()
    with db.transaction() as connection:
        return bool(
            connection.execute(
                _work.update()
                .where(_work.c.id == work_id, _work.c.lease_until < now)
                .values(
                    attempts=_work.c.attempts + 1,
                    lease_until=now + dt.timedelta(seconds=message_seconds),
                )
            ).rowcount
        )


def hand_over(
    connection: sa.Connection,
    work_id: str,
    *,
    stage: str,
    host: str | None,
    lease_seconds: float,
    request: dict[str, Any] | None = None,
    expected: str | None = None,
) -> bool:
    """Give the work to whoever takes stage `stage` next, in the caller's transaction.

    With `expected`, only if it is at that stage; False, and nothing done, if not.
    """
    values: dict[str, Any] = {
        "stage": stage,
        "host": host,
        "owner": None,
        "attempts": 0,
        "lease_until": utcnow() + dt.timedelta(seconds=lease_seconds),
    }
    if request is not None:
        values["request"] = request
    query = _work.update().where(_work.c.id == work_id)
    if expected is not None:
        query = query.where(_work.c.stage == expected)
    return bool(connection.execute(query.values(**values)).rowcount)


def owned(connection: sa.Connection, work_id: str, owner: str) -> bool:
    """Whether `owner` still holds the work (within the caller's transaction)."""
    return owner_of(connection, work_id) == owner


def owner_of(connection: sa.Connection, work_id: str) -> str | None:
    """The owner ("" if nobody has taken it yet), or None when the work has ended."""
    row = connection.execute(_OWNER, {"id": work_id}).first()
    return None if row is None else (row.owner or "")


def end(connection: sa.Connection, work_id: str) -> None:
    """Forget work whose outcome is written in the same transaction."""
    connection.execute(_work.delete().where(_work.c.id == work_id))


def end_all(connection: sa.Connection, instance_uuid: str) -> list[int]:
    """Forget everything in flight for an instance; the ids of its actions."""
    mine = _work.c.instance_uuid == instance_uuid
    found = connection.execute(sa.select(_work.c.action_id).where(mine)).scalars().all()
    if found:
        connection.execute(_work.delete().where(mine))
    return [action_id for action_id in found if action_id is not None]


def unfinished_images(connection: sa.Connection, instance_uuid: str) -> list[str]:
    """Images that what is in flight for an instance has begun; its delete discards them."""
    mine = _work.c.instance_uuid == instance_uuid
    found: dict[str, None] = {}
    for request in connection.execute(sa.select(_work.c.request).where(mine)).scalars():
        found.update(dict.fromkeys(request.get("unfinished_images", [])))
        if "making_image" in request:
            found[request["making_image"]] = None
    return list(found)


def expired(db: Database) -> list[Work]:
    """Work whose owner has not renewed in time, oldest first."""
    with db.reading() as connection:
        rows = connection.execute(
            _work.select().where(_work.c.lease_until < utcnow()).order_by(_work.c.created_at)
        )
        return [_work_of(row) for row in rows]


def of_host(db: Database, host: str) -> list[Work]:
    """Everything in flight that is meant for `host`."""
    with db.reading() as connection:
        rows = connection.execute(
            _work.select().where(_work.c.host == host).order_by(_work.c.created_at)
        )
        return [_work_of(row) for row in rows]


def of_instance(db: Database, instance_uuid: str) -> list[Work]:
    """What is in flight for an instance."""
    with db.reading() as connection:
        rows = connection.execute(_work.select().where(_work.c.instance_uuid == instance_uuid))
        return [_work_of(row) for row in rows]


def has_ended(db: Database, work_id: str) -> bool:
    """Whether the outcome is written."""
    with db.reading() as connection:
        return owner_of(connection, work_id) is None

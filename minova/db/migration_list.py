"""Migrations that are asked for: by administrators, by hosts, and by the conductor's clock."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database
from minova.model import migration as status
from minova.model import states
from minova.model.instance import utcnow
from minova.model.migration import Migration

_migrations = tables.migrations
_instances = tables.instances
# What can be asked for by equality.
EQUAL = {
    name: _migrations.c[name]
    for name in (
        *("instance_uuid", "source_compute", "status", "migration_type", "user_id", "project_id"),
    )
}


@dataclass
class Filters:
    """`equal` by the names of EQUAL; `host` is either end; times are of the last change."""

    equal: dict[str, str] = field(default_factory=dict)
    host: str | None = None
    changed_since: dt.datetime | None = None
    changed_before: dt.datetime | None = None


def migrations(
    db: Database, filters: Filters, *, newest_first: bool, limit: int, marker: str | None = None
) -> list[Migration]:
    """Up to `limit` of them, after the one with uuid `marker`; errors.Invalid if there is none."""
    number = _migrations.c.id
    query = _migrations.select().where(*_conditions(filters)).limit(limit)
    query = query.order_by(number.desc() if newest_first else number.asc())
    with db.reading() as connection:
        if marker is not None:
            at = connection.execute(
                sa.select(number).where(_migrations.c.uuid == marker)
            ).scalar_one_or_none()
            if at is None:
                raise errors.Invalid(f"Marker {marker[:64]} could not be found.")
            query = query.where(number < at if newest_first else number > at)
        return [Migration(**row._mapping) for row in connection.execute(query)]


def of_instance(db: Database, instance_uuid: str, number: str) -> Migration | None:
    """The migration `number` of an instance, if there is one."""
    if not number.isdecimal() or len(number) > 9:
        return None
    query = _migrations.select().where(
        _migrations.c.instance_uuid == instance_uuid, _migrations.c.id == int(number)
    )
    with db.reading() as connection:
        row = connection.execute(query).first()
    return None if row is None else Migration(**row._mapping)


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    found: list[Any] = [EQUAL[name] == value for name, value in filters.equal.items()]
    if filters.host is not None:
        found.append(
            sa.or_(
                _migrations.c.source_compute == filters.host,
                _migrations.c.dest_compute == filters.host,
            )
        )
    changed = sa.func.coalesce(_migrations.c.updated_at, _migrations.c.created_at)
    if filters.changed_since is not None:
        found.append(changed >= filters.changed_since)
    if filters.changed_before is not None:
        found.append(changed <= filters.changed_before)
    return found


def leaving(db: Database, host: str) -> list[str]:
    """The instances that have gone from `host` and may still come back to it."""
    query = sa.select(_migrations.c.instance_uuid).where(
        _migrations.c.source_compute == host, _migrations.c.status.in_(status.OPEN)
    )
    with db.reading() as connection:
        return list(connection.execute(query).scalars())


def overdue(db: Database, seconds: float) -> list[str]:
    """Instances that have waited longer for somebody to confirm their resize."""
    query = (
        sa.select(_migrations.c.instance_uuid)
        .join(_instances, _instances.c.uuid == _migrations.c.instance_uuid)
        .where(
            _migrations.c.status == status.FINISHED,
            _migrations.c.updated_at < utcnow() - dt.timedelta(seconds=seconds),
            _instances.c.vm_state == states.RESIZED,
            _instances.c.task_state.is_(None),
        )
    )
    with db.reading() as connection:
        return list(connection.execute(query).scalars())

"""What a project's servers used over time: for the usage reports."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database
from minova.model.instance import Flavor

_table = tables.instances


@dataclass(frozen=True)
class Used:
    """One server that ran for some time."""

    uuid: str
    name: str
    project_id: str
    vm_state: str
    flavor: Flavor
    launched_at: dt.datetime
    terminated_at: dt.datetime | None


def within(
    db: Database,
    start: dt.datetime,
    end: dt.datetime,
    *,
    project_id: str | None = None,
    limit: int,
    marker: str | None = None,
) -> list[Used]:
    """Servers that ran between `start` and `end`, by project and uuid: the `limit` after `marker`.

    Deleted ones too. errors.Invalid for an unknown marker.
    """
    columns = (
        *(_table.c.uuid, _table.c.name, _table.c.project_id, _table.c.vm_state, _table.c.flavor),
        *(_table.c.launched_at, _table.c.terminated_at),
    )
    query = sa.select(*columns).where(
        _table.c.launched_at < end,
        sa.or_(_table.c.terminated_at.is_(None), _table.c.terminated_at > start),
    )
    if project_id is not None:
        query = query.where(_table.c.project_id == project_id)
    with db.reading() as connection:
        if marker is not None:
            at = connection.execute(
                sa.select(_table.c.project_id).where(_table.c.uuid == marker)
            ).first()
            if at is None:
                raise errors.Invalid(f"Marker {marker[:64]} could not be found.")
            query = query.where(
                sa.or_(
                    _table.c.project_id > at.project_id,
                    sa.and_(_table.c.project_id == at.project_id, _table.c.uuid > marker),
                )
            )
        query = query.order_by(_table.c.project_id, _table.c.uuid).limit(limit)
        return [Used(**row._mapping) for row in connection.execute(query)]

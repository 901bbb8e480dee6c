"""Quota limits: a project's own, or the configured defaults."""

import sqlalchemy as sa
from oslo_config import cfg

from minova.conf.quota import DEFAULTS
from minova.db import tables
from minova.db.engine import Database, retried

_quotas = tables.quotas
_locks = tables.project_locks


def defaults() -> dict[str, int]:
    """The configured limit of every resource; -1 is without limit."""
    return {name: getattr(cfg.CONF.quota, name) for name in DEFAULTS}


def limits(db: Database, project_id: str) -> dict[str, int]:
    """A project's limit of every resource."""
    with db.reading() as connection:
        return limits_on(connection, project_id)


def limits_on(connection: sa.Connection, project_id: str) -> dict[str, int]:
    """`limits` on a connection one has."""
    rows = connection.execute(_quotas.select().where(_quotas.c.project_id == project_id))
    return defaults() | {row.resource: row.hard_limit for row in rows}


def lock_project(connection: sa.Connection, project_id: str) -> None:
    """Let the caller's transaction be the only one that counts this project's usage."""
    locked = sa.select(_locks).where(_locks.c.project_id == project_id).with_for_update()
    if connection.execute(locked).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(_locks.insert().values(project_id=project_id))
    except sa.exc.IntegrityError:
        # Another transaction made it first; wait for that one.
        connection.execute(locked)


@retried
def set_limits(db: Database, project_id: str, wanted: dict[str, int]) -> None:
    """Give a project limits of its own."""
    with db.transaction() as connection:
        for resource, hard_limit in wanted.items():
            where = (_quotas.c.project_id == project_id, _quotas.c.resource == resource)
            changed = connection.execute(
                _quotas.update().where(*where).values(hard_limit=hard_limit)
            )
            if not changed.rowcount:
                connection.execute(
                    _quotas.insert().values(
                        project_id=project_id, resource=resource, hard_limit=hard_limit
                    )
                )


@retried
def reset(db: Database, project_id: str) -> None:
    """Back to the defaults. Idempotent."""
    with db.transaction() as connection:
        connection.execute(_quotas.delete().where(_quotas.c.project_id == project_id))

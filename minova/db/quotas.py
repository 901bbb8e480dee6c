"""Quota limits: a user's own, his project's, the class `default`, or the configured ones."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from minova.conf.quota import DEFAULTS
from minova.db import tables
from minova.db.engine import Database, retried

_quotas = tables.quotas
_of_users = tables.user_quotas
_classes = tables.quota_classes
_locks = tables.project_locks
# The one class whose limits hold for somebody: whoever has none of his own.
DEFAULT_CLASS = "default"


def configured() -> dict[str, int]:
    """The configured limit of every resource; -1 is without limit."""
    return {name: getattr(cfg.CONF.quota, name) for name in DEFAULTS}


def defaults(db: Database) -> dict[str, int]:
    """The limit of every resource of a project that has none of its own."""
    return class_limits(db, DEFAULT_CLASS)


def class_limits(db: Database, name: str) -> dict[str, int]:
    """The limits of a class; where it has none, the configured ones."""
    with db.reading() as connection:
        rows = connection.execute(_classes.select().where(_classes.c.name == name))
        return configured() | {row.resource: row.hard_limit for row in rows}


def limits(db: Database, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """The limit of every resource of a project, or of one user in it."""
    with db.reading() as connection:
        return limits_on(connection, project_id, user_id)


def limits_on(
    connection: sa.Connection, project_id: str, user_id: str | None = None
) -> dict[str, int]:
    """`limits` on a connection one has: one query."""
    return limits_of_both(connection, project_id, user_id)[1]


def limits_of_both(
    connection: sa.Connection, project_id: str, user_id: str | None
) -> tuple[dict[str, int], dict[str, int]]:
    """A project's limits, and those of one user in it: one query."""
    project, user = configured(), dict[str, int]()
    rows: Iterable[Any] = connection.execute(
        _LIMITS, {"project": project_id, "user": user_id or ""}
    )
    for owner, resource, hard_limit in sorted(tuple(row) for row in rows):
        (user if owner == _A_USERS else project)[resource] = hard_limit
    return project, project | user


# Whose the rows of the query are; the later ones count more than those before.
_A_CLASSES, _A_PROJECTS, _A_USERS = range(3)


def _owned(owner: int, table: sa.Table) -> sa.Select[tuple[int, str, int]]:
    return sa.select(
        sa.literal_column(str(owner), sa.Integer), table.c.resource, table.c.hard_limit
    )


_LIMITS = sa.union_all(
    _owned(_A_CLASSES, _classes).where(_classes.c.name == DEFAULT_CLASS),
    _owned(_A_PROJECTS, _quotas).where(_quotas.c.project_id == sa.bindparam("project")),
    _owned(_A_USERS, _of_users).where(
        _of_users.c.project_id == sa.bindparam("project"),
        _of_users.c.user_id == sa.bindparam("user"),
    ),
)


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
def set_limits(
    db: Database, project_id: str, wanted: dict[str, int], user_id: str | None = None
) -> None:
    """Give a project, or one user in it, limits of its own."""
    if user_id is None:
        _set(db, _quotas, {"project_id": project_id}, wanted)
    else:
        _set(db, _of_users, {"project_id": project_id, "user_id": user_id}, wanted)


@retried
def set_class_limits(db: Database, name: str, wanted: dict[str, int]) -> None:
    """Give a class limits."""
    _set(db, _classes, {"name": name}, wanted)


def _set(db: Database, table: sa.Table, owner: dict[str, str], wanted: dict[str, int]) -> None:
    mine = [table.c[name] == value for name, value in owner.items()]
    with db.transaction() as connection:
        for resource, hard_limit in wanted.items():
            changed = connection.execute(
                table.update()
                .where(*mine, table.c.resource == resource)
                .values(hard_limit=hard_limit)
            )
            if not changed.rowcount:
                connection.execute(
                    table.insert().values(**owner, resource=resource, hard_limit=hard_limit)
                )


@retried
def reset(db: Database, project_id: str, user_id: str | None = None) -> None:
    """Back to the defaults, also for the project's users; or only for one of them. Idempotent."""
    with db.transaction() as connection:
        if user_id is None:
            connection.execute(_quotas.delete().where(_quotas.c.project_id == project_id))
        mine = [_of_users.c.project_id == project_id]
        if user_id is not None:
            mine.append(_of_users.c.user_id == user_id)
        connection.execute(_of_users.delete().where(*mine))

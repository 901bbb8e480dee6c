"""Limits and use of a project: `volumes`, `snapshots` (numbers) and `gigabytes` (GiB) of both."""

from collections.abc import Mapping

import sqlalchemy as sa

from minova.common import errors
from minova.companions.volume import tables
from minova.db.engine import Database, retried

_volumes, _snapshots = tables.volumes, tables.snapshots
_quotas, _projects = tables.quotas, tables.projects


def know_project(db: Database, project_id: str) -> None:
    """Make sure the project has its row to lock."""
    with db.reading() as connection:
        known = connection.execute(
            sa.select(_projects.c.project_id).where(_projects.c.project_id == project_id)
        ).scalar_one_or_none()
    if known is not None:
        return
    try:
        with db.transaction() as connection:
            connection.execute(_projects.insert().values(project_id=project_id))
    except errors.DuplicateEntry:
        return


def claim(
    connection: sa.Connection,
    project_id: str,
    defaults: Mapping[str, int],
    *,
    gigabytes: int,
    volumes: int = 0,
    snapshots: int = 0,
) -> None:
    """Check that there is room for more, inside the transaction that adds it.

    The project's row is locked, so two requests never fit into the same gap.
    """
    connection.execute(
        sa.select(_projects.c.project_id)
        .where(_projects.c.project_id == project_id)
        .with_for_update()
    ).one()
    limits = _limits(connection, project_id, defaults)
    used = _used(connection, project_id)
    wanted = {"volumes": volumes, "snapshots": snapshots, "gigabytes": gigabytes}
    for resource, more in wanted.items():
        limit = limits.get(resource, -1)
        if more > 0 and 0 <= limit < used[resource] + more:
            raise errors.QuotaExceeded(
                resource=resource, requested=more, used=used[resource], limit=limit
            )


@retried
def limits(db: Database, project_id: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """The project's limits."""
    with db.reading() as connection:
        return _limits(connection, project_id, defaults)


@retried
def used(db: Database, project_id: str) -> dict[str, int]:
    """What the project uses now."""
    with db.reading() as connection:
        return _used(connection, project_id)


@retried
def set_limits(db: Database, project_id: str, limits: Mapping[str, int]) -> None:
    """Give the project limits of its own."""
    with db.transaction() as connection:
        connection.execute(
            _quotas.delete().where(
                _quotas.c.project_id == project_id, _quotas.c.resource.in_(limits)
            )
        )
        if limits:
            connection.execute(
                _quotas.insert(),
                [
                    {"project_id": project_id, "resource": resource, "hard_limit": limit}
                    for resource, limit in limits.items()
                ],
            )


@retried
def forget_limits(db: Database, project_id: str) -> None:
    """Back to the configured limits."""
    with db.transaction() as connection:
        connection.execute(_quotas.delete().where(_quotas.c.project_id == project_id))


def _limits(
    connection: sa.Connection, project_id: str, defaults: Mapping[str, int]
) -> dict[str, int]:
    rows = connection.execute(
        sa.select(_quotas.c.resource, _quotas.c.hard_limit).where(
            _quotas.c.project_id == project_id
        )
    )
    return {**defaults, **{row.resource: row.hard_limit for row in rows}}


def _used(connection: sa.Connection, project_id: str) -> dict[str, int]:
    size = sa.func.coalesce(_volumes.c.new_size_gb, _volumes.c.size_gb)
    row = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(size), 0)).where(
            _volumes.c.project_id == project_id
        )
    ).one()
    kept = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_snapshots.c.size_gb), 0)).where(
            _snapshots.c.project_id == project_id
        )
    ).one()
    return {
        "volumes": int(row[0]),
        "snapshots": int(kept[0]),
        "gigabytes": int(row[1]) + int(kept[1]),
    }

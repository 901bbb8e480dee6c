"""Quotas: the limits of projects, and how much of each they use."""

from collections import Counter
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from minova.companions.network import errors
from minova.companions.network.tables import (
    floating_ips,
    networks,
    ports,
    quotas,
    routers,
    security_group_rules,
    security_groups,
    subnets,
)
from minova.db.engine import Database, retried

# Limits of a project for which nobody set another; -1 is without limit.
DEFAULTS: Mapping[str, int] = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "security_group": 10,
    "security_group_rule": 100,
    "router": 10,
    "floatingip": 50,
    "subnetpool": 0,
    "rbac_policy": 0,
}
COUNTED: Mapping[str, sa.Table] = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "security_group": security_groups,
    "security_group_rule": security_group_rules,
    "router": routers,
    "floatingip": floating_ips,
}


def check(connection: sa.Connection, resource: str, project_ids: Iterable[str]) -> None:
    """OverQuota unless each project may have one more `resource` for each time it is named.

    Asked inside the transaction that inserts: on SQLite, which has one
    writer, no two requests can pass on the last free place. Elsewhere
    requests at the same moment may exceed the limit by their number.
    """
    table = COUNTED[resource]
    # What the service makes for itself belongs to no project.
    for project_id, more in Counter(filter(None, project_ids)).items():
        limit, used = connection.execute(
            sa.select(
                sa.select(quotas.c.limit)
                .where(quotas.c.project_id == project_id, quotas.c.resource == resource)
                .scalar_subquery(),
                sa.select(sa.func.count())
                .select_from(table)
                .where(table.c.project_id == project_id)
                .scalar_subquery(),
            )
        ).one()
        limit = DEFAULTS[resource] if limit is None else limit
        if 0 <= limit < used + more:
            raise errors.OverQuota(resources=f"['{resource}']")


def limits(connection: sa.Connection, project_id: str) -> dict[str, int]:
    """Every resource's limit of a project."""
    rows = connection.execute(
        sa.select(quotas.c.resource, quotas.c.limit).where(quotas.c.project_id == project_id)
    )
    return {**DEFAULTS, **dict(rows.tuples().all())}


def used(connection: sa.Connection, project_id: str) -> dict[str, int]:
    """How much of every resource a project has."""
    counts = [
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.project_id == project_id)
        .scalar_subquery()
        for table in COUNTED.values()
    ]
    row = connection.execute(sa.select(*counts)).one()
    return {**dict.fromkeys(DEFAULTS, 0), **dict(zip(COUNTED, row, strict=True))}


def projects(connection: sa.Connection) -> list[str]:
    """The projects for which limits were set."""
    return list(connection.scalars(sa.select(quotas.c.project_id).distinct()))


@retried
def set_limits(db: Database, project_id: str, wanted: Mapping[str, int]) -> None:
    """Set some limits of a project. Idempotent."""
    with db.transaction() as connection:
        for resource, limit in wanted.items():
            where = (quotas.c.project_id == project_id, quotas.c.resource == resource)
            connection.execute(sa.delete(quotas).where(*where))
            connection.execute(
                sa.insert(quotas).values(project_id=project_id, resource=resource, limit=limit)
            )


@retried
def reset(db: Database, project_id: str) -> None:
    """Back to the default limits. Idempotent."""
    with db.transaction() as connection:
        connection.execute(sa.delete(quotas).where(quotas.c.project_id == project_id))

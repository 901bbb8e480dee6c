"""Flavors, their extra specs, and who may use the private ones."""

from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import Flavor, utcnow

_flavors = tables.flavors
_access = tables.flavor_access

SORT_KEYS = {
    "flavorid": _flavors.c.flavorid,
    "id": _flavors.c.id,
    "name": _flavors.c.name,
    "memory_mb": _flavors.c.memory_mb,
    "vcpus": _flavors.c.vcpus,
    "root_gb": _flavors.c.root_gb,
    "ephemeral_gb": _flavors.c.ephemeral_gb,
    "swap": _flavors.c.swap_mb,
    "rxtx_factor": _flavors.c.rxtx_factor,
    "is_public": _flavors.c.is_public,
    "disabled": _flavors.c.disabled,
    "created_at": _flavors.c.created_at,
}


def get(db: Database, flavor_id: str, *, project_id: str | None) -> Flavor:
    """A flavor that `project_id` may see (None: whoever); errors.NotFound."""
    query = _flavors.select().where(_flavors.c.flavorid == flavor_id)
    if project_id is not None:
        query = query.where(_visible_to(project_id))
    with db.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise not_found(flavor_id)
    return _flavor_of(row)


def not_found(flavor_id: str) -> errors.NotFound:
    return errors.NotFound(f"Flavor {flavor_id[:255]} could not be found.")


def find(
    db: Database,
    *,
    project_id: str | None,
    is_public: bool | None,
    min_disk: int = 0,
    min_ram: int = 0,
    sort_key: str = "flavorid",
    descending: bool = False,
) -> list[Flavor]:
    """Flavors that are not disabled, by what they offer.

    `project_id` None sees all, otherwise public ones and those it has access
    to. `is_public` None: both kinds.
    """
    query = _flavors.select().where(
        _flavors.c.disabled.is_(False),
        _flavors.c.root_gb >= min_disk,
        _flavors.c.memory_mb >= min_ram,
    )
    if project_id is not None:
        query = query.where(_visible_to(project_id))
    elif is_public is not None:
        query = query.where(_flavors.c.is_public.is_(is_public))
    column = SORT_KEYS[sort_key]
    order = column.desc() if descending else column.asc()
    with db.reading() as connection:
        return [_flavor_of(r) for r in connection.execute(query.order_by(order, _flavors.c.id))]


def _visible_to(project_id: str) -> sa.ColumnElement[bool]:
    granted = sa.select(_access.c.flavorid).where(_access.c.project_id == project_id)
    return sa.or_(_flavors.c.is_public.is_(True), _flavors.c.flavorid.in_(granted))


def _flavor_of(row: sa.Row[Any]) -> Flavor:
    values = dict(row._mapping)
    values.pop("created_at")
    values["id"] = values.pop("flavorid")
    return Flavor(**values)


@retried
def create(db: Database, flavor: Flavor) -> None:
    """Add a flavor; errors.Conflict names the id or name that is taken."""
    values = dict(vars(flavor))
    values["flavorid"] = values.pop("id")
    try:
        with db.transaction() as connection:
            connection.execute(_flavors.insert().values(created_at=utcnow(), **values))
    except errors.DuplicateEntry as taken:
        if "flavorid" in str(taken.kwargs.get("columns", "")):
            raise errors.Conflict(f"Flavor with ID {flavor.id} already exists.") from None
        raise errors.Conflict(f"Flavor with name {flavor.name} already exists.") from None


@retried
def describe(db: Database, flavor_id: str, description: str | None) -> None:
    """Set the description; errors.NotFound."""
    _update(db, flavor_id, description=description)


@retried
def delete(db: Database, flavor_id: str) -> None:
    """Forget a flavor; servers keep the copy they were launched with. errors.NotFound."""
    with db.transaction() as connection:
        connection.execute(_access.delete().where(_access.c.flavorid == flavor_id))
        gone = connection.execute(_flavors.delete().where(_flavors.c.flavorid == flavor_id))
        if not gone.rowcount:
            raise not_found(flavor_id)


@retried
def change_specs(
    db: Database, flavor_id: str, wanted: dict[str, str], remove: str | None = None
) -> dict[str, str]:
    """Set extra specs, or remove one; all of them afterwards. errors.NotFound."""
    with db.transaction() as connection:
        query = sa.select(_flavors.c.extra_specs).where(_flavors.c.flavorid == flavor_id)
        row = connection.execute(query.with_for_update()).first()
        if row is None:
            raise not_found(flavor_id)
        specs = {**row.extra_specs, **wanted}
        if remove is not None:
            if remove not in specs:
                raise errors.NotFound(f"Flavor {flavor_id} has no extra specs with key {remove}.")
            del specs[remove]
        connection.execute(
            _flavors.update().where(_flavors.c.flavorid == flavor_id).values(extra_specs=specs)
        )
        return specs


def _update(db: Database, flavor_id: str, **values: Any) -> None:
    with db.transaction() as connection:
        changed = connection.execute(
            _flavors.update().where(_flavors.c.flavorid == flavor_id).values(**values)
        )
        if not changed.rowcount:
            raise not_found(flavor_id)


def projects_of(db: Database, flavor_id: str) -> list[str]:
    """The projects that may use a private flavor."""
    query = sa.select(_access.c.project_id).where(_access.c.flavorid == flavor_id)
    with db.reading() as connection:
        return list(connection.execute(query.order_by(_access.c.project_id)).scalars())


@retried
def grant(db: Database, flavor_id: str, project_id: str) -> None:
    """Let a project use a flavor; errors.Conflict if it may already."""
    try:
        with db.transaction() as connection:
            connection.execute(_access.insert().values(flavorid=flavor_id, project_id=project_id))
    except errors.DuplicateEntry:
        raise errors.Conflict(
            f"Flavor access already exists for flavor {flavor_id} and project {project_id} "
            "combination."
        ) from None


@retried
def revoke(db: Database, flavor_id: str, project_id: str) -> None:
    """No longer let a project use a flavor; errors.NotFound if it may not now."""
    with db.transaction() as connection:
        gone = connection.execute(
            _access.delete().where(
                _access.c.flavorid == flavor_id, _access.c.project_id == project_id
            )
        )
        if not gone.rowcount:
            raise errors.NotFound(
                f"Flavor access not found for {flavor_id} / {project_id} combination."
            )

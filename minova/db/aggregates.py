"""Host aggregates, and the availability zones that some of them are.

An aggregate whose metadata has `availability_zone` makes its hosts that
zone. A host is in one zone at most, and does not change it while it has
instances: they would silently be somewhere else.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

_aggregates = tables.aggregates
_hosts = tables.aggregate_hosts
_instances = tables.instances
ZONE = "availability_zone"


@dataclass(frozen=True)
class Aggregate:
    """Hosts with something in common; `hosts` by name."""

    id: int
    uuid: str
    name: str
    metadata: dict[str, str]
    created_at: dt.datetime
    updated_at: dt.datetime | None
    hosts: list[str] = field(default_factory=list)

    @property
    def zone(self) -> str | None:
        """The availability zone its hosts are, if it is one."""
        return self.metadata.get(ZONE)


def find(db: Database) -> list[Aggregate]:
    """All aggregates: two queries."""
    with db.reading() as connection:
        return _all(connection)


def get(db: Database, aggregate_id: int) -> Aggregate:
    """One aggregate; errors.NotFound."""
    with db.reading() as connection:
        return _get(connection, aggregate_id)


def zones(db: Database) -> dict[str, str]:
    """host → zone, of the hosts that an aggregate gives one."""
    return zones_in(find(db))


def zones_in(aggregates: Sequence[Aggregate]) -> dict[str, str]:
    """host → zone, by these aggregates."""
    return {host: each.zone for each in aggregates if each.zone for host in each.hosts}


def zone_of(connection: sa.Connection, host: str) -> str:
    """The zone that a host is in, on a connection one has."""
    mine = sa.select(_hosts.c.aggregate_id).where(_hosts.c.host == host)
    zones = zones_in(_all(connection, _aggregates.c.id.in_(mine)))
    return zones.get(host, cfg.CONF.api.default_availability_zone)


@retried
def create(db: Database, name: str, zone: str | None) -> Aggregate:
    """Make an aggregate without hosts; errors.Conflict for a taken name."""
    metadata = {ZONE: zone} if zone else {}
    values = {
        "uuid": str(uuid.uuid4()),
        "name": name,
        "metadata_": metadata,
        "created_at": utcnow(),
    }
    try:
        with db.transaction() as connection:
            key = connection.execute(_aggregates.insert(), values).inserted_primary_key
            assert key is not None
            return _get(connection, int(key[0]))
    except errors.DuplicateEntry:
        raise _taken(name) from None


@retried
def update(db: Database, aggregate_id: int, *, name: str | None, zone: str | None) -> Aggregate:
    """Rename an aggregate, or move its hosts to `zone`.

    errors.NotFound; errors.Conflict for a taken name; errors.Invalid when its
    hosts cannot be in that zone.
    """
    changes = {} if zone is None else {ZONE: zone}
    try:
        with db.transaction() as connection:
            aggregate = _locked(connection, aggregate_id)
            if name is not None:
                _write(connection, aggregate_id, name=name)
            _change(connection, aggregate, changes, "update aggregate")
            return _get(connection, aggregate_id)
    except errors.DuplicateEntry:
        raise _taken(str(name)) from None


@retried
def set_metadata(db: Database, aggregate_id: int, changes: Mapping[str, str | None]) -> Aggregate:
    """Set these keys; None forgets one. errors.NotFound, errors.Invalid as in `update`."""
    with db.transaction() as connection:
        aggregate = _locked(connection, aggregate_id)
        _change(connection, aggregate, changes, "update metadata of aggregate")
        return _get(connection, aggregate_id)


def _change(
    connection: sa.Connection,
    aggregate: Aggregate,
    changes: Mapping[str, str | None],
    what: str,
) -> None:
    if ZONE in changes and changes[ZONE] != aggregate.zone:
        reason = _obstacle(connection, aggregate, changes[ZONE], aggregate.hosts)
        if reason is not None:
            raise errors.Invalid(f"Cannot {what} {aggregate.id}. Reason: {reason}.")
    after = {k: v for k, v in {**aggregate.metadata, **changes}.items() if v is not None}
    if after != aggregate.metadata:
        _write(connection, aggregate.id, metadata_=after)


@retried
def add_host(db: Database, aggregate_id: int, host: str) -> Aggregate:
    """Put a host in; errors.Conflict if it is in, or its zone may not change; errors.NotFound."""

    def enter(connection: sa.Connection, aggregate: Aggregate) -> None:
        if host in aggregate.hosts:
            raise errors.Conflict(f"Aggregate {aggregate.id} already has host {host}.")
        if aggregate.zone:
            reason = _obstacle(connection, aggregate, aggregate.zone, [host])
            if reason is not None:
                raise errors.Conflict(
                    f"Cannot add host to aggregate {aggregate.id}. Reason: {reason}."
                )
        connection.execute(_hosts.insert(), {"aggregate_id": aggregate.id, "host": host})

    return _with(db, aggregate_id, enter)


@retried
def remove_host(db: Database, aggregate_id: int, host: str) -> Aggregate:
    """Take a host out; errors.NotFound if it is not in, errors.Conflict while it has servers."""

    def leave(connection: sa.Connection, aggregate: Aggregate) -> None:
        if host not in aggregate.hosts:
            raise errors.NotFound(f"Aggregate {aggregate.id} has no host {host}.")
        if aggregate.zone and _is_zone_lost(connection, aggregate, host):
            raise errors.Conflict(
                f"Cannot remove host from aggregate {aggregate.id}. Reason: {_OCCUPIED}."
            )
        mine = (_hosts.c.aggregate_id == aggregate.id, _hosts.c.host == host)
        connection.execute(_hosts.delete().where(*mine))

    return _with(db, aggregate_id, leave)


@retried
def delete(db: Database, aggregate_id: int) -> None:
    """Forget an aggregate; errors.NotFound, errors.Invalid while it has hosts."""
    with db.transaction() as connection:
        if _locked(connection, aggregate_id).hosts:
            raise errors.Invalid(
                f"Cannot remove aggregate {aggregate_id}. Reason: Host aggregate is not empty."
            )
        connection.execute(_aggregates.delete().where(_aggregates.c.id == aggregate_id))


def _with(
    db: Database, aggregate_id: int, act: Callable[[sa.Connection, Aggregate], None]
) -> Aggregate:
    with db.transaction() as connection:
        act(connection, _locked(connection, aggregate_id))
        _write(connection, aggregate_id)
        return _get(connection, aggregate_id)


_OCCUPIED = "One or more hosts contain instances in this zone"


def _obstacle(
    connection: sa.Connection, aggregate: Aggregate, zone: str | None, hosts: list[str]
) -> str | None:
    """Why `hosts` cannot be in `zone` by this aggregate."""
    if not zone:
        return f"Aggregate {aggregate.name} does not support empty named availability zone"
    others = [other for other in _all(connection) if other.id != aggregate.id]
    elsewhere = zones_in(others)
    found = sorted({elsewhere[host] for host in hosts if elsewhere.get(host, zone) != zone})
    if found:
        return f"One or more hosts already in availability zone(s) {found}"
    moved = [host for host in hosts if host not in elsewhere]
    return _OCCUPIED if _have_instances(connection, moved) else None


def _is_zone_lost(connection: sa.Connection, aggregate: Aggregate, host: str) -> bool:
    """Whether the host would leave its zone, and servers are on it."""
    others = [other for other in _all(connection) if other.id != aggregate.id]
    return host not in zones_in(others) and _have_instances(connection, [host])


def _have_instances(connection: sa.Connection, hosts: list[str]) -> bool:
    query = sa.select(_instances.c.id).where(
        _instances.c.host.in_(hosts), _instances.c.deleted_at.is_(None)
    )
    return bool(hosts) and connection.execute(query.limit(1)).first() is not None


def _locked(connection: sa.Connection, aggregate_id: int) -> Aggregate:
    """An aggregate that nobody else changes, nor another: what holds is said of all of them."""
    connection.execute(sa.select(_aggregates.c.id).order_by(_aggregates.c.id).with_for_update())
    return _get(connection, aggregate_id)


def _write(connection: sa.Connection, aggregate_id: int, **values: Any) -> None:
    connection.execute(
        _aggregates.update()
        .where(_aggregates.c.id == aggregate_id)
        .values(updated_at=utcnow(), **values)
    )


def _get(connection: sa.Connection, aggregate_id: int) -> Aggregate:
    for aggregate in _all(connection, _aggregates.c.id == aggregate_id):
        return aggregate
    raise errors.NotFound(f"Aggregate {aggregate_id} could not be found.")


def _all(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Aggregate]:
    rows = connection.execute(
        _aggregates.select().where(*conditions).order_by(_aggregates.c.id)
    ).all()
    hosts: dict[int, list[str]] = {}
    if rows:
        query = _hosts.select().where(_hosts.c.aggregate_id.in_([row.id for row in rows]))
        for entry in connection.execute(query.order_by(_hosts.c.host)):
            hosts.setdefault(entry.aggregate_id, []).append(entry.host)
    return [
        Aggregate(
            id=row.id,
            uuid=row.uuid,
            name=row.name,
            metadata=row.metadata_,
            created_at=row.created_at,
            updated_at=row.updated_at,
            hosts=hosts.get(row.id, []),
        )
        for row in rows
    ]


def _taken(name: str) -> errors.Conflict:
    return errors.Conflict(f"Aggregate {name} already exists.")

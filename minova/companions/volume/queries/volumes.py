"""Volumes in the DB."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.volume import tables
from minova.companions.volume.queries import quotas
from minova.companions.volume.records import Volume, now
from minova.companions.volume.states import CHANGES
from minova.db.engine import Database, retried

_volumes = tables.volumes
_kept = sa.exists().where(tables.snapshots.c.volume_id == _volumes.c.id)
_attached = sa.exists().where(tables.attachments.c.volume_id == _volumes.c.id)


def missing(volume_id: str) -> errors.NotFound:
    return errors.NotFound(resource="Volume", id=volume_id[:255])


@retried
def create(db: Database, volume: Volume, limits: Mapping[str, int]) -> None:
    """Store a new volume if the project's quota has room; errors.QuotaExceeded if not.

    `limits` are the configured defaults of `volumes` and `gigabytes`.
    """
    quotas.know_project(db, volume.project_id)
    with db.transaction() as connection:
        quotas.claim(connection, volume.project_id, limits, volumes=1, gigabytes=volume.size_gb)
        connection.execute(_volumes.insert().values(**vars(volume)))


@retried
def get(db: Database, volume_id: str, project_id: str | None = None) -> Volume:
    """The volume; errors.NotFound, also for one of another project than `project_id`."""
    query = sa.select(_volumes).where(_volumes.c.id == volume_id)
    if project_id is not None:
        query = query.where(_volumes.c.project_id == project_id)
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise missing(volume_id)
    return Volume(**row._mapping)


@retried
def find(
    db: Database, conditions: Iterable[Any], order: Iterable[Any] = (), limit: int | None = None
) -> list[Volume]:
    """Volumes that meet all SQL `conditions`."""
    query = sa.select(_volumes).where(*conditions).order_by(*order).limit(limit)
    with db.reading() as connection:
        return [Volume(**row._mapping) for row in connection.execute(query)]


@retried
def update(db: Database, volume_id: str, **values: Any) -> Volume:
    """Set columns whatever the status is; errors.NotFound."""
    with db.transaction() as connection:
        changed = connection.execute(
            _volumes.update().where(_volumes.c.id == volume_id).values(updated_at=now(), **values)
        )
        if changed.rowcount == 0:
            raise missing(volume_id)
        row = connection.execute(sa.select(_volumes).where(_volumes.c.id == volume_id)).one()
        return Volume(**row._mapping)


@retried
def change(
    db: Database,
    volume_id: str,
    name: str,
    detached: bool = False,
    without_snapshots: bool = False,
    **values: Any,
) -> Volume:
    """Do the change `name` of states.CHANGES: compare the status, swap it.

    errors.Invalid when the volume is in another status, has an attachment
    although it must be `detached`, or a snapshot although it must be without.
    """
    wanted = CHANGES[name]
    conditions = [_volumes.c.id == volume_id, _volumes.c.status.in_(wanted.before)]
    if detached:
        conditions.append(~_attached)
    if without_snapshots:
        conditions.append(~_kept)
    with db.transaction() as connection:
        changed = connection.execute(
            _volumes.update()
            .where(*conditions)
            .values(status=wanted.after, updated_at=now(), **values)
        )
        row = connection.execute(
            sa.select(_volumes).where(_volumes.c.id == volume_id)
        ).one_or_none()
        if row is None:
            raise missing(volume_id)
        volume = Volume(**row._mapping)
        if changed.rowcount == 0:
            if without_snapshots and _has_snapshots(connection, volume_id):
                raise is_kept(volume)
            raise refused(volume, name)
        return volume


def _has_snapshots(connection: sa.Connection, volume_id: str) -> bool:
    query = sa.select(sa.func.count()).where(tables.snapshots.c.volume_id == volume_id)
    return bool(connection.execute(query).scalar_one())


def is_kept(volume: Volume) -> errors.Invalid:
    """What a delete hears whose volume has snapshots."""
    return errors.Invalid(
        f"Invalid volume: volume {volume.id} still has dependent snapshots; delete them first, "
        "or delete the volume with cascade."
    )


def refused(volume: Volume, name: str) -> errors.Invalid:
    """What a request hears whose change the status does not allow."""
    before = " or ".join(CHANGES[name].before)
    verb = name.removeprefix("os-").replace("_", " ")
    if volume.status in CHANGES[name].before:
        return errors.Invalid(
            f"Invalid volume: cannot {verb} volume {volume.id} while it is attached; "
            "detach it first."
        )
    return errors.Invalid(
        f"Invalid volume: cannot {verb} volume {volume.id}: its status must be {before}, "
        f"but it is {volume.status}."
    )


@retried
def settle(db: Database, volume_id: str, before: str, after: str, **values: Any) -> bool:
    """Swap `before` for `after` if the volume still is in `before`. For work that ends."""
    with db.transaction() as connection:
        changed = connection.execute(
            _volumes.update()
            .where(_volumes.c.id == volume_id, _volumes.c.status == before)
            .values(status=after, updated_at=now(), **values)
        )
        return bool(changed.rowcount)


@retried
def extend(db: Database, volume: Volume, new_size_gb: int, limits: Mapping[str, int]) -> Volume:
    """Begin to grow to `new_size_gb`, counted by the quota from now on."""
    quotas.know_project(db, volume.project_id)
    with db.transaction() as connection:
        growth = new_size_gb - volume.size_gb
        quotas.claim(connection, volume.project_id, limits, volumes=0, gigabytes=growth)
        wanted = CHANGES["extend"]
        changed = connection.execute(
            _volumes.update()
            .where(
                _volumes.c.id == volume.id,
                _volumes.c.status.in_(wanted.before),
                _volumes.c.size_gb == volume.size_gb,
                ~_attached,
            )
            .values(status=wanted.after, new_size_gb=new_size_gb, updated_at=now())
        )
        row = connection.execute(
            sa.select(_volumes).where(_volumes.c.id == volume.id)
        ).one_or_none()
        if row is None:
            raise missing(volume.id)
        if changed.rowcount == 0:
            raise refused(Volume(**row._mapping), "extend")
        return Volume(**row._mapping)


@retried
def change_metadata(
    db: Database, volume_id: str, put: Mapping[str, str], drop: Iterable[str] | None = ()
) -> dict[str, str]:
    """Add `put`, take `drop` away (None: all that was there); the metadata now."""
    with db.transaction() as connection:
        current = connection.execute(
            sa.select(_volumes.c.metadata).where(_volumes.c.id == volume_id).with_for_update()
        ).scalar_one_or_none()
        if current is None:
            raise missing(volume_id)
        kept = {} if drop is None else {k: v for k, v in current.items() if k not in set(drop)}
        kept.update(put)
        connection.execute(
            _volumes.update()
            .where(_volumes.c.id == volume_id)
            .values(metadata=kept, updated_at=now())
        )
        return kept


@retried
def delete(db: Database, volume_id: str) -> None:
    """Forget a volume with what attachments and snapshots it has. Idempotent."""
    with db.transaction() as connection:
        connection.execute(
            tables.attachments.delete().where(tables.attachments.c.volume_id == volume_id)
        )
        connection.execute(
            tables.snapshots.delete().where(tables.snapshots.c.volume_id == volume_id)
        )
        connection.execute(_volumes.delete().where(_volumes.c.id == volume_id))

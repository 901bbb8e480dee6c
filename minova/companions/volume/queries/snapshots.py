"""Snapshots in the DB."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.volume import states, tables
from minova.companions.volume.queries import quotas, volumes
from minova.companions.volume.records import Snapshot, Volume, now
from minova.db.engine import Database, retried

_snapshots, _volumes = tables.snapshots, tables.volumes
# From where a snapshot may be deleted.
_DELETABLE = (states.AVAILABLE, states.ERROR, states.ERROR_DELETING)


def missing(snapshot_id: str) -> errors.NotFound:
    return errors.NotFound(resource="Snapshot", id=snapshot_id[:255])


@retried
def create(
    db: Database, snapshot: Snapshot, limits: Mapping[str, int], allowed: Iterable[str]
) -> None:
    """Store a new snapshot if the quota has room and its volume is in one of `allowed`."""
    quotas.know_project(db, snapshot.project_id)
    with db.transaction() as connection:
        quotas.claim(
            connection, snapshot.project_id, limits, snapshots=1, gigabytes=snapshot.size_gb
        )
        # The row is locked: a delete of the volume comes before, or sees the snapshot.
        status = connection.execute(
            sa.select(_volumes.c.status)
            .where(_volumes.c.id == snapshot.volume_id)
            .with_for_update()
        ).scalar_one_or_none()
        if status is None:
            raise volumes.missing(snapshot.volume_id)
        if status not in allowed:
            wanted = " or ".join(allowed)
            raise errors.Invalid(
                f"Invalid volume: Volume {snapshot.volume_id} status must be {wanted}, but "
                f"current status is: {status}."
            )
        connection.execute(_snapshots.insert().values(**vars(snapshot)))


@retried
def get(db: Database, snapshot_id: str, project_id: str | None = None) -> Snapshot:
    """The snapshot; errors.NotFound, also for one of another project than `project_id`."""
    query = sa.select(_snapshots).where(_snapshots.c.id == snapshot_id)
    if project_id is not None:
        query = query.where(_snapshots.c.project_id == project_id)
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise missing(snapshot_id)
    return Snapshot(**row._mapping)


@retried
def find(db: Database, conditions: Iterable[Any], order: Iterable[Any] = ()) -> list[Snapshot]:
    """Snapshots that meet all SQL `conditions`."""
    query = sa.select(_snapshots).where(*conditions).order_by(*order)
    with db.reading() as connection:
        return [Snapshot(**row._mapping) for row in connection.execute(query)]


@retried
def update(db: Database, snapshot_id: str, **values: Any) -> Snapshot:
    """Set columns whatever the status is; errors.NotFound."""
    with db.transaction() as connection:
        changed = connection.execute(
            _snapshots.update()
            .where(_snapshots.c.id == snapshot_id)
            .values(updated_at=now(), **values)
        )
        if changed.rowcount == 0:
            raise missing(snapshot_id)
        row = connection.execute(sa.select(_snapshots).where(_snapshots.c.id == snapshot_id)).one()
        return Snapshot(**row._mapping)


@retried
def settle(db: Database, snapshot_id: str, before: str, after: str, **values: Any) -> bool:
    """Swap `before` for `after` if the snapshot still is in `before`."""
    with db.transaction() as connection:
        changed = connection.execute(
            _snapshots.update()
            .where(_snapshots.c.id == snapshot_id, _snapshots.c.status == before)
            .values(status=after, updated_at=now(), **values)
        )
        return bool(changed.rowcount)


@retried
def begin_revert(db: Database, volume: Volume, snapshot_id: str) -> None:
    """The volume is to become its latest snapshot again: both are busy from now on.

    errors.Invalid when the snapshot is not the latest one, or one of them is busy.
    """
    wanted = states.CHANGES["revert"]
    latest = (
        sa.select(_snapshots)
        .where(_snapshots.c.volume_id == volume.id)
        .order_by(_snapshots.c.created_at.desc(), _snapshots.c.id.desc())
    )
    with db.transaction() as connection:
        changed = connection.execute(
            _volumes.update()
            .where(
                _volumes.c.id == volume.id,
                _volumes.c.status.in_(wanted.before),
                ~sa.exists().where(tables.attachments.c.volume_id == _volumes.c.id),
            )
            .values(status=wanted.after, updated_at=now())
        )
        if not changed.rowcount:
            raise volumes.refused(volume, "revert")
        snapshot = connection.execute(latest.limit(1)).one_or_none()
        if snapshot is None or snapshot.id != snapshot_id:
            raise errors.Invalid(
                f"Invalid snapshot: Specified snapshot {snapshot_id} is None or not the latest "
                f"one of volume {volume.id}."
            )
        if snapshot.size_gb != volume.size_gb:
            raise errors.Invalid(
                f"Invalid volume: Can't revert volume {volume.id} to its latest snapshot "
                f"{snapshot_id}. The volume size must be equal to the snapshot size."
            )
        if snapshot.status != states.AVAILABLE:
            raise errors.Invalid(
                f"Invalid snapshot: Snapshot status must be available: snapshot {snapshot_id} is "
                f"{snapshot.status}."
            )
        connection.execute(
            _snapshots.update()
            .where(_snapshots.c.id == snapshot_id)
            .values(status=states.RESTORING, updated_at=now())
        )


@retried
def end_revert(db: Database, volume_id: str, after: str) -> None:
    """The volume is `after`, and its snapshot available again."""
    with db.transaction() as connection:
        connection.execute(
            _volumes.update()
            .where(_volumes.c.id == volume_id, _volumes.c.status == states.REVERTING)
            .values(status=after, updated_at=now())
        )
        connection.execute(
            _snapshots.update()
            .where(_snapshots.c.volume_id == volume_id, _snapshots.c.status == states.RESTORING)
            .values(status=states.AVAILABLE, updated_at=now())
        )


@retried
def begin_delete(db: Database, snapshot: Snapshot, *, force: bool = False) -> None:
    """Mark the snapshot as deleting; errors.Invalid from a status that does not allow it."""
    with db.transaction() as connection:
        conditions = [_snapshots.c.id == snapshot.id]
        if not force:
            conditions.append(_snapshots.c.status.in_(_DELETABLE))
        changed = connection.execute(
            _snapshots.update().where(*conditions).values(status=states.DELETING, updated_at=now())
        )
        if changed.rowcount == 0:
            raise errors.Invalid(
                f"Invalid snapshot: Snapshot status must be {' or '.join(_DELETABLE)}: "
                f"snapshot {snapshot.id} is {snapshot.status}."
            )


def of_volume(db: Database, volume_id: str) -> list[Snapshot]:
    """The snapshots of one volume."""
    return find(db, [_snapshots.c.volume_id == volume_id])


def check_idle(db: Database, volume_id: str) -> None:
    """errors.Invalid while a snapshot of the volume is being made or deleted."""
    for snapshot in of_volume(db, volume_id):
        if snapshot.status not in _DELETABLE:
            raise errors.Invalid(
                f"Invalid volume: snapshot {snapshot.id} of volume {volume_id} is "
                f"{snapshot.status}; try again when it is not."
            )


@retried
def delete(db: Database, snapshot_id: str) -> None:
    """Forget a snapshot. Idempotent."""
    with db.transaction() as connection:
        connection.execute(_snapshots.delete().where(_snapshots.c.id == snapshot_id))

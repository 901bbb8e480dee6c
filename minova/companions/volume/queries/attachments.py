"""Attachments in the DB, always together with the status of their volume.

A volume has one attachment, or several of the same server (a migration has
the old host's and the new host's for a while).
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.volume import states, tables
from minova.companions.volume.queries import volumes
from minova.companions.volume.records import Attachment, Volume, now
from minova.db.engine import Database, retried

_volumes, _attachments = tables.volumes, tables.attachments
_BUSY = (states.RESERVED, states.ATTACHING, states.IN_USE)


def missing(attachment_id: str) -> errors.NotFound:
    return errors.NotFound(resource="Volume attachment", id=attachment_id[:255])


@retried
def add(db: Database, attachment: Attachment, change: str) -> None:
    """Attach by `change` (of states.CHANGES); errors.Invalid if the volume is taken.

    A volume that its server already has may be reserved for it once more, and
    keeps its status.
    """
    wanted = states.CHANGES[change]
    with db.transaction() as connection:
        volume = _locked(connection, attachment.volume_id)
        others = _of(connection, volume.id)
        status = wanted.after
        if others:
            owners = {other.server_id for other in others}
            same = owners == {attachment.server_id} and attachment.server_id is not None
            if change != "reserve" or not same or volume.status not in _BUSY:
                raise _taken(volume)
            status = volume.status
        elif volume.status not in wanted.before:
            raise volumes.refused(volume, change)
        connection.execute(_attachments.insert().values(**vars(attachment)))
        _set_status(connection, volume.id, status)


@retried
def get(db: Database, attachment_id: str, project_id: str | None = None) -> Attachment:
    """The attachment; errors.NotFound, also if its volume is another project's."""
    query = sa.select(_attachments).where(_attachments.c.id == attachment_id)
    if project_id is not None:
        query = query.where(_owned_by(project_id))
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise missing(attachment_id)
    return Attachment(**row._mapping)


@retried
def find(
    db: Database, conditions: Iterable[Any], project_id: str | None = None
) -> list[Attachment]:
    """Attachments that meet all SQL `conditions`, oldest first."""
    query = sa.select(_attachments).where(*conditions)
    if project_id is not None:
        query = query.where(_owned_by(project_id))
    query = query.order_by(_attachments.c.created_at, _attachments.c.id)
    with db.reading() as connection:
        return [Attachment(**row._mapping) for row in connection.execute(query)]


def of_volumes(db: Database, volume_ids: Iterable[str]) -> dict[str, list[Attachment]]:
    """The attachments of each of the volumes."""
    ids = list(volume_ids)
    found: dict[str, list[Attachment]] = {volume_id: [] for volume_id in ids}
    if ids:
        for attachment in find(db, [_attachments.c.volume_id.in_(ids)]):
            found[attachment.volume_id].append(attachment)
    return found


@retried
def connect(
    db: Database, attachment_id: str, host_name: str | None, mountpoint: str | None
) -> tuple[Attachment, Volume]:
    """Note that a host gets the volume, before its export starts. Idempotent.

    One whose guest has the volume already stays `attached`, and its volume in use.
    """
    with db.transaction() as connection:
        attachment, volume = _both(connection, attachment_id)
        if volume.status not in states.CHANGES["connect"].before:
            raise volumes.refused(volume, "connect")
        values: dict[str, Any] = {"connected": True, "host_name": host_name}
        if mountpoint:
            values["mountpoint"] = mountpoint
        if attachment.status != states.ATTACHED:
            values["status"] = states.ATTACHING
        _update(connection, attachment_id, values)
        if volume.status == states.RESERVED:
            _set_status(connection, volume.id, states.ATTACHING)
        return _both(connection, attachment_id)


@retried
def disconnect(db: Database, attachment_id: str) -> None:
    """Take `connect` back: the export did not start."""
    with db.transaction() as connection:
        attachment, volume = _both(connection, attachment_id)
        if attachment.status == states.ATTACHING:
            _update(connection, attachment_id, {"connected": False, "status": states.RESERVED})
            if volume.status == states.ATTACHING:
                _set_status(connection, volume.id, states.RESERVED)


@retried
def complete(db: Database, attachment_id: str, **values: Any) -> None:
    """The guest has the volume: it is in use, and `values` are noted. Idempotent.

    What is only reserved belongs to a server that no host has (it is shelved),
    and is connected when it is back. errors.Invalid if the attachment ends.
    """
    with db.transaction() as connection:
        attachment, volume = _both(connection, attachment_id)
        if attachment.status == states.ATTACHED:
            return
        open_to_it = attachment.status in (states.RESERVED, states.ATTACHING)
        if not open_to_it or volume.status not in _BUSY:
            raise errors.Invalid(
                f"Invalid volume: attachment {attachment_id} is {attachment.status} and its "
                f"volume {volume.status}; connect it before you complete it."
            )
        done = {"status": states.ATTACHED, "attached_at": now()}
        _update(connection, attachment_id, {**done, **values})
        _set_status(connection, volume.id, states.IN_USE)


@retried
def begin_detach(db: Database, attachment_id: str) -> tuple[Attachment, bool]:
    """Mark the attachment as ending; it, and whether it was the last that needs the export."""
    with db.transaction() as connection:
        attachment, volume = _both(connection, attachment_id)
        others = [other for other in _of(connection, volume.id) if other.id != attachment_id]
        _update(connection, attachment_id, {"status": states.DETACHING})
        if not others:
            _set_status(connection, volume.id, states.DETACHING)
        return attachment, not any(_served(other) for other in others)


@retried
def finish_detach(db: Database, attachment_id: str) -> None:
    """The attachment is over; its volume is available if it was the last. Idempotent.

    A volume of which only reservations are left, is reserved.
    """
    with db.transaction() as connection:
        row = connection.execute(
            sa.select(_attachments.c.volume_id).where(_attachments.c.id == attachment_id)
        ).one_or_none()
        if row is None:
            return
        volume = _locked(connection, row.volume_id)
        connection.execute(_attachments.delete().where(_attachments.c.id == attachment_id))
        left = {other.status for other in _of(connection, volume.id)}
        if left <= {states.RESERVED}:
            after = states.RESERVED if left else states.AVAILABLE
            _set_status(connection, volume.id, after)


@retried
def fail_detach(db: Database, attachment_id: str) -> None:
    """The export does not end: the attachment stays, and everybody can see it."""
    with db.transaction() as connection:
        attachment, _ = _both(connection, attachment_id)
        _update(connection, attachment_id, {"status": states.ERROR_DETACHING})
        _set_status(connection, attachment.volume_id, states.ERROR_DETACHING)


@retried
def served_volumes(db: Database, host: str) -> list[tuple[Volume, str]]:
    """The volumes of `host` that have to be exported, each with its attachment's mode."""
    query = (
        sa.select(_volumes, _attachments.c.mode.label("attachment_mode"))
        .join(_attachments, _attachments.c.volume_id == _volumes.c.id)
        .where(
            _volumes.c.host == host,
            _attachments.c.connected,
            _attachments.c.status != states.DETACHING,
        )
    )
    with db.reading() as connection:
        found = {}
        for row in connection.execute(query):
            values = dict(row._mapping)
            mode = values.pop("attachment_mode")
            found[values["id"]] = (Volume(**values), mode)
        return list(found.values())


@retried
def detaching(db: Database, host: str) -> list[Attachment]:
    """The detachments of `host`'s volumes that were begun and not finished."""
    on_host = sa.exists().where(_volumes.c.id == _attachments.c.volume_id, _volumes.c.host == host)
    return find(db, [_attachments.c.status == states.DETACHING, on_host])


@retried
def is_served(db: Database, volume_id: str) -> bool:
    """Whether some attachment needs the volume's export now."""
    query = sa.select(_attachments).where(_attachments.c.volume_id == volume_id)
    with db.reading() as connection:
        return any(_served(Attachment(**row._mapping)) for row in connection.execute(query))


def _served(attachment: Attachment) -> bool:
    return attachment.connected and attachment.status != states.DETACHING


def _owned_by(project_id: str) -> Any:
    return sa.exists().where(
        _volumes.c.id == _attachments.c.volume_id, _volumes.c.project_id == project_id
    )


def _locked(connection: sa.Connection, volume_id: str) -> Volume:
    row = connection.execute(
        sa.select(_volumes).where(_volumes.c.id == volume_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise volumes.missing(volume_id)
    return Volume(**row._mapping)


def _both(connection: sa.Connection, attachment_id: str) -> tuple[Attachment, Volume]:
    """The attachment and its volume, which is locked first, as everywhere."""
    query = sa.select(_attachments).where(_attachments.c.id == attachment_id)
    row = connection.execute(query).one_or_none()
    if row is not None:
        volume = _locked(connection, row.volume_id)
        row = connection.execute(query).one_or_none()
    if row is None:
        raise missing(attachment_id)
    return Attachment(**row._mapping), volume


def _of(connection: sa.Connection, volume_id: str) -> list[Attachment]:
    rows = connection.execute(sa.select(_attachments).where(_attachments.c.volume_id == volume_id))
    return [Attachment(**row._mapping) for row in rows]


def _update(connection: sa.Connection, attachment_id: str, values: dict[str, Any]) -> None:
    connection.execute(
        _attachments.update().where(_attachments.c.id == attachment_id).values(**values)
    )


def _set_status(connection: sa.Connection, volume_id: str, status: str) -> None:
    connection.execute(
        _volumes.update().where(_volumes.c.id == volume_id).values(status=status, updated_at=now())
    )


def _taken(volume: Volume) -> errors.Invalid:
    return errors.Invalid(
        f"Invalid volume: volume {volume.id} is {volume.status} and has an attachment already; "
        "detach it before you attach it elsewhere."
    )

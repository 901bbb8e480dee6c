"""Whom an image is shared with, in the DB."""

from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.image import records, tables
from minova.companions.image.records import Member
from minova.db.engine import Database, retried

_members = tables.members
LIMIT = 128


@retried
def add(db: Database, image_id: str, project_id: str) -> Member:
    """Share an image; errors.Conflict when it is shared already, TooLarge past LIMIT."""
    now = records.now()
    member = Member(image_id, project_id, "pending", now, now)
    try:
        with db.transaction() as connection:
            count = sa.select(sa.func.count()).where(_members.c.image_id == image_id)
            if (connection.execute(count).scalar() or 0) >= LIMIT:
                raise errors.TooLarge(f"Image {image_id} has {LIMIT} members, the most allowed.")
            connection.execute(_members.insert().values(**vars(member)))
    except errors.DuplicateEntry:
        raise errors.Conflict(
            f"Project {project_id} is already a member of image {image_id}."
        ) from None
    return member


def find(db: Database, image_id: str, project_id: str) -> Member | None:
    """One membership, or None."""
    query = _members.select().where(
        _members.c.image_id == image_id, _members.c.project_id == project_id
    )
    with db.reading() as connection:
        row = connection.execute(query).first()
    return _member_of(row) if row else None


def of_image(db: Database, image_id: str) -> list[Member]:
    """Everybody an image is shared with, oldest first."""
    query = (
        _members.select()
        .where(_members.c.image_id == image_id)
        .order_by(_members.c.created_at, _members.c.project_id)
    )
    with db.reading() as connection:
        return [_member_of(row) for row in connection.execute(query)]


@retried
def answer(db: Database, image_id: str, project_id: str, status: str) -> Member | None:
    """Store what a member says to the image; None when it is no member."""
    with db.transaction() as connection:
        connection.execute(
            _members.update()
            .where(_members.c.image_id == image_id, _members.c.project_id == project_id)
            .values(status=status, updated_at=records.now())
        )
    return find(db, image_id, project_id)


@retried
def remove(db: Database, image_id: str, project_id: str) -> bool:
    """Stop sharing; False when the project was no member."""
    with db.transaction() as connection:
        result = connection.execute(
            _members.delete().where(
                _members.c.image_id == image_id, _members.c.project_id == project_id
            )
        )
        return bool(result.rowcount)


def _member_of(row: Any) -> Member:
    return Member(**row._mapping)

"""Reading and changing images in the DB; every change of status is a compare-and-swap."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.image import records, tables
from minova.companions.image.records import Image
from minova.db.engine import Database, retried

_images, _properties, _tags = tables.images, tables.properties, tables.tags
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The fields of a record that are columns of its row.
COLUMNS = tuple(column.name for column in _images.columns)

# The queries of every request, built once.
_ONE = _images.select().where(
    _images.c.id == sa.bindparam("image_id"), _images.c.status != records.DELETED
)
_ONE_LOCKED = _ONE.with_for_update()
_THEIR_PROPERTIES = sa.select(
    _properties.c.image_id, _properties.c.name, _properties.c.value
).where(_properties.c.image_id.in_(sa.bindparam("ids", expanding=True)))
_THEIR_TAGS = (
    sa.select(_tags.c.image_id, _tags.c.tag)
    .where(_tags.c.image_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_tags.c.tag)
)


def is_image_id(text: str) -> bool:
    """Whether `text` has the form of an image id: a lower-case UUID."""
    return _UUID.fullmatch(text) is not None


def not_found(image_id: str) -> errors.NotFound:
    """The answer for an id that is unknown, deleted or not the caller's to see."""
    return errors.NotFound(f"No image found with ID {image_id[:64]}.")


@retried
def create(db: Database, image: Image) -> None:
    """Store a new image; errors.Conflict when its id is or was in use."""
    try:
        with db.transaction() as connection:
            connection.execute(_images.insert().values(**_row_of(image)))
            _write_properties(connection, image.id, image.properties)
            _write_tags(connection, image.id, image.tags)
    except errors.DuplicateEntry:
        raise errors.Conflict(f"Image ID {image.id} already exists!") from None


def get(db: Database, image_id: str) -> Image:
    """One image that is not deleted; errors.NotFound."""
    if not is_image_id(image_id):
        raise not_found(image_id)
    with db.reading() as connection:
        return _load(connection, image_id)


def select(
    db: Database,
    conditions: Iterable[sa.ColumnElement[bool]],
    order: Iterable[sa.ColumnElement[Any]],
    limit: int,
) -> list[Image]:
    """Up to `limit` images that are not deleted and meet all `conditions`."""
    query = (
        _images.select()
        .where(_images.c.status != records.DELETED, *conditions)
        .order_by(*order)
        .limit(limit)
    )
    with db.reading() as connection:
        rows = connection.execute(query).all()
        return _with_details(connection, rows)


@retried
def change(db: Database, image_id: str, apply: Callable[[Image], None]) -> Image:
    """Load an image, let `apply` change it (or raise), store it; all in one transaction.

    `apply` may run twice and must not touch status, sizes or hashes: those
    belong to the transfer that is under way.
    """
    if not is_image_id(image_id):
        raise not_found(image_id)
    with db.transaction() as connection:
        image = _load(connection, image_id, lock=True)
        properties, tags = dict(image.properties), list(image.tags)
        apply(image)
        image.updated_at = records.now()
        connection.execute(
            _images.update().where(_images.c.id == image_id).values(**_row_of(image))
        )
        if image.properties != properties:
            connection.execute(_properties.delete().where(_properties.c.image_id == image_id))
            _write_properties(connection, image_id, image.properties)
        if image.tags != tags:
            connection.execute(_tags.delete().where(_tags.c.image_id == image_id))
            _write_tags(connection, image_id, image.tags)
    return image


@retried
def move(
    db: Database,
    image_id: str,
    source: tuple[str, ...],
    target: str,
    *,
    held: str | None = None,
    **values: Any,
) -> bool:
    """Go from one of the `source` statuses to `target`; False when the image was elsewhere.

    With `held`, only if that transfer still owns the image. `values` are
    columns written along.
    """
    where = [_images.c.id == image_id, _images.c.status.in_(source)]
    if held is not None:
        where.append(_images.c.upload == held)
    with db.transaction() as connection:
        result = connection.execute(
            _images.update().where(*where).values(status=target, updated_at=records.now(), **values)
        )
        return bool(result.rowcount == 1)


@retried
def delete(db: Database, image_id: str) -> None:
    """Forget all of an image but its id. NotFound if gone, Forbidden while protected."""
    with db.transaction() as connection:
        image = _load(connection, image_id, lock=True)
        if image.protected:
            raise errors.Forbidden(
                f"Image {image_id} is protected and cannot be deleted; unset its protection first."
            )
        for table in (_properties, _tags, tables.members):
            connection.execute(table.delete().where(table.c.image_id == image_id))
        connection.execute(
            _images.update()
            .where(_images.c.id == image_id)
            .values(status=records.DELETED, name=None, updated_at=records.now())
        )


def in_transfer(db: Database) -> list[tuple[str, str, str]]:
    """(id, status, upload) of every image whose data is on its way."""
    query = sa.select(_images.c.id, _images.c.status, _images.c.upload).where(
        _images.c.status.in_((records.SAVING, records.UPLOADING))
    )
    with db.reading() as connection:
        return [(row.id, row.status, row.upload or "") for row in connection.execute(query)]


def statuses(db: Database, ids: Iterable[str]) -> dict[str, str]:
    """Status by id, deleted images included; unknown ids are left out."""
    query = sa.select(_images.c.id, _images.c.status).where(_images.c.id.in_(list(ids)))
    with db.reading() as connection:
        return {row.id: row.status for row in connection.execute(query)}


def _load(connection: sa.Connection, image_id: str, lock: bool = False) -> Image:
    row = connection.execute(_ONE_LOCKED if lock else _ONE, {"image_id": image_id}).first()
    if row is None:
        raise not_found(image_id)
    return _with_details(connection, [row])[0]


def _with_details(connection: sa.Connection, rows: Iterable[Any]) -> list[Image]:
    images = {row.id: Image(**row._mapping) for row in rows}
    if not images:
        return []
    ids = {"ids": list(images)}
    for image_id, name, value in connection.execute(_THEIR_PROPERTIES, ids):
        images[image_id].properties[name] = value
    for image_id, tag in connection.execute(_THEIR_TAGS, ids):
        images[image_id].tags.append(tag)
    return list(images.values())


def _row_of(image: Image) -> dict[str, Any]:
    return {name: getattr(image, name) for name in COLUMNS}


def _write_properties(connection: sa.Connection, image_id: str, values: dict[str, str]) -> None:
    if values:
        connection.execute(
            _properties.insert(),
            [{"image_id": image_id, "name": k, "value": v} for k, v in values.items()],
        )


def _write_tags(connection: sa.Connection, image_id: str, values: Iterable[str]) -> None:
    if rows := [{"image_id": image_id, "tag": tag} for tag in dict.fromkeys(values)]:
        connection.execute(_tags.insert(), rows)

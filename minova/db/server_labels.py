"""What users write on their servers, metadata and tags: changed under the row's lock."""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

Label = TypeVar("Label", dict[str, str], list[str])
_instances = tables.instances


@retried
def change_metadata(
    db: Database, uuid: str, change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    """Replace a server's metadata by `change(metadata)`; what it is then. errors.NotFound."""
    return _change(db, uuid, "metadata_", change)


@retried
def change_tags(db: Database, uuid: str, change: Callable[[list[str]], list[str]]) -> list[str]:
    """Replace a server's tags by `change(tags)`; what they are then. errors.NotFound."""
    return _change(db, uuid, "tags", change)


def _change(db: Database, uuid: str, name: str, change: Callable[[Label], Label]) -> Label:
    column = _instances.c[name]
    mine = (_instances.c.uuid == uuid, _instances.c.deleted_at.is_(None))
    with db.transaction() as connection:
        row = connection.execute(sa.select(column).where(*mine).with_for_update()).first()
        if row is None:
            raise errors.NotFound(f"Instance {uuid} could not be found.")
        after = change(row[0])
        if after != row[0]:
            connection.execute(
                _instances.update().where(*mine).values({column: after, "updated_at": utcnow()})
            )
        return after

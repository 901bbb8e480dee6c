"""Key pairs: each user's own."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

_keypairs = tables.keypairs


@dataclass(frozen=True)
class KeyPair:
    """The public half of a key; `type` is ssh or x509."""

    id: int
    user_id: str
    name: str
    type: str
    fingerprint: str
    public_key: str
    created_at: dt.datetime


@retried
def create(
    db: Database,
    *,
    user_id: str,
    name: str,
    type: str,
    fingerprint: str,
    public_key: str,
    limit: int,
) -> KeyPair:
    """Keep a key; errors.Conflict for a taken name.

    errors.QuotaExceeded when the user has `limit` keys already; -1: no limit.
    """
    values: dict[str, Any] = {
        "user_id": user_id,
        "name": name,
        "type": type,
        "fingerprint": fingerprint,
        "public_key": public_key,
        "created_at": utcnow(),
    }
    try:
        with db.transaction() as connection:
            if limit >= 0 and _count(connection, user_id) >= limit:
                raise errors.QuotaExceeded("Quota exceeded, too many key pairs.")
            key = connection.execute(_keypairs.insert().values(**values)).inserted_primary_key
    except errors.DuplicateEntry:
        raise errors.Conflict(f"Key pair '{name}' already exists.") from None
    assert key is not None
    return KeyPair(id=key[0], **values)


def _count(connection: sa.Connection, user_id: str) -> int:
    query = sa.select(sa.func.count(_keypairs.c.id)).where(_keypairs.c.user_id == user_id)
    return int(connection.execute(query).scalar_one())


def get(db: Database, user_id: str, name: str) -> KeyPair:
    """One key; errors.NotFound."""
    query = _keypairs.select().where(_keypairs.c.user_id == user_id, _keypairs.c.name == name)
    with db.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise _not_found(user_id, name)
    return KeyPair(**row._mapping)


def _not_found(user_id: str, name: str) -> errors.NotFound:
    return errors.NotFound(f"Keypair {name[:255]} not found for user {user_id}")


def find(
    db: Database, user_id: str, *, limit: int | None = None, marker: str | None = None
) -> list[KeyPair]:
    """A user's keys by name, at most `limit`, those after the one named `marker`."""
    query = _keypairs.select().where(_keypairs.c.user_id == user_id).order_by(_keypairs.c.name)
    if marker is not None:
        get(db, user_id, marker)
        query = query.where(_keypairs.c.name > marker)
    with db.reading() as connection:
        return [KeyPair(**r._mapping) for r in connection.execute(query.limit(limit))]


@retried
def delete(db: Database, user_id: str, name: str) -> None:
    """Forget a key; errors.NotFound."""
    with db.transaction() as connection:
        gone = connection.execute(
            _keypairs.delete().where(_keypairs.c.user_id == user_id, _keypairs.c.name == name)
        )
        if not gone.rowcount:
            raise _not_found(user_id, name)

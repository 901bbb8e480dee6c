"""The right to open one console of one server once, before a time: a hash of the token.

The token itself is known to whom it was given and to nobody here. Using it
removes the row, and so does the server's deletion.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from minova.db import instances, tables
from minova.db.engine import Database, retried
from minova.model.console import Grant
from minova.model.instance import utcnow

_tokens = tables.console_tokens
_instances = tables.instances


@dataclass(frozen=True)
class ConsoleToken:
    """What a token that has not been used opens: `protocol` (vnc, serial) of an instance."""

    instance_uuid: str
    protocol: str
    host: str


def hash_of(token: str) -> str:
    """Under which a token is kept."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


@retried
def add(db: Database, token: str, instance_uuid: str, protocol: str, seconds: int) -> None:
    """Let `token` open the console for `seconds`; those whose time has passed go."""
    now = utcnow()
    with db.transaction() as connection:
        connection.execute(_tokens.delete().where(_tokens.c.expires_at <= now))
        connection.execute(
            _tokens.insert().values(
                token_hash=hash_of(token),
                instance_uuid=instance_uuid,
                protocol=protocol,
                created_at=now,
                expires_at=now + dt.timedelta(seconds=seconds),
            )
        )


def find(db: Database, token: str) -> ConsoleToken | None:
    """What `token` would open now; None if nothing (any more)."""
    with db.reading() as connection:
        row = connection.execute(_valid(hash_of(token))).first()
    return ConsoleToken(row.instance_uuid, row.protocol, row.host) if row is not None else None


@retried
def use(db: Database, token_hash: str, host: str) -> Grant | None:
    """Use up a token for a console on `host`; None if it opens none there (any more)."""
    with db.transaction() as connection:
        row = connection.execute(_valid(token_hash).where(_instances.c.host == host)).first()
        if row is None:
            return None
        used = connection.execute(_tokens.delete().where(_tokens.c.token_hash == token_hash))
        if not used.rowcount:
            return None  # by another connection, at the same time
        return Grant(instances.get_on(connection, row.instance_uuid), row.protocol)


def delete_of(connection: sa.Connection, instance_uuid: str) -> None:
    """A server's tokens open nothing from now on."""
    connection.execute(_tokens.delete().where(_tokens.c.instance_uuid == instance_uuid))


def _valid(token_hash: str) -> sa.Select[tuple[str, str, str]]:
    return (
        sa.select(_tokens.c.instance_uuid, _tokens.c.protocol, _instances.c.host)
        .join(_instances, _instances.c.uuid == _tokens.c.instance_uuid)
        .where(
            _tokens.c.token_hash == token_hash,
            _tokens.c.expires_at > utcnow(),
            _instances.c.deleted_at.is_(None),
            _instances.c.host.is_not(None),
        )
    )

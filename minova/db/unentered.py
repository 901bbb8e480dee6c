"""Launches whose volumes are being asked for, and which are not entered yet.

The row is there before the first volume is: should nova-api die before the
launch has entered the DB, it says for whom volumes were reserved and made.
Entering the launch (`db.launches`) removes it, and cannot any more once
somebody has begun to clear away (`overdue`).
"""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

_unentered = tables.unentered
# For what was asked for and not answered: it may still be made.
_LATE_SECONDS = 30


@retried
def announce(db: Database, uuids: Sequence[str], seconds: float) -> None:
    """Servers of these uuids are about to get volumes; they have to be entered in `seconds`."""
    until = utcnow() + dt.timedelta(seconds=seconds)
    with db.transaction() as connection:
        connection.execute(
            _unentered.insert(),
            [{"server_uuid": uuid, "until": until, "given_up": False} for uuid in uuids],
        )


def entered(connection: sa.Connection, uuids: Sequence[str]) -> None:
    """These are entered, in the caller's transaction; errors.Unavailable when it is too late."""
    gone = connection.execute(
        _unentered.delete().where(
            _unentered.c.server_uuid.in_(uuids), _unentered.c.given_up.is_(False)
        )
    )
    if gone.rowcount != len(uuids):
        raise errors.Unavailable("The volumes of the launch took too long; try again later.")


@retried
def give_up(db: Database, uuids: Sequence[str]) -> None:
    """These are not entered; whatever they may still get is looked for, a little later."""
    if not uuids:
        return
    until = utcnow() + dt.timedelta(seconds=_LATE_SECONDS)
    with db.transaction() as connection:
        connection.execute(
            _unentered.update()
            .where(_unentered.c.server_uuid.in_(uuids))
            .values(given_up=True, until=until)
        )


def overdue(db: Database, seconds: float) -> list[str]:
    """Whose time is over: nobody can enter them now, and for `seconds` they are the caller's."""
    with db.reading() as connection:
        query = sa.select(_unentered.c.server_uuid).where(_unentered.c.until < utcnow())
        found = list(connection.execute(query).scalars())
    return [uuid for uuid in found if _taken(db, uuid, seconds)]


@retried
def _taken(db: Database, uuid: str, seconds: float) -> bool:
    now = utcnow()
    with db.transaction() as connection:
        return bool(
            connection.execute(
                _unentered.update()
                .where(_unentered.c.server_uuid == uuid, _unentered.c.until < now)
                .values(given_up=True, until=now + dt.timedelta(seconds=seconds))
            ).rowcount
        )


@retried
def forget(db: Database, uuid: str) -> None:
    """Nothing is left of it."""
    with db.transaction() as connection:
        connection.execute(_unentered.delete().where(_unentered.c.server_uuid == uuid))

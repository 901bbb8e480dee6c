"""Usage audits: each host's for each period, who begins it, and how it went."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from minova.common import errors
from minova.db import instances, tables
from minova.db.engine import Database, retried
from minova.model.audit_period import Period
from minova.model.instance import Instance, utcnow

_audits, _instances = tables.usage_audits, tables.instances
RUNNING, DONE = "RUNNING", "DONE"


@dataclass(frozen=True)
class UsageAudit:
    """One row."""

    host: str
    state: str
    message: str
    instances: int
    errors: int


@retried
def begin(db: Database, host: str, period: Period, seconds: float) -> bool:
    """Whether the host's audit of the period is the caller's now.

    Not if it is done, or was begun less than `seconds` ago.
    """
    now = utcnow()
    values = {"state": RUNNING, "started_at": now, "message": "", "instances": 0, "errors": 0}
    try:
        with db.transaction() as connection:
            again = connection.execute(
                _audits.update()
                .where(
                    *_of(host, period),
                    _audits.c.state == RUNNING,
                    _audits.c.started_at < now - dt.timedelta(seconds=seconds),
                )
                .values(**values)
            )
            if again.rowcount:
                return True
            connection.execute(
                _audits.insert().values(
                    host=host, period_beginning=period[0], period_ending=period[1], **values
                )
            )
            return True
    except errors.DuplicateEntry:
        return False


@retried
def finish(
    db: Database, host: str, period: Period, *, message: str, instances: int, errors: int
) -> None:
    """It is done: of so many instances it was told, or could not be."""
    values = {"state": DONE, "message": message[:255], "instances": instances, "errors": errors}
    with db.transaction() as connection:
        connection.execute(_audits.update().where(*_of(host, period)).values(**values))


def is_done(db: Database, host: str, period: Period) -> bool:
    """Whether the host's audit of the period is done."""
    query = sa.select(_audits.c.state).where(*_of(host, period))
    with db.reading() as connection:
        return bool(connection.execute(query).scalar() == DONE)


def of_period(db: Database, period: Period) -> list[UsageAudit]:
    """The audits of a period, by host."""
    columns = [_audits.c[name] for name in ("host", "state", "message", "instances", "errors")]
    query = sa.select(*columns).where(
        _audits.c.period_beginning == period[0], _audits.c.period_ending == period[1]
    )
    with db.reading() as connection:
        return [UsageAudit(*row) for row in connection.execute(query.order_by(_audits.c.host))]


def instances_in(
    db: Database, host: str, period: Period, *, after: int, limit: int
) -> list[Instance]:
    """What the host had in the period, deleted since or not, from the row `after` on."""
    terminated = _instances.c.terminated_at
    query = (
        _instances.select()
        .where(
            _instances.c.host == host,
            _instances.c.id > after,
            _instances.c.launched_at < period[1],
            sa.or_(terminated.is_(None), terminated > period[0]),
        )
        .order_by(_instances.c.id)
        .limit(limit)
    )
    with db.reading() as connection:
        return instances.whole(connection, connection.execute(query).all())


def _of(host: str, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _audits.c.host == host,
        _audits.c.period_beginning == period[0],
        _audits.c.period_ending == period[1],
    )

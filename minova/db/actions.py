"""Instance actions and their events: what was done to a server, and how it went."""

from typing import Any

import sqlalchemy as sa

from minova.common.context import RequestContext
from minova.db import notices, tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

_actions = tables.instance_actions
_events = tables.instance_action_events


def start(
    connection: sa.Connection,
    ctxt: RequestContext,
    uuid: str,
    action: str,
    request: dict[str, Any] | None = None,
) -> int:
    """Record that `action` begins; its id. `request` is what its work will ask for."""
    now = utcnow()
    values = {
        "instance_uuid": uuid,
        "action": _NAMES.get(action, action),
        "request_id": ctxt.request_id,
        "user_id": ctxt.user_id,
        "project_id": ctxt.project_id,
        "start_time": now,
        "updated_at": now,
    }
    key = connection.execute(_actions.insert(), values).inserted_primary_key
    assert key is not None
    notices.began(connection, ctxt, uuid, action, request or {})
    return int(key[0])


# Our rows of states.ACTIONS whose name differs from the action clients list.
_NAMES = {"reboot_hard": "reboot", "forceDelete": "delete", "softDelete": "delete"}


def finish(
    connection: sa.Connection,
    action_id: int | None,
    message: str | None,
    request: dict[str, Any] | None = None,
) -> None:
    """Record the end of an action; `message` when it failed. `request`: as of `start`, if it had
    no work."""
    if action_id is None:
        return
    now = utcnow()
    connection.execute(
        _actions.update()
        .where(_actions.c.id == action_id)
        .values(finish_time=now, updated_at=now, message=message[:255] if message else None)
    )
    notices.ended(connection, action_id, message, request)


@retried
def record(db: Database, ctxt: RequestContext, uuid: str, action: str) -> None:
    """Record an action that is done when one hears of it."""
    with db.transaction() as connection:
        finish(connection, start(connection, ctxt, uuid, action), None)


@retried
def add_event(db: Database, action_id: int, event: str, **values: Any) -> None:
    """`insert_event` in a transaction of its own."""
    with db.transaction() as connection:
        insert_event(connection, action_id, event, **values)


def insert_event(
    connection: sa.Connection,
    action_id: int | None,
    event: str,
    *,
    started: Any,
    result: str,
    host: str | None,
    details: str | None = None,
    traceback: str | None = None,
) -> None:
    """Record a finished event of an action; `result` is Success or Error."""
    if action_id is None:
        return
    values = {
        "action_id": action_id,
        "event": event,
        "start_time": started,
        "finish_time": utcnow(),
        "result": result,
        "host": host,
        "details": details,
        "traceback": traceback,
    }
    connection.execute(_events.insert(), values)


def of_instance(db: Database, uuid: str) -> list[dict[str, Any]]:
    """An instance's actions, newest first."""
    query = _actions.select().where(_actions.c.instance_uuid == uuid).order_by(_actions.c.id.desc())
    with db.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def events_of(db: Database, action_id: int) -> list[dict[str, Any]]:
    """An action's events, newest first."""
    query = _events.select().where(_events.c.action_id == action_id).order_by(_events.c.id.desc())
    with db.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def message_of(db: Database, action_id: int | None) -> str | None:
    """Why an action failed; None if it did not."""
    query = sa.select(_actions.c.message).where(_actions.c.id == action_id)
    with db.reading() as connection:
        return connection.execute(query).scalar_one_or_none()

"""Tells of the beginning and the end of actions, and of changes of state.

Every action passes `began` and `ended` (db.actions) in the transaction that
writes it: what is told is what is written, and it is sent after the commit.
Nothing is read or made when nobody is told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from minova.common import notices
from minova.common.context import RequestContext
from minova.common.notices import Notice
from minova.db import instances, tables
from minova.db.engine import after_commit
from minova.model import notices as payloads
from minova.model.instance import Instance

_actions, _work, _instances = tables.instance_actions, tables.work, tables.instances


def began(connection: sa.Connection, ctxt: RequestContext, uuid: str, action: str) -> None:
    """`action` of model.states begins: instance.<event>.start."""
    if notices.on():
        _tell(connection, uuid, action, "start", ctxt.to_wire())


def ended(connection: sa.Connection, action_id: int, message: str | None) -> None:
    """It is over: instance.<event>.end or, with the `message` of a failure, .error."""
    if not notices.on():
        return
    row = connection.execute(_actions.select().where(_actions.c.id == action_id)).first()
    if row is None:
        return
    # The record has the clients' word for the action; its work, if it has any, has ours.
    ours = connection.execute(sa.select(_work.c.action).where(_work.c.action_id == action_id))
    action = ours.scalar() or row.action
    who = {key: getattr(row, key) for key in ("request_id", "user_id", "project_id")}
    phase = "end" if message is None else "error"
    _tell(connection, row.instance_uuid, action, phase, who, message)


def _tell(
    connection: sa.Connection,
    uuid: str,
    action: str,
    phase: str,
    who: dict[str, Any],
    message: str | None = None,
) -> None:
    instance = instances.get_on(connection, uuid, deleted=True)
    make = payloads.creation if action == "create" else payloads.action
    payload = make(instance, who, message)
    event = f"{payloads.event_of(action)}.{phase}"
    _send_after(connection, Notice(event, payload, _publisher(instance), who, bool(message)))


@contextmanager
def changing(
    connection: sa.Connection, uuid: str, ctxt: RequestContext | None = None
) -> Iterator[None]:
    """Around a change of an instance's state: instance.update, if that is asked for."""
    wanted = cfg.CONF.notifications.notify_on_state_change if notices.on() else None
    if wanted is None:
        yield
        return
    before = _state(connection, uuid)
    yield
    after = _state(connection, uuid)
    if before is None or after is None or before == after:
        return
    if before[0] == after[0] and wanted == "vm_state":
        return
    instance = instances.get_on(connection, uuid, deleted=True)
    who = {} if ctxt is None else ctxt.to_wire()
    payload = payloads.update(instance, who, before)
    _send_after(connection, Notice("instance.update", payload, _publisher(instance), who))


def _state(connection: sa.Connection, uuid: str) -> tuple[str, str | None] | None:
    columns = (_instances.c.vm_state, _instances.c.task_state)
    row = connection.execute(sa.select(*columns).where(_instances.c.uuid == uuid)).first()
    return None if row is None else (row.vm_state, row.task_state)


def _publisher(instance: Instance) -> str:
    return f"nova-compute:{instance.host}" if instance.host else f"nova-api:{cfg.CONF.host}"


def _send_after(connection: sa.Connection, notice: Notice) -> None:
    after_commit(connection, lambda: notices.send(notice))

"""Tells of the beginning, the steps and the end of actions, and of changes of state.

Every action passes `began` and `ended` (db.actions) in the transaction that
writes it, and `passed` where its task_state changes: what is told is what is
written, and it is sent after the commit. Which events that are, says
`model.notice_events`. Nothing is read or made when nobody is told.
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
from minova.model import audit_period, notice_events
from minova.model import notice_resources as resources
from minova.model import notices as payloads
from minova.model.instance import Instance, utcnow
from minova.model.notices import Json

_actions, _work, _instances = tables.instance_actions, tables.work, tables.instances
_WHO = ("request_id", "user_id", "project_id")


def began(
    connection: sa.Connection, ctxt: RequestContext, uuid: str, action: str, request: Json
) -> None:
    """`action` of model.states begins; `request` is that of its work."""
    if notices.on():
        _tell(connection, uuid, notice_events.of(action).begins, ctxt.to_wire(), request)


def passed(connection: sa.Connection, work_id: str, uuid: str, task: str | None) -> None:
    """The work has brought the instance to this task_state."""
    if notices.on() and task is not None:
        found = _of_work(connection, _work.c.id == work_id)
        if found is not None:
            told = notice_events.of(found.action)
            _tell(connection, uuid, told.passes.get(task, ()), found.context, found.request)


def placed(connection: sa.Connection, work_id: str, uuid: str) -> None:
    """A host is found for what the work is about."""
    if notices.on():
        found = _of_work(connection, _work.c.id == work_id)
        if found is not None:
            events = notice_events.of(found.action).placed
            _tell(connection, uuid, events, found.context, found.request)


def ended(
    connection: sa.Connection, action_id: int, message: str | None, request: Json | None
) -> None:
    """It is over, or has failed for the reason of `message`.

    `request` is what its work has asked for, where it had no work.
    """
    if not notices.on():
        return
    row = connection.execute(_actions.select().where(_actions.c.id == action_id)).first()
    if row is None:
        return
    # The record has the clients' word for the action; its work, if it has any, has ours.
    work = _of_work(connection, _work.c.action_id == action_id)
    told = notice_events.of(work.action if work is not None else row.action)
    who = {key: getattr(row, key) for key in _WHO}
    asked = work.request if work is not None else (request or {})
    if message is not None:
        unplaced = told.unplaced if work is not None and work.stage == "schedule" else ()
        _tell(connection, row.instance_uuid, unplaced or told.fails, who, asked, message)
        return
    events = told.ends
    if told.ends_in:
        state = _state(connection, row.instance_uuid)
        events = told.ends_in.get(state[0], events) if state is not None else events
    _tell(connection, row.instance_uuid, events, who, asked)


def broke(connection: sa.Connection, owner: str | None, who: Json, message: str) -> None:
    """A nova-compute, the `owner` of a work, could not do it: compute.exception."""
    program, _, rest = (owner or "").partition("@")
    if notices.on() and program == "nova-compute":
        publisher = f"{program}:{rest.rpartition('/')[0]}"
        payload = payloads.exception(message)
        _send_after(connection, Notice("compute.exception", payload, publisher, who, failed=True))


def _of_work(connection: sa.Connection, mine: sa.ColumnElement[bool]) -> Any:
    """Columns of the one work that is `mine`; None if there is none."""
    columns = (_work.c.action, _work.c.stage, _work.c.request, _work.c.context)
    return connection.execute(sa.select(*columns).where(mine)).first()


def _tell(
    connection: sa.Connection,
    uuid: str,
    events: notice_events.Events,
    who: Json,
    request: Json,
    message: str | None = None,
) -> None:
    if not events:
        return
    instance = instances.get_on(connection, uuid, deleted=True)
    told = _done(instance, who, request, message)
    for event in events:
        if event.startswith("compute_task."):
            payload: Json | None = resources.compute_task(instance, request, message or "")
        else:
            payload = payloads.of_event(event, told)
        if payload is not None:
            publisher, failed = _publisher(event, instance), event.endswith(".error")
            _send_after(connection, Notice(event, payload, publisher, who, failed))


def _done(
    instance: Instance, who: Json, request: Json | None = None, message: str | None = None
) -> payloads.Done:
    period = audit_period.current(cfg.CONF.instance_usage_audit_period, utcnow())
    who = {key: who.get(key) for key in _WHO}
    return payloads.Done(instance, who, period, request or {}, message)


def joined(connection: sa.Connection, ctxt: RequestContext, group: Any) -> None:
    """Servers have become members of a server group, which is as `group` says now."""
    payload = resources.server_group(group)
    event = "server_group.add_member"
    publisher = f"nova-api:{cfg.CONF.host}"
    _send_after(connection, Notice(event, payload, publisher, ctxt.to_wire()))


def new_service(connection: sa.Connection, service: Any) -> None:
    """A service says for the first time that it lives."""
    if notices.on():
        payload = resources.service(service)
        publisher = f"{service.binary}:{service.host}"
        _send_after(connection, Notice("service.create", payload, publisher, {}))


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
    payload = payloads.update(_done(instance, who), before)
    publisher = _publisher("instance.update", instance)
    _send_after(connection, Notice("instance.update", payload, publisher, who))


def update_of(instance: Instance, ctxt: RequestContext) -> Json:
    """The payload of instance.update when no state has changed."""
    before = (instance.vm_state, instance.task_state)
    return payloads.update(_done(instance, ctxt.to_wire()), before)


def _state(connection: sa.Connection, uuid: str) -> tuple[str, str | None] | None:
    columns = (_instances.c.vm_state, _instances.c.task_state)
    row = connection.execute(sa.select(*columns).where(_instances.c.uuid == uuid)).first()
    return None if row is None else (row.vm_state, row.task_state)


def _publisher(event: str, instance: Instance) -> str:
    program = notice_events.sender(event)
    if program == "nova-compute" and instance.host is None:
        program = "nova-api"
    host = instance.host if program == "nova-compute" else cfg.CONF.host
    return f"{program}:{host}"


def _send_after(connection: sa.Connection, notice: Notice) -> None:
    after_commit(connection, lambda: notices.send(notice))

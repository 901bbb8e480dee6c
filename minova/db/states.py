"""Moves instances along the rows of `model.states.ACTIONS`.

`begin` is a compare-and-swap: it starts an action only from a state that
allows it, and in the same transaction records the action and its work in
flight. `advance` is the swap between two task_states of a running action.
`finish` and `fail` end it: state, fault, action record and work change in
one transaction, so that none can be seen without the others.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import actions, allocations, console_tokens, instances, moves, notices, tables, work
from minova.db.engine import Database, retried
from minova.model import states
from minova.model.instance import Instance, utcnow
from minova.model.work import Work

_instances = tables.instances
Within = Callable[[sa.Connection, Instance], dict[str, Any]]


@retried
def begin(
    db: Database,
    ctxt: RequestContext,
    uuid: str,
    action: str,
    *,
    lease_seconds: float,
    word: str | None = None,
    request: dict[str, Any] | None = None,
    stage: str | None = None,
    within: Within | None = None,
) -> Work:
    """Start `action` on the instance, or raise errors.Conflict in Nova's words.

    `word` is the action's name in that message, where the client's differs.
    The work is for the instance's host, or for the conductor if it has none;
    or it begins at `stage`, without a host. `within` does more in the same
    transaction, may refuse, and answers what the work's request holds besides
    (its `host`: whose work it is, if not that of the instance's host).
    """
    row = states.ACTIONS[action]
    with db.transaction() as connection:
        instance = instances.get_on(connection, uuid)
        check(ctxt, instance, action, word=word)
        # Also for an action that leaves the state alone: it must not begin beside a delete.
        task = row.tasks[0] if row.tasks else instance.task_state
        with notices.changing(connection, uuid, ctxt):
            swapped = connection.execute(
                _instances.update()
                .where(_unchanged(instance))
                .values(task_state=task, updated_at=utcnow())
            )
        if not swapped.rowcount:
            raise errors.Conflict(
                f"Cannot '{word or action}' instance {uuid}: another action began at the "
                "same time. Try again."
            )
        more = within(connection, instance) if within is not None else {}
        if row.success in (states.DELETED, states.SOFT_DELETED):
            more["unfinished_images"] = work.unfinished_images(connection, uuid)
            console_tokens.delete_of(connection, uuid)
            _end_others(connection, uuid, "The server was deleted.")
        elif row.tasks and instance.task_state is not None:
            _end_others(connection, uuid, f"A {word or action} took the server over.")
        host = None if stage else more.pop("host", instance.host)
        request = {**(request or {}), **more}
        action_id = actions.start(connection, ctxt, uuid, action, request)
        return work.add(
            connection,
            instance_uuid=uuid,
            action=action,
            stage=stage or ("host" if host else "conductor"),
            host=host,
            context=ctxt.to_wire(),
            request=request,
            action_id=action_id,
            lease_seconds=lease_seconds,
        )


@retried
def at_once(
    db: Database,
    ctxt: RequestContext,
    uuid: str,
    action: str,
    change: Callable[[sa.Connection, Instance], None],
    request: dict[str, Any] | None = None,
) -> None:
    """An action that is done with its transaction, because no host has the instance.

    `request` is what its work would have asked for, if it had one.
    Raises errors.Conflict as `begin` does, or when a host has it by now.
    """
    with db.transaction() as connection:
        instance = instances.get_on(connection, uuid)
        check(ctxt, instance, action)
        swapped = connection.execute(
            _instances.update().where(_unchanged(instance)).values(updated_at=utcnow())
        )
        if instance.host is not None or not swapped.rowcount:
            raise errors.Conflict(
                f"Cannot '{action}' instance {uuid}: another action began at the same time. "
                "Try again."
            )
        change(connection, instance)
        action_id = actions.start(connection, ctxt, uuid, action, request)
        actions.finish(connection, action_id, None, request)


def check(
    ctxt: RequestContext, instance: Instance, action: str, *, word: str | None = None
) -> None:
    """Raise what `begin` would, before anything else is made for the action."""
    refusal = states.refusal(
        states.ACTIONS[action],
        uuid=instance.uuid,
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        launched=instance.launched_at is not None,
        hosted=instance.host is not None,
        locked=instance.locked and not ctxt.is_admin and "admin" not in (ctxt.roles or []),
        word=word,
    )
    if refusal:
        raise errors.Conflict(refusal)


def _end_others(connection: sa.Connection, uuid: str, message: str) -> None:
    """From now on, nothing else in flight may move the instance."""
    for action_id in work.end_all(connection, uuid):
        actions.finish(connection, action_id, message)


def _unchanged(instance: Instance) -> sa.ColumnElement[bool]:
    task = _instances.c.task_state
    return sa.and_(
        _instances.c.uuid == instance.uuid,
        _instances.c.deleted_at.is_(None),
        _instances.c.vm_state == instance.vm_state,
        task.is_(None) if instance.task_state is None else task == instance.task_state,
        _instances.c.host.is_(None)
        if instance.host is None
        else _instances.c.host == instance.host,
    )


def taken(db: Database, entry: Work) -> None:
    """The host of the work has taken it: the second task_state, if the action's row says so."""
    row = states.ACTIONS.get(entry.action)
    if row is not None and row.taken:
        _taken(db, entry, row.tasks[0], row.tasks[1])


@retried
def _taken(db: Database, entry: Work, first: str, then: str) -> None:
    uuid = entry.instance_uuid
    with db.transaction() as connection, notices.changing(connection, uuid):
        connection.execute(
            _instances.update()
            .where(
                _instances.c.uuid == uuid,
                _instances.c.deleted_at.is_(None),
                _instances.c.task_state == first,
            )
            .values(task_state=then, updated_at=utcnow())
        )


@retried
def advance(
    db: Database,
    work_id: str,
    owner: str,
    uuid: str,
    expected: list[str | None],
    task: str | None,
    **values: Any,
) -> None:
    """Go to the next task_state of an action that `owner` is doing, and write `values` with it.

    Raises errors.Conflict when the work has another owner by now or the
    instance's task_state is none of `expected`, as when it is being deleted.
    """
    with db.transaction() as connection:
        if not work.owned(connection, work_id, owner):
            raise errors.Conflict(f"The work on instance {uuid} has been taken over by another.")
        column = _instances.c.task_state
        allowed = sa.or_(*(column.is_(None) if e is None else column == e for e in expected))
        with notices.changing(connection, uuid):
            swapped = connection.execute(
                _instances.update()
                .where(_instances.c.uuid == uuid, _instances.c.deleted_at.is_(None), allowed)
                .values(task_state=task, updated_at=utcnow(), **values)
            )
        if not swapped.rowcount:
            raise errors.Conflict(f"Instance {uuid} is no longer in the state this action left it.")
        moves.followed(connection, uuid, task)
        notices.passed(connection, work_id, uuid, task)


@retried
def finish(
    db: Database,
    entry: Work,
    owner: str | None,
    *,
    expected: list[str | None] | None = None,
    vm_state: str | None = None,
    event: dict[str, Any] | None = None,
    **values: Any,
) -> list[str]:
    """The action succeeded: its row's vm_state (or `vm_state`), idle, `values` besides.

    `event` is what actions.insert_event shall record with it.

    With `owner`, raises errors.Conflict if that is no longer the owner; with
    `expected`, if the task_state is none of these. Idempotent: the action
    ended already, nothing happens. Answers the hosts that may have kept
    something of an instance that is gone.
    """
    row = states.ACTIONS[entry.action]
    after = vm_state or row.success
    with db.transaction() as connection:
        if not _still_ours(connection, entry, owner):
            return []
        changes: dict[str, Any] = {"updated_at": utcnow(), **values}
        if row.tasks:
            changes["task_state"] = None
        if after is not None:
            changes["vm_state"] = after
        if after == states.DELETED:
            changes.update(deleted_at=utcnow(), terminated_at=utcnow())
            allocations.release(connection, entry.instance_uuid)
        if after == states.SHELVED_OFFLOADED:
            changes.update(host=None, node=None)
            allocations.release(connection, entry.instance_uuid)
        query = _instances.update().where(
            _instances.c.uuid == entry.instance_uuid, _instances.c.deleted_at.is_(None)
        )
        if expected is not None:
            column = _instances.c.task_state
            query = query.where(
                sa.or_(*(column.is_(None) if e is None else column == e for e in expected))
            )
        with notices.changing(connection, entry.instance_uuid):
            changed = connection.execute(query.values(**changes)).rowcount
        if not changed:
            raise errors.Conflict(
                f"Instance {entry.instance_uuid} is no longer in the state this action left it."
            )
        if event is not None:
            actions.insert_event(connection, entry.action_id, **event)
        actions.finish(connection, entry.action_id, None)
        if after == states.DELETED:
            work.end_all(connection, entry.instance_uuid)
        else:
            work.end(connection, entry.id)
        return moves.ended(connection, entry, succeeded=True)


@retried
def fail(
    db: Database,
    entry: Work,
    owner: str | None,
    *,
    code: int,
    message: str,
    details: str = "",
    vm_state: str | None = None,
    power_state: int | None = None,
    release: bool = False,
) -> None:
    """The action failed: its row's vm_state (or `vm_state`), idle, with a fault.

    A fault is kept only where the instance ends in ERROR; otherwise the
    action's record says what happened. An instance being deleted keeps its
    state. `release` gives back its claim and host. Idempotent.
    """
    row = states.ACTIONS[entry.action]
    after = vm_state or row.failure
    with db.transaction() as connection:
        if not _still_ours(connection, entry, owner):
            return
        changes: dict[str, Any] = {"updated_at": utcnow()}
        if row.tasks:
            changes["task_state"] = None
        if after is not None:
            changes["vm_state"] = after
        if power_state is not None:
            changes["power_state"] = power_state
        if release or _stays_offloaded(connection, entry):
            changes.update(host=None, node=None)
            allocations.release(connection, entry.instance_uuid)
        query = _instances.update().where(
            _instances.c.uuid == entry.instance_uuid, _instances.c.deleted_at.is_(None)
        )
        if entry.action not in ("delete", "forceDelete"):
            column = _instances.c.task_state
            query = query.where(sa.or_(column.is_(None), column != states.DELETING))
        with notices.changing(connection, entry.instance_uuid):
            written = connection.execute(query.values(**changes)).rowcount
        if written:
            moves.ended(connection, entry, succeeded=False)
        if written and after == states.ERROR:
            _add_fault(connection, entry.instance_uuid, code, message, details)
        actions.finish(connection, entry.action_id, message)
        notices.broke(connection, owner, entry.context, message)
        work.end(connection, entry.id)


def _stays_offloaded(connection: sa.Connection, entry: Work) -> bool:
    """Whether a failed unshelve leaves the instance without a host, as it was before."""
    if entry.action != "unshelve":
        return False
    query = sa.select(_instances.c.vm_state).where(_instances.c.uuid == entry.instance_uuid)
    return bool(connection.execute(query).scalar() == states.SHELVED_OFFLOADED)


def _still_ours(connection: sa.Connection, entry: Work, owner: str | None) -> bool:
    """False when the action has ended; errors.Conflict when another owns it now."""
    current = work.owner_of(connection, entry.id)
    if current is None:
        return False
    if owner is not None and current != owner:
        raise errors.Conflict(
            f"The work on instance {entry.instance_uuid} has been taken over by another."
        )
    return True


def _add_fault(connection: sa.Connection, uuid: str, code: int, message: str, details: str) -> None:
    connection.execute(
        tables.instance_faults.insert().values(
            instance_uuid=uuid,
            code=code,
            message=message[:255],
            details=details,
            created_at=utcnow(),
        )
    )


@retried
def reset(db: Database, ctxt: RequestContext, uuid: str, vm_state: str) -> None:
    """An admin's os-resetState: `active` or `error`, idle; nothing in flight survives."""
    with db.transaction() as connection:
        with notices.changing(connection, uuid, ctxt):
            connection.execute(
                _instances.update()
                .where(_instances.c.uuid == uuid)
                .values(
                    vm_state=vm_state, task_state=None, soft_deleted_at=None, updated_at=utcnow()
                )
            )
        for action_id in work.end_all(connection, uuid):
            actions.finish(connection, action_id, "An administrator reset the server's state.")
        actions.finish(connection, actions.start(connection, ctxt, uuid, "resetState"), None)
        moves.abandoned(connection, uuid)


@retried
def set_lock(db: Database, ctxt: RequestContext, uuid: str, action: str, **values: Any) -> None:
    """`lock` or `unlock` an instance: its record, and that it was done, at once."""
    with db.transaction() as connection:
        instances.update_on(connection, uuid, **values)
        actions.finish(connection, actions.start(connection, ctxt, uuid, action), None)


@retried
def power_state_seen(db: Database, uuid: str, host: str, power_state: int) -> bool:
    """What `host` saw happen to its idle instance (see states.SEEN); False if it was not idle."""
    with db.transaction() as connection:
        try:
            instance = instances.get_on(connection, uuid)
        except errors.NotFound:
            return False
        if instance.task_state is not None or instance.host != host:
            return False
        vm_state = states.SEEN.get((instance.vm_state, power_state), instance.vm_state)
        if (vm_state, power_state) == (instance.vm_state, instance.power_state):
            return True
        values = {"vm_state": vm_state, "power_state": power_state, "updated_at": utcnow()}
        seen = _instances.update().where(_unchanged(instance)).values(**values)
        with notices.changing(connection, uuid):
            return bool(connection.execute(seen).rowcount)

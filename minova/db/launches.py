"""The moment a launch becomes true: quota, instances, actions and work in one transaction."""

from typing import Any

import sqlalchemy as sa

from minova.common import errors, notices
from minova.common.context import RequestContext
from minova.db import actions, instances, quotas, server_groups, tables, unentered, work
from minova.db import notices as told
from minova.db.engine import Database, retried
from minova.model import states
from minova.model.instance import Instance
from minova.model.work import Work

_instances = tables.instances


@retried
def create(
    db: Database,
    ctxt: RequestContext,
    wanted: list[Instance],
    *,
    lease_seconds: float,
    minimum: int = 1,
    request: dict[str, object] | None = None,
    group: str | None = None,
    announced: bool = False,
) -> list[tuple[Instance, Work]]:
    """Enter as many of `wanted` as the quota allows, at least `minimum`.

    All are of one flavor, project and user, and become members of the server
    group `group`; `announced` (see db.unentered) they are if they have volumes.
    Raises errors.QuotaExceeded, or errors.Unavailable when it is too late for
    them, with nothing entered. Two requests of a project are checked one after
    the other.
    """
    with db.transaction() as connection:
        count = _allowed(connection, wanted, minimum)
        if group is not None:
            _join(connection, group, wanted[:count])
        if announced:
            unentered.entered(connection, [instance.uuid for instance in wanted[:count]])
        entered = []
        for instance in wanted[:count]:
            instance = instances.insert(connection, instance)
            action_id = actions.start(connection, ctxt, instance.uuid, "create")
            entry = work.add(
                connection,
                instance_uuid=instance.uuid,
                action="create",
                stage="schedule",
                host=None,
                context=ctxt.to_wire(),
                request=dict(request or {}),
                action_id=action_id,
                lease_seconds=lease_seconds,
            )
            entered.append((instance, entry))
        if group is not None and notices.on():
            told.joined(connection, ctxt, server_groups.get_on(connection, group))
        return entered


def room_for(db: Database, wanted: list[Instance], minimum: int) -> int:
    """How many of `wanted` the quota allows now; errors.QuotaExceeded if not `minimum`."""
    with db.transaction() as connection:
        return _allowed(connection, wanted, minimum)


def _join(connection: sa.Connection, group: str, wanted: list[Instance]) -> None:
    project, user = wanted[0].project_id, wanted[0].user_id
    server_groups.join(
        connection,
        group,
        [instance.uuid for instance in wanted],
        user_id=user,
        limit=quotas.limits_on(connection, project, user)["server_group_members"],
    )


def _allowed(
    connection: sa.Connection, wanted: list[Instance], minimum: int, but: str | None = None
) -> int:
    """How many the project and its user may have; errors.QuotaExceeded if less than `minimum`.

    `but` is an instance that does not count among the others.
    """
    project, user = wanted[0].project_id, wanted[0].user_id
    quotas.lock_project(connection, project)
    limits, own = quotas.limits_of_both(connection, project, user)
    used = usage(connection, project, but=but)
    count = _within(wanted, minimum, limits, used)
    if own == limits:
        return count
    return _within(wanted[:count], minimum, own, usage(connection, project, user, but))


def _within(
    wanted: list[Instance], minimum: int, limits: dict[str, int], used: dict[str, int]
) -> int:
    each = {"instances": 1, "cores": wanted[0].flavor.vcpus, "ram": wanted[0].flavor.memory_mb}
    count = len(wanted)
    for resource, amount in each.items():
        limit = limits[resource]
        if limit >= 0 and amount:
            count = min(count, max(0, (limit - used[resource]) // amount))
    if count >= minimum:
        return count
    over = [r for r, a in each.items() if 0 <= limits[r] < used[r] + a * minimum]
    raise errors.QuotaExceeded(
        resource=", ".join(over),
        requested=", ".join(str(each[r] * minimum) for r in over),
        used=", ".join(str(used[r]) for r in over),
        limit=", ".join(str(limits[r]) for r in over),
    )


def readmit(connection: sa.Connection, instance: Instance) -> dict[str, Any]:
    """For states.begin: a server that comes back has to be within the quota again.

    Raises errors.QuotaExceeded.
    """
    _allowed(connection, [instance], 1, but=instance.uuid)
    return {}


def usage(
    connection: sa.Connection, project_id: str, user_id: str | None = None, but: str | None = None
) -> dict[str, int]:
    """What the living instances of a project, or of one user in it, use; without instance `but`.

    instances, cores, ram (MiB). A server that was deleted and is kept for a while
    counts again from when it is being restored.
    """
    state, task = _instances.c.vm_state, _instances.c.task_state
    query = sa.select(
        sa.func.count(_instances.c.id),
        sa.func.coalesce(sa.func.sum(_instances.c.vcpus), 0),
        sa.func.coalesce(sa.func.sum(_instances.c.memory_mb), 0),
    ).where(
        _instances.c.project_id == project_id,
        _instances.c.deleted_at.is_(None),
        sa.or_(state != states.SOFT_DELETED, task == states.RESTORING),
    )
    if but is not None:
        query = query.where(_instances.c.uuid != but)
    if user_id is not None:
        query = query.where(_instances.c.user_id == user_id)
    row = connection.execute(query).one()
    return {"instances": int(row[0]), "cores": int(row[1]), "ram": int(row[2])}

"""Server groups: who is in them, and where their members are.

A group's policy is asked twice: by the scheduler's filters, of what it read,
and by the claim, under the group's lock. Two launches at once cannot both
take the last host that a policy leaves.
"""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import quotas, tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

_groups = tables.server_groups
_members = tables.server_group_members
_instances = tables.instances

AFFINITY = "affinity"
ANTI_AFFINITY = "anti-affinity"
SOFT_AFFINITY = "soft-affinity"
SOFT_ANTI_AFFINITY = "soft-anti-affinity"


@dataclass(frozen=True)
class ServerGroup:
    """A group; `members` are the uuids of its servers that are not deleted, oldest first."""

    uuid: str
    name: str
    project_id: str
    user_id: str
    policy: str
    rules: dict[str, int]
    created_at: dt.datetime
    members: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Placement:
    """A group as one of its members is placed: how many of the others each host has."""

    policy: str
    most_per_host: int
    others: Counter[str]

    def refusal(self, host: str) -> str | None:
        """Why the policy keeps the member from `host`; soft policies never do."""
        if self.policy == ANTI_AFFINITY and self.others[host] >= self.most_per_host:
            return f"has {self.others[host]} of the server group already"
        if self.policy == AFFINITY and self.others and not self.others[host]:
            return "the server group is on another host"
        return None


@retried
def create(
    db: Database, *, name: str, project_id: str, user_id: str, policy: str, rules: dict[str, int]
) -> ServerGroup:
    """Make an empty group; errors.QuotaExceeded if the project has as many as it may."""
    group = ServerGroup(str(uuid.uuid4()), name, project_id, user_id, policy, rules, utcnow())
    values = {key: value for key, value in vars(group).items() if key != "members"}
    with db.transaction() as connection:
        quotas.lock_project(connection, project_id)
        limits, own = quotas.limits_of_both(connection, project_id, user_id)
        most, share = limits["server_groups"], own["server_groups"]
        if 0 <= most <= count(connection, project_id) or (
            share != most and 0 <= share <= count(connection, project_id, user_id)
        ):
            raise errors.QuotaExceeded("Quota exceeded, too many server groups.")
        connection.execute(_groups.insert(), values)
    return group


def count(connection: sa.Connection, project_id: str, user_id: str | None = None) -> int:
    """How many groups a project, or one user in it, has."""
    query = sa.select(sa.func.count(_groups.c.id)).where(_groups.c.project_id == project_id)
    if user_id is not None:
        query = query.where(_groups.c.user_id == user_id)
    return int(connection.execute(query).scalar_one())


def get(db: Database, group_uuid: str) -> ServerGroup:
    """One group with its members; errors.NotFound."""
    with db.reading() as connection:
        return get_on(connection, group_uuid)


def get_on(connection: sa.Connection, group_uuid: str) -> ServerGroup:
    """`get` on a connection one has."""
    found = connection.execute(_groups.select().where(_groups.c.uuid == group_uuid)).all()
    if not found:
        raise not_found(group_uuid)
    return _whole(connection, found)[0]


def not_found(group_uuid: str) -> errors.NotFound:
    return errors.NotFound(f"Instance group {group_uuid[:64]} could not be found.")


def find(
    db: Database, *, project_id: str | None, limit: int | None = None, offset: int = 0
) -> list[ServerGroup]:
    """A project's groups (None: everybody's), oldest first: two queries for all."""
    query = _groups.select().order_by(_groups.c.id).offset(offset)
    if project_id is not None:
        query = query.where(_groups.c.project_id == project_id)
    with db.reading() as connection:
        return _whole(connection, connection.execute(query.limit(limit)).all())


def _whole(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[ServerGroup]:
    members = _members_of(connection, [row.uuid for row in rows])
    return [
        ServerGroup(
            **{k: v for k, v in row._mapping.items() if k not in ("id", "claimed_at")},
            members=members.get(row.uuid, []),
        )
        for row in rows
    ]


def _members_of(connection: sa.Connection, uuids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if uuids:
        query = (
            sa.select(_members)
            .join(_instances, _instances.c.uuid == _members.c.instance_uuid)
            .where(_members.c.group_uuid.in_(uuids), _instances.c.deleted_at.is_(None))
            .order_by(_instances.c.id)
        )
        for row in connection.execute(query):
            found.setdefault(row.group_uuid, []).append(row.instance_uuid)
    return found


@retried
def delete(db: Database, group_uuid: str) -> None:
    """Forget a group; its servers stay where they are. errors.NotFound."""
    with db.transaction() as connection:
        gone = connection.execute(_groups.delete().where(_groups.c.uuid == group_uuid))
        if not gone.rowcount:
            raise not_found(group_uuid)
        connection.execute(_members.delete().where(_members.c.group_uuid == group_uuid))


def join(
    connection: sa.Connection,
    group_uuid: str,
    instance_uuids: list[str],
    *,
    user_id: str,
    limit: int,
) -> None:
    """Put new instances into a group, in the transaction that makes them.

    errors.QuotaExceeded when `user_id` would have more than `limit` (-1: any
    number) of the group's servers; errors.Invalid when it was just deleted.
    """
    if not _lock(connection, group_uuid):
        raise errors.Invalid(not_found(group_uuid).message)
    query = (
        sa.select(sa.func.count())
        .select_from(_members)
        .join(_instances, _instances.c.uuid == _members.c.instance_uuid)
        .where(
            _members.c.group_uuid == group_uuid,
            _instances.c.user_id == user_id,
            _instances.c.deleted_at.is_(None),
        )
    )
    if 0 <= limit < int(connection.execute(query).scalar_one()) + len(instance_uuids):
        raise errors.QuotaExceeded("Quota exceeded, too many servers in group")
    connection.execute(
        _members.insert(),
        [{"group_uuid": group_uuid, "instance_uuid": member} for member in instance_uuids],
    )


def group_of(db: Database, instance_uuid: str) -> str | None:
    """The uuid of the group an instance is in, if it is in one."""
    query = sa.select(_members.c.group_uuid).where(_members.c.instance_uuid == instance_uuid)
    with db.reading() as connection:
        found: str | None = connection.execute(query).scalar()
        return found


def placement(db: Database, instance_uuid: str) -> Placement | None:
    """What the scheduler needs to know of an instance's group; None without one."""
    with db.reading() as connection:
        return _placement(connection, instance_uuid)


def refusal_at_claim(connection: sa.Connection, instance_uuid: str, host: str) -> str | None:
    """`Placement.refusal` with the group locked until the caller's transaction ends."""
    query = sa.select(_members.c.group_uuid).where(_members.c.instance_uuid == instance_uuid)
    group_uuid = connection.execute(query).scalar()
    if group_uuid is None or not _lock(connection, group_uuid):
        return None
    found = _placement(connection, instance_uuid)
    return found.refusal(host) if found is not None else None


def _lock(connection: sa.Connection, group_uuid: str) -> bool:
    changed = connection.execute(
        _groups.update().where(_groups.c.uuid == group_uuid).values(claimed_at=utcnow())
    )
    return bool(changed.rowcount)


def _placement(connection: sa.Connection, instance_uuid: str) -> Placement | None:
    mine = sa.select(_members.c.group_uuid).where(_members.c.instance_uuid == instance_uuid)
    group = connection.execute(
        _groups.select().where(_groups.c.uuid == mine.scalar_subquery())
    ).first()
    if group is None:
        return None
    hosts = connection.execute(
        sa.select(_instances.c.host)
        .join(_members, _instances.c.uuid == _members.c.instance_uuid)
        .where(
            _members.c.group_uuid == group.uuid,
            _instances.c.uuid != instance_uuid,
            _instances.c.host.is_not(None),
            _instances.c.deleted_at.is_(None),
        )
    ).scalars()
    return Placement(group.policy, group.rules.get("max_server_per_host", 1), Counter(hosts))

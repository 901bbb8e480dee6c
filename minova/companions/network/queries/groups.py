"""Security groups and their rules in the database."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from minova.common import errors as common_errors
from minova.companions.network import errors, rules
from minova.companions.network.queries import quotas
from minova.companions.network.queries.standard import now, stamp, update_values
from minova.companions.network.tables import (
    ip_allocations,
    port_security_groups,
    ports,
    security_group_rules,
    security_groups,
)
from minova.db.engine import Database, retried

Row = dict[str, Any]
DEFAULT = "default"
# What makes two rules the same, together with the protocol's number and the meaning of the prefix.
_IDENTITY = (
    "direction",
    "ethertype",
    "port_range_min",
    "port_range_max",
    "remote_group_id",
)
_ANY: Row = {
    **dict.fromkeys(_IDENTITY),
    "remote_ip_prefix": None,
    "protocol": None,
    "description": "",
}


def ensure_default(db: Database, project_id: str) -> str:
    """The project's `default` group, made when the project has none. Idempotent."""
    for _ in range(3):
        with db.reading() as connection:
            known = find_default(connection, project_id)
        if known is not None:
            return known
        try:
            return _create_default(db, project_id)
        except common_errors.DuplicateEntry:
            continue  # another request was first
    raise common_errors.Conflict("The default security group is being changed; try again.")


def find_default(connection: sa.Connection, project_id: str) -> str | None:
    """The project's `default` group, if it has one yet."""
    query = sa.select(security_groups.c.id).where(security_groups.c.default_for == project_id)
    found: str | None = connection.execute(query).scalar()
    return found


@retried
def create(db: Database, wanted: Sequence[Row]) -> list[Row]:
    """Insert groups with `rules` that let everything out, all or none. OverQuota."""
    with db.transaction() as connection:
        quotas.check(connection, "security_group", [values["project_id"] for values in wanted])
        return [_create_one(connection, values) for values in wanted]


def get(
    connection: sa.Connection, group_id: str, *scope: sa.ColumnElement[bool], lock: bool = False
) -> Row:
    """The group without rules, or SecurityGroupNotFound."""
    query = sa.select(security_groups).where(security_groups.c.id == group_id, *scope)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise errors.SecurityGroupNotFound(id=group_id)
    return dict(row)


def check_usable(connection: sa.Connection, group_ids: Collection[str], project_id: str) -> None:
    """SecurityGroupNotFound unless every group exists and belongs to the project."""
    if not group_ids:
        return
    found = set(
        connection.scalars(
            sa.select(security_groups.c.id).where(
                security_groups.c.id.in_(list(group_ids)),
                security_groups.c.project_id == project_id,
            )
        )
    )
    for group_id in group_ids:
        if group_id not in found:
            raise errors.SecurityGroupNotFound(id=group_id)


def rules_of(connection: sa.Connection, group_ids: Collection[str]) -> dict[str, list[Row]]:
    """group -> its rules, in order of creation."""
    found: dict[str, list[Row]] = {group_id: [] for group_id in group_ids}
    if not found:
        return found
    query = sa.select(security_group_rules).order_by(
        security_group_rules.c.created_at, security_group_rules.c.id
    )
    if len(found) < 500:
        query = query.where(security_group_rules.c.security_group_id.in_(list(found)))
    for row in connection.execute(query).mappings():
        if row["security_group_id"] in found:
            found[row["security_group_id"]].append(dict(row))
    return found


def members(connection: sa.Connection, group_ids: Collection[str]) -> dict[str, list[str]]:
    """group -> the addresses of all ports in it."""
    found: dict[str, list[str]] = {group_id: [] for group_id in group_ids}
    if not found:
        return found
    rows = connection.execute(
        sa.select(port_security_groups.c.security_group_id, ip_allocations.c.ip_address)
        .join(ip_allocations, ip_allocations.c.port_id == port_security_groups.c.port_id)
        .where(port_security_groups.c.security_group_id.in_(list(found)))
        .order_by(ip_allocations.c.ip_address)
    )
    for group_id, ip in rows:
        found[group_id].append(ip)
    return found


def update(db: Database, group_id: str, changes: Row) -> None:
    """Change name or description."""
    with db.transaction() as connection:
        connection.execute(
            sa.update(security_groups)
            .where(security_groups.c.id == group_id)
            .values(**update_values(security_groups), **changes)
        )


@retried
def delete(db: Database, group_id: str) -> None:
    """Remove the group with its rules, and the rules that refer to it. SecurityGroupInUse."""
    try:
        with db.transaction() as connection:
            get(connection, group_id, lock=True)
            used = connection.execute(
                sa.select(port_security_groups.c.port_id)
                .where(port_security_groups.c.security_group_id == group_id)
                .limit(1)
            ).first()
            if used:
                raise errors.SecurityGroupInUse(id=group_id)
            connection.execute(sa.delete(security_groups).where(security_groups.c.id == group_id))
    except sa.exc.IntegrityError:
        raise errors.SecurityGroupInUse(id=group_id) from None


@retried
def create_rules(db: Database, wanted: Sequence[Row]) -> list[Row]:
    """Insert rules, all or none. OverQuota, SecurityGroupRuleExists, SecurityGroupNotFound."""
    try:
        with db.transaction() as connection:
            projects = [values["project_id"] for values in wanted]
            quotas.check(connection, "security_group_rule", projects)
            known: dict[tuple[Any, ...], str] = {}
            for group_id in sorted({values["security_group_id"] for values in wanted}):
                get(connection, group_id, lock=True)
                for rule in rules_of(connection, [group_id])[group_id]:
                    known[_identity(rule)] = rule["id"]
            rows = []
            for values in wanted:
                row = _rule_row(values)
                if _identity(row) in known:
                    raise errors.SecurityGroupRuleExists(id=known[_identity(row)])
                known[_identity(row)] = row["id"]
                rows.append(row)
            connection.execute(sa.insert(security_group_rules), rows)
            return rows
    except sa.exc.IntegrityError:
        remote = next((v["remote_group_id"] for v in wanted if v["remote_group_id"]), "")
        raise errors.SecurityGroupNotFound(id=remote) from None


@retried
def delete_rule(db: Database, rule_id: str) -> None:
    """Remove a rule; SecurityGroupRuleNotFound."""
    with db.transaction() as connection:
        gone = connection.execute(
            sa.delete(security_group_rules).where(security_group_rules.c.id == rule_id)
        )
        if not gone.rowcount:
            raise errors.SecurityGroupRuleNotFound(id=rule_id)


def is_on_a_host(connection: sa.Connection, group_ids: Iterable[str]) -> bool:
    """Whether a bound port uses one of the groups."""
    query = (
        sa.select(ports.c.id)
        .join(port_security_groups, port_security_groups.c.port_id == ports.c.id)
        .where(port_security_groups.c.security_group_id.in_(list(group_ids)), ports.c.host != "")
    )
    return connection.execute(query.limit(1)).first() is not None


def is_member_watched(
    connection: sa.Connection, group_ids: Collection[str], by_others_than: str
) -> bool:
    """Whether another bound port's rules depend on who is in these groups."""
    if not group_ids:
        return False
    query = (
        sa.select(ports.c.id)
        .join(port_security_groups, port_security_groups.c.port_id == ports.c.id)
        .join(
            security_group_rules,
            security_group_rules.c.security_group_id == port_security_groups.c.security_group_id,
        )
        .where(
            security_group_rules.c.remote_group_id.in_(list(group_ids)),
            ports.c.host != "",
            ports.c.id != by_others_than,
        )
    )
    return connection.execute(query.limit(1)).first() is not None


@retried
def _create_default(db: Database, project_id: str) -> str:
    values = {
        "project_id": project_id,
        "name": DEFAULT,
        "description": "Default security group",
        "default_for": project_id,
    }
    with db.transaction() as connection:
        return str(_create_one(connection, values)["id"])


def _create_one(connection: sa.Connection, values: Row) -> Row:
    group = {"id": str(uuid.uuid4()), "default_for": None, **stamp(), **values}
    connection.execute(sa.insert(security_groups).values(**group))
    common = {"security_group_id": group["id"], "project_id": group["project_id"]}
    made: list[Row] = []
    for ethertype in ("IPv4", "IPv6"):
        made.append(_rule_row({**_ANY, **common, "direction": "egress", "ethertype": ethertype}))
        if group["default_for"]:
            friends = {"direction": "ingress", "remote_group_id": group["id"]}
            made.append(_rule_row({**_ANY, **common, **friends, "ethertype": ethertype}))
    connection.execute(sa.insert(security_group_rules), made)
    return {**group, "rules": made}


def _rule_row(values: Row) -> Row:
    moment = now()
    return {
        "id": str(uuid.uuid4()),
        "created_at": moment,
        "updated_at": moment,
        "revision_number": 0,
        **values,
    }


def _identity(rule: Row) -> tuple[Any, ...]:
    number = rules.number_of(rule["protocol"])
    prefix = rules.normalized_cidr(rule["remote_ip_prefix"])
    return (rule["security_group_id"], number, prefix, *(rule[name] for name in _IDENTITY))

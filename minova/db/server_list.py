"""GET /servers: filters, order and pages, in a constant number of queries.

What the database can compare it does; the few filters on what is kept as
JSON (addresses, metadata, tags) look at the rows afterwards.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import instances, tables
from minova.db.engine import Database
from minova.model import states
from minova.model.instance import Instance

_table = tables.instances
# What MariaDB, PostgreSQL and SQLite (by Python) say of a bad pattern.
_REGEX_SIGNS = "regex|regular expression|user-defined function"


def _number(column: sa.Column[bool]) -> sa.ColumnElement[int]:
    """A boolean as something that every database can compare."""
    return sa.case((column.is_(True), 1), else_=0)


# What may be NULL is replaced: databases do not agree on where NULL comes. A time
# that has not come yet is taken for the time of creation.
SORT_KEYS: dict[str, Any] = {
    "display_name": _table.c.name,
    "uuid": _table.c.uuid,
    "created_at": _table.c.created_at,
    "updated_at": sa.func.coalesce(_table.c.updated_at, _table.c.created_at),
    "launched_at": sa.func.coalesce(_table.c.launched_at, _table.c.created_at),
    "terminated_at": sa.func.coalesce(_table.c.terminated_at, _table.c.created_at),
    "vm_state": _table.c.vm_state,
    "task_state": sa.func.coalesce(_table.c.task_state, ""),
    "power_state": _table.c.power_state,
    "host": sa.func.coalesce(_table.c.host, ""),
    "node": sa.func.coalesce(_table.c.node, ""),
    "image_ref": sa.func.coalesce(_table.c.image_id, ""),
    "instance_type_id": _table.c.flavor_id,
    "key_name": sa.func.coalesce(_table.c.key_name, ""),
    "launch_index": _table.c.launch_index,
    "project_id": _table.c.project_id,
    "user_id": _table.c.user_id,
    "hostname": _table.c.hostname,
    "progress": _table.c.progress,
    "root_device_name": sa.func.coalesce(_table.c.root_device_name, ""),
    "access_ip_v4": sa.func.coalesce(_table.c.access_ip_v4, ""),
    "access_ip_v6": sa.func.coalesce(_table.c.access_ip_v6, ""),
    "availability_zone": sa.func.coalesce(_table.c.availability_zone, ""),
    "display_description": sa.func.coalesce(_table.c.description, ""),
    "locked": _number(_table.c.locked),
    "config_drive": _number(_table.c.config_drive),
}
EQUAL: dict[str, Any] = {
    "host": _table.c.host,
    "node": _table.c.node,
    "image_id": _table.c.image_id,
    "flavor_id": _table.c.flavor_id,
    "project_id": _table.c.project_id,
    "user_id": _table.c.user_id,
    "key_name": _table.c.key_name,
    "reservation_id": _table.c.reservation_id,
    "launch_index": _table.c.launch_index,
    "vm_state": _table.c.vm_state,
    "task_state": _table.c.task_state,
    "power_state": _table.c.power_state,
    "progress": _table.c.progress,
    "uuid": _table.c.uuid,
    "hostname": _table.c.hostname,
    "root_device_name": _table.c.root_device_name,
    "access_ip_v4": _table.c.access_ip_v4,
    "access_ip_v6": _table.c.access_ip_v6,
    "description": _table.c.description,
    "locked": _table.c.locked,
    "config_drive": _table.c.config_drive,
}


# What a regular expression is compared with, as `name` is.
MATCHED: dict[str, Any] = {
    name: EQUAL[name]
    for name in (
        *("hostname", "key_name", "description", "reservation_id", "root_device_name"),
        *("access_ip_v4", "access_ip_v6", "node"),
    )
}


@dataclass
class Filters:
    """What to list. Every condition given has to hold; lists hold alternatives."""

    equal: dict[str, list[Any]] = field(default_factory=dict)
    name: str | None = None
    # column of MATCHED -> regular expression
    matching: dict[str, str] = field(default_factory=dict)
    statuses: list[states.StatusFilter] | None = None
    zone: str | None = None
    deleted: bool = False
    # Whether what can still be restored is shown; None: with the deleted, or asked for by state.
    soft_deleted: bool | None = None
    living_too: bool = False
    changed_since: dt.datetime | None = None
    changed_before: dt.datetime | None = None
    each: list[Callable[[Instance], bool]] = field(default_factory=list)
    default_zone: str = ""


@dataclass
class Page:
    """The part of the list: `sort` is pairs of a key of SORT_KEYS and whether it descends."""

    limit: int
    marker: str | None = None
    sort: Sequence[tuple[str, bool]] = (("created_at", True),)


def names(db: Database, filters: Filters, page: Page) -> list[tuple[str, str]]:
    """(uuid, name) of each server: one query, unless a filter needs the whole rows."""
    if filters.each:
        return [(instance.uuid, instance.name) for instance in servers(db, filters, page)]
    columns = (_table.c.uuid, _table.c.name)
    with _own_regex(filters), db.reading() as connection:
        query = _query(connection, sa.select(*columns), filters, page).limit(page.limit)
        return [(row.uuid, row.name) for row in connection.execute(query)]


def servers(db: Database, filters: Filters, page: Page) -> list[Instance]:
    """The servers, whole: three queries, however many there are."""
    with _own_regex(filters), db.reading() as connection:
        query = _query(connection, sa.select(_table), filters, page)
        if not filters.each:
            rows = connection.execute(query.limit(page.limit)).all()
            return instances.whole(connection, rows)
        found = instances.whole(connection, connection.execute(query).all())
    kept = [instance for instance in found if all(check(instance) for check in filters.each)]
    return kept[: page.limit]


@contextmanager
def _own_regex(filters: Filters) -> Iterator[None]:
    """Each database has regular expressions of its own; errors.Invalid where it knows better."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        patterns = filters.name is not None or filters.matching
        if not patterns or not re.search(_REGEX_SIGNS, str(error.orig), re.IGNORECASE):
            raise
        raise errors.Invalid(
            "The value of a filter is no regular expression of this cloud's database."
        ) from error


def _query(
    connection: sa.Connection, query: sa.Select[Any], filters: Filters, page: Page
) -> sa.Select[Any]:
    query = query.where(*_conditions(filters))
    # Two servers may be equal in what is asked for; the id makes every order total.
    order = [(SORT_KEYS[key], down) for key, down in page.sort]
    order.append((_table.c.id, page.sort[0][1] if page.sort else True))
    if page.marker is not None:
        projects = filters.equal.get("project_id")
        query = query.where(_after(connection, page.marker, order, projects))
    return query.order_by(*(column.desc() if down else column.asc() for column, down in order))


def _after(
    connection: sa.Connection,
    marker: str,
    order: list[tuple[Any, bool]],
    projects: list[Any] | None,
) -> sa.ColumnElement[bool]:
    """What comes after the row with uuid `marker`, in this order.

    errors.Invalid without it, also when it is not of one of `projects`.
    """
    there = sa.select(*(column for column, _ in order)).where(_table.c.uuid == marker)
    if projects is not None:
        there = there.where(_table.c.project_id.in_(projects))
    at = connection.execute(there).first()
    if at is None:
        raise errors.Invalid(f"marker [{marker}] not found")
    alternatives = []
    for position, (column, down) in enumerate(order):
        same = [other == at[i] for i, (other, _) in enumerate(order[:position])]
        beyond = column < at[position] if down else column > at[position]
        alternatives.append(sa.and_(*same, beyond))
    return sa.or_(*alternatives)


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    for name, values in filters.equal.items():
        column = EQUAL[name]
        if None in values:
            found.append(column.is_(None))
        else:
            found.append(column == values[0] if len(values) == 1 else column.in_(values))
    if filters.name is not None:
        found.append(_matches(_table.c.name, filters.name))
    for name, pattern in filters.matching.items():
        found.append(_matches(MATCHED[name], pattern))
    if filters.statuses is not None:
        found.append(sa.or_(sa.false(), *(_in_status(status) for status in filters.statuses)))
    if filters.zone is not None:
        actual = sa.func.coalesce(
            _table.c.availability_zone, _table.c.requested_zone, filters.default_zone
        )
        found.append(actual == filters.zone)
    for moment, later in ((filters.changed_since, True), (filters.changed_before, False)):
        if moment is not None:
            changed = sa.func.coalesce(
                _table.c.deleted_at, _table.c.updated_at, _table.c.created_at
            )
            bound = sa.literal(moment, _table.c.created_at.type)
            found.append(changed >= bound if later else changed <= bound)
    if not filters.living_too:
        gone = _table.c.deleted_at
        kept = _table.c.vm_state == states.SOFT_DELETED
        if filters.deleted:
            shown = gone.is_not(None)
            found.append(shown if filters.soft_deleted is False else sa.or_(shown, kept))
        else:
            found.append(gone.is_(None))
            if not (filters.soft_deleted or _asks_for_kept(filters)):
                found.append(~kept)
    return found


def _asks_for_kept(filters: Filters) -> bool:
    """Whether servers that were deleted, and are kept for a while, are asked for by name."""
    states_asked = [status.vm_state for status in filters.statuses or []]
    return states.SOFT_DELETED in (*states_asked, *filters.equal.get("vm_state", []))


def _matches(column: Any, pattern: str) -> sa.ColumnElement[bool]:
    if pattern.replace("-", "").replace("_", "").isalnum():
        # Nothing special in it: that it occurs is all the regular expression says.
        occurs: sa.ColumnElement[bool] = column.contains(pattern, autoescape=True)
        return occurs
    matches: sa.ColumnElement[bool] = column.regexp_match(pattern)
    return matches


def _in_status(status: states.StatusFilter) -> sa.ColumnElement[bool]:
    task = _table.c.task_state
    if status.negated:
        tasks = sa.or_(task.is_(None), task.not_in(status.tasks)) if status.tasks else sa.true()
    else:
        tasks = task.in_(status.tasks)
    return sa.and_(_table.c.vm_state == status.vm_state, tasks)

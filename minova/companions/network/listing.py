"""GET of a collection: filters, fields, sorting and pages, the same for every resource.

A `Resource` tells which attributes are columns and which filters need more
than a column. Filters of one attribute are OR, of several are AND, as in
Neutron; a filter nobody knows is refused.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import falcon
import sqlalchemy as sa

from minova.common import wsgi
from minova.common.errors import NotFound
from minova.companions.network import errors

Row = dict[str, Any]
Clause = sa.ColumnElement[bool]
MAX_VALUES = 500
_COMMON = ("id", "name", "description", "project_id", "revision_number", "created_at")
_PAGING = ("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Resource:
    """What listing needs to know of a kind of resource.

    `columns`: attribute -> column, for filters and sorting; `admin_only` are
    those of them that only the privileged may filter by. `special`: filter ->
    clause of its values.
    """

    name: str
    plural: str
    table: sa.Table
    not_found: type[NotFound]
    columns: Mapping[str, sa.Column]
    special: Mapping[str, Callable[[list[str]], Clause]] = field(default_factory=dict)
    admin_only: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Query:
    """A list request, understood."""

    where: Sequence[Clause] = ()
    fields: frozenset[str] = frozenset()
    sort: Sequence[tuple[str, bool]] = ()
    limit: int | None = None
    marker: str | None = None
    reverse: bool = False


def columns_of(table: sa.Table, *names: str) -> dict[str, sa.Column]:
    """The attributes that every resource has, and `names`, by the names of their columns."""
    common = [name for name in _COMMON if name in table.c]
    found = {name: table.c[name] for name in (*common, *names)}
    return {**found, "tenant_id": table.c["project_id"]}


def is_id(text: str) -> bool:
    """Whether something may have `text` as its id; what never has need not be looked up."""
    return 0 < len(text) <= 64 and text.isprintable()


def parse(req: falcon.Request, resource: Resource, privileged: bool) -> Query:
    """The request's query string as a `Query`; 400 for what cannot be honoured."""
    given: dict[str, list[str]] = {
        name: values if isinstance(values, list) else [values]
        for name, values in req.params.items()
    }
    return Query(
        where=_where(resource, given, privileged),
        fields=frozenset(value for value in given.get("fields", []) if value),
        sort=_sort(resource, given),
        limit=_limit(given),
        marker=(given.get("marker") or [""])[0] or None,
        reverse=_boolean("page_reverse", (given.get("page_reverse") or ["false"])[0]),
    )


def fetch(
    connection: sa.Connection, resource: Resource, scope: Sequence[Clause], query: Query
) -> tuple[list[Row], bool]:
    """The rows asked for, and whether more follow.

    With a limit only ids are read in full; rows are read for one page.
    """
    table = resource.table
    keys = [*query.sort, ("id", True)]
    order = [
        column.asc() if ascending else column.desc()
        for column, ascending in ((resource.columns[name], up) for name, up in keys)
    ]
    where = [*scope, *query.where]
    if query.limit is None and query.marker is None:
        found = connection.execute(sa.select(table).where(*where).order_by(*order))
        return [dict(row) for row in found.mappings()], False
    ids = list(connection.scalars(sa.select(table.c.id).where(*where).order_by(*order)))
    if query.reverse:
        ids.reverse()
    if query.marker is not None:
        if query.marker not in ids:
            raise resource.not_found(id=query.marker)
        ids = ids[ids.index(query.marker) + 1 :]
    page = ids[: query.limit]
    more = len(page) < len(ids)
    if query.reverse:
        page.reverse()
    found = connection.execute(sa.select(table).where(table.c.id.in_(page)))
    rows = {row["id"]: dict(row) for row in found.mappings()}
    return [rows[id_] for id_ in page if id_ in rows], more


def chosen(body: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """`body` with only the attributes asked for."""
    if not fields:
        return body
    return {name: value for name, value in body.items() if name in fields}


def links(
    req: falcon.Request, resource: Resource, query: Query, rows: list[Row], more: bool
) -> dict[str, Any]:
    """The `<plural>_links` of a page, empty when the whole list was asked for."""
    if query.limit is None or not rows:
        return {}
    ahead, behind = (
        (query.marker is not None, more)
        if query.reverse
        else (
            more,
            query.marker is not None,
        )
    )
    found = []
    if ahead:
        found.append({"rel": "next", "href": _page_url(req, rows[-1]["id"], False)})
    if behind:
        found.append({"rel": "previous", "href": _page_url(req, rows[0]["id"], True)})
    return {f"{resource.plural}_links": found} if found else {}


def tag_filters(column: sa.Column) -> dict[str, Callable[[list[str]], Clause]]:
    """The four filters of Neutron's tag extension over a JSON list of strings."""

    def has(tag: str) -> Clause:
        pattern = json.dumps(tag).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        return sa.cast(column, sa.Text).like(f"%{pattern}%", escape="\\")

    def each(values: list[str]) -> list[Clause]:
        return [has(tag) for value in values for tag in value.split(",") if tag] or [sa.false()]

    return {
        "tags": lambda values: sa.and_(*each(values)),
        "tags-any": lambda values: sa.or_(*each(values)),
        "not-tags": lambda values: sa.not_(sa.and_(*each(values))),
        "not-tags-any": lambda values: sa.not_(sa.or_(*each(values))),
    }


def _where(resource: Resource, given: Mapping[str, list[str]], privileged: bool) -> list[Clause]:
    clauses: list[Clause] = []
    for name, values in given.items():
        if name in _PAGING:
            continue
        if len(values) > MAX_VALUES:
            raise errors.InvalidInput(
                reason=f"more than {MAX_VALUES} values for the filter '{name}'"
            )
        # Nothing stored has a NUL, and PostgreSQL does not even take the question.
        values = [value for value in values if "\0" not in value]
        if not values:
            clauses.append(sa.false())
        elif name in resource.special:
            clauses.append(resource.special[name](values))
        elif name in resource.columns and (privileged or name not in resource.admin_only):
            clauses.append(_equals(name, resource.columns[name], values))
        else:
            raise errors.HTTPBadRequest(
                f"['{name[:255]}'] is invalid attribute for filtering"
                f" a list of {resource.plural.replace('_', ' ')}."
            )
    return clauses


def _equals(name: str, column: sa.Column, values: list[str]) -> Clause:
    converted: list[Any] = list(values)
    if isinstance(column.type, sa.Boolean):
        converted = [_boolean(name, value) for value in values]
    elif isinstance(column.type, sa.Integer):
        converted = [_integer(name, value) for value in values]
    if column.nullable and "" in values:
        some = [value for value in converted if value != ""]
        return sa.or_(column.is_(None), column.in_(some))
    return column == converted[0] if len(converted) == 1 else column.in_(converted)


def _sort(resource: Resource, given: Mapping[str, list[str]]) -> list[tuple[str, bool]]:
    keys, directions = given.get("sort_key", []), given.get("sort_dir", [])
    if directions and len(directions) != len(keys):
        raise errors.HTTPBadRequest("The number of sort_keys and sort_dirs must be same")
    sort = []
    for key, direction in zip(keys, directions or ["asc"] * len(keys), strict=True):
        if key not in resource.columns or direction not in ("asc", "desc"):
            raise errors.HTTPBadRequest(
                f"{key[:255]} {direction[:255]} is not a valid attribute and direction to sort by"
            )
        sort.append((key, direction == "asc"))
    return sort


def _limit(given: Mapping[str, list[str]]) -> int | None:
    text = (given.get("limit") or [""])[0]
    if text in ("", "infinite"):
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise errors.HTTPBadRequest(f"Limit must be an integer 0 or greater and not '{text[:255]}'")
    return int(text) or None


def _boolean(name: str, text: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise errors.InvalidInput(reason=f"'{text[:255]}' is not a valid boolean for '{name}'")
    return value


def _integer(name: str, text: str) -> int:
    if not text.lstrip("-").isdigit() or not text.isascii() or len(text) > 9:
        raise errors.InvalidInput(reason=f"'{text[:255]}' is not an integer for '{name}'")
    return int(text)


def _page_url(req: falcon.Request, marker: str, reverse: bool) -> str:
    params: list[tuple[str, str]] = []
    for name, values in req.params.items():
        if name not in ("marker", "page_reverse"):
            params += [(name, v) for v in (values if isinstance(values, list) else [values])]
    params.append(("marker", marker))
    if reverse:
        params.append(("page_reverse", "True"))
    return f"{wsgi.base_url(req)}{req.path}?{urlencode(params)}"

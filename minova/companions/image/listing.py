"""GET /v2/images: from query parameters to conditions, order and page."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from minova.common import errors, texts
from minova.companions.image import queries, records, tables
from minova.companions.image.records import Image
from minova.db.engine import Database

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
MAX_CONDITIONS = 32
_BIG = 2**63 - 1
_images, _members = tables.images, tables.members
Condition = sa.ColumnElement[bool]
Params = Mapping[str, list[str]]

_DEFAULT_ORDER = "created_at:desc"
# Sort key -> its column; a null sorts as if it were empty or 0.
_SORTABLE: dict[str, sa.ColumnElement[Any]] = {
    "id": _images.c.id,
    "status": _images.c.status,
    "created_at": _images.c.created_at,
    "updated_at": _images.c.updated_at,
    "name": sa.func.coalesce(_images.c.name, ""),
    "disk_format": sa.func.coalesce(_images.c.disk_format, ""),
    "container_format": sa.func.coalesce(_images.c.container_format, ""),
    "size": sa.func.coalesce(_images.c.size, 0),
}


@dataclass(frozen=True)
class Viewer:
    """Who lists: a project, and whether it sees all projects' images."""

    project_id: str | None
    sees_all: bool


@dataclass(frozen=True)
class Page:
    """A page of images and the paths of the first and the next one."""

    images: list[Image]
    first: str
    next: str | None


def page(db: Database, viewer: Viewer, params: Params) -> Page:
    """The images `viewer` asks for with `params`; errors.Invalid for what makes no sense."""
    texts.require_storable(dict(params))
    conditions = [*_visible(viewer, params), *_filters(params)]
    if len(conditions) > MAX_CONDITIONS:
        raise errors.Invalid(f"At most {MAX_CONDITIONS} filters fit in one request.")
    order = _order(params)
    limit = _limit(params)
    if marker := _one(params, "marker"):
        conditions.append(_after(db, viewer, marker, order))
    columns = [_directed(_SORTABLE[key], direction) for key, direction in order]
    found = queries.select(db, conditions, columns, limit + 1) if limit else []
    images = found[:limit]
    more = len(found) > limit
    return Page(
        images,
        first=_link(params, None),
        next=_link(params, images[-1].id) if more else None,
    )


def _visible(viewer: Viewer, params: Params) -> list[Condition]:
    """Own images, public ones, and those whose sharing the project accepted."""
    wanted = _one(params, "visibility")
    if wanted is not None and wanted not in (*records.VISIBILITIES, "all"):
        raise errors.Invalid(
            f"Invalid visibility value; use one of {', '.join(records.VISIBILITIES)}, all."
        )
    status = _one(params, "member_status") or "accepted"
    if status not in (*records.MEMBER_STATUSES, "all"):
        raise errors.Invalid(
            f"Invalid member_status; use one of {', '.join(records.MEMBER_STATUSES)}, all."
        )
    kind = _images.c.visibility
    exact = [kind == wanted] if wanted not in (None, "all") else []
    if viewer.sees_all:
        return exact
    mine = _images.c.owner == viewer.project_id
    member = [_members.c.image_id == _images.c.id, _members.c.project_id == viewer.project_id]
    if status != "all":
        member.append(_members.c.status == status)
    shared_with_me = sa.and_(kind == records.SHARED, sa.exists().where(*member))
    ways = [mine, kind == records.PUBLIC, shared_with_me]
    if wanted in ("all", records.COMMUNITY):
        ways.append(kind == records.COMMUNITY)
    return [*exact, sa.or_(*ways)]


def _filters(params: Params) -> Iterable[Condition]:
    if "os_hidden" not in params:
        yield _images.c.hidden == sa.false()
    for name, values in params.items():
        if name in _IGNORED:
            continue
        make = _FILTERS.get(name)
        for value in values:
            yield make(value) if make else _has_property(name, value)


def _text(column: sa.ColumnElement[Any]) -> Callable[[str], Condition]:
    """Equal, or `in:` a list; `"a,b"` quotes a value that holds a comma."""

    def condition(value: str) -> Condition:
        if value.startswith("in:"):
            return column.in_(_split(value.removeprefix("in:")))
        return column == value

    return condition


def _number(column: sa.ColumnElement[Any], compare: str = "__eq__") -> Callable[[str], Condition]:
    def condition(value: str) -> Condition:
        if not value.isascii() or not value.isdecimal() or int(value[:20]) > _BIG:
            raise errors.Invalid(f"{value[:64]!r} is not a number that can be compared with.")
        return getattr(column, compare)(int(value))  # type: ignore[no-any-return]

    return condition


def _boolean(column: sa.ColumnElement[Any]) -> Callable[[str], Condition]:
    def condition(value: str) -> Condition:
        text = value.lower()
        if text not in ("true", "false"):
            raise errors.Invalid(f"{value[:64]!r} is neither true nor false.")
        return column == (sa.true() if text == "true" else sa.false())

    return condition


_COMPARISONS = {
    "eq": "__eq__",
    "neq": "__ne__",
    "gt": "__gt__",
    "gte": "__ge__",
    "lt": "__lt__",
    "lte": "__le__",
}


def _moment(column: sa.ColumnElement[Any]) -> Callable[[str], Condition]:
    def condition(value: str) -> Condition:
        operator, _, text = value.partition(":")
        if operator not in _COMPARISONS:
            operator, text = "eq", value
        try:
            moment = dt.datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):
            raise errors.Invalid(
                f"{value[:64]!r} is no time; write it like gt:2026-01-31T12:00:00Z."
            ) from None
        return getattr(column, _COMPARISONS[operator])(moment)  # type: ignore[no-any-return]

    return condition


def _has_tag(value: str) -> Condition:
    table = tables.tags
    return sa.exists().where(table.c.image_id == _images.c.id, table.c.tag == value)


def _has_property(name: str, value: str) -> Condition:
    table = tables.properties
    return sa.exists().where(
        table.c.image_id == _images.c.id, table.c.name == name, table.c.value == value
    )


_IGNORED = ("visibility", "member_status", "limit", "marker", "sort", "sort_key", "sort_dir")
_FILTERS: dict[str, Callable[[str], Condition]] = {
    **{
        name: _text(_images.c[name])
        for name in (
            *("id", "name", "status", "owner", "disk_format", "container_format"),
            *("checksum", "os_hash_algo", "os_hash_value"),
        )
    },
    **{name: _number(_images.c[name]) for name in ("size", "virtual_size", "min_ram", "min_disk")},
    "size_min": _number(_images.c.size, "__ge__"),
    "size_max": _number(_images.c.size, "__le__"),
    "protected": _boolean(_images.c.protected),
    "os_hidden": _boolean(_images.c.hidden),
    "created_at": _moment(_images.c.created_at),
    "updated_at": _moment(_images.c.updated_at),
    "tag": _has_tag,
}


def _split(text: str) -> list[str]:
    """The values of an `in:` filter."""
    values, rest = [], text
    while rest:
        if rest.startswith('"'):
            value, _, rest = rest[1:].partition('"')
            rest = rest.removeprefix(",")
        else:
            value, _, rest = rest.partition(",")
        values.append(value)
    if len(values) > MAX_LIMIT:
        raise errors.Invalid(f"An in: filter takes at most {MAX_LIMIT} values.")
    return values


def _order(params: Params) -> list[tuple[str, str]]:
    """(key, direction) pairs; the id comes last so that the order is total."""
    if "sort" in params:
        if "sort_key" in params or "sort_dir" in params:
            raise errors.Invalid("Use either sort or sort_key and sort_dir, not both.")
        pairs = [part.strip() for part in (_one(params, "sort") or "").split(",")]
    else:
        keys = params.get("sort_key") or _DEFAULT_ORDER.split(":")[:1]
        directions = params.get("sort_dir") or ["desc"]
        if len(directions) not in (1, len(keys)):
            raise errors.Invalid("Give one sort_dir for all sort_keys, or one for each.")
        if len(directions) == 1:
            directions = directions * len(keys)
        pairs = [f"{key}:{way}" for key, way in zip(keys, directions, strict=True)]
    order: dict[str, str] = {}
    for pair in pairs:
        key, _, direction = pair.partition(":")
        direction = direction or "desc"
        if key not in _SORTABLE:
            raise errors.Invalid(f"Invalid sort key; use one of {', '.join(_SORTABLE)}.")
        if direction not in ("asc", "desc"):
            raise errors.Invalid("Invalid sort direction; use asc or desc.")
        order.setdefault(key, direction)
    last = next(reversed(order.values()))
    if "created_at" not in order:
        order["created_at"] = last
    order.setdefault("id", last)
    return list(order.items())


def _limit(params: Params) -> int:
    text = _one(params, "limit")
    if text is None:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdecimal():
        raise errors.Invalid("limit must be an integer of 0 or more.")
    return min(int(text[:10]), MAX_LIMIT)


def _after(db: Database, viewer: Viewer, marker: str, order: list[tuple[str, str]]) -> Condition:
    """Everything behind the marker: behind in the first key, or equal there and behind next."""
    conditions = [_images.c.id == marker, *_visible(viewer, {"visibility": ["all"]})]
    rows = queries.select(db, conditions, (), 1) if queries.is_image_id(marker) else []
    if not rows:
        raise errors.Invalid("Invalid marker. Image could not be found.")
    ways: list[Condition] = []
    equal: list[Condition] = []
    for key, direction in order:
        column = _SORTABLE[key]
        value = getattr(rows[0], key)
        if value is None:
            value = 0 if key == "size" else ""
        ways.append(sa.and_(*equal, column > value if direction == "asc" else column < value))
        equal.append(column == value)
    return sa.or_(*ways)


def _directed(column: sa.ColumnElement[Any], direction: str) -> sa.ColumnElement[Any]:
    return column.asc() if direction == "asc" else column.desc()


def _one(params: Params, name: str) -> str | None:
    values = params.get(name)
    return values[-1] if values else None


def _link(params: Params, marker: str | None) -> str:
    pairs = [(name, v) for name, values in params.items() for v in values if name != "marker"]
    if marker is not None:
        pairs.append(("marker", marker))
    return f"/v2/images?{urlencode(pairs)}" if pairs else "/v2/images"

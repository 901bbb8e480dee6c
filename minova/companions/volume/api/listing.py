"""Lists: filters, order and pages from a query string."""

import ast
import datetime as dt
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import falcon
import sqlalchemy as sa
from oslo_utils import timeutils

from minova.common import errors, texts, wsgi
from minova.companions.volume.api.schemas import is_true
from minova.companions.volume.api.versions import at_least

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
}
# Query names that are no filters.
_CONTROL = frozenset(
    (
        *("limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants"),
        *("with_count", "metadata", "project_id", "tenant_id", "all_projects"),
    )
)
_ALIASES = {"display_name": "name", "instance_id": "server_id", "instance_uuid": "server_id"}


@dataclass(frozen=True)
class Filters:
    """What one kind of record can be filtered and sorted by: query name -> column."""

    columns: Mapping[str, sa.Column[Any]]
    dates: tuple[str, ...] = ()

    def conditions(self, req: falcon.Request) -> list[Any]:
        """SQL conditions of the query string; errors.Invalid for a name nobody knows.

        Before 3.31 unknown names were ignored, and still are.
        """
        found = []
        for given, value in req.params.items():
            name = _ALIASES.get(given, given)
            value = value[-1] if isinstance(value, list) else value
            if name in _CONTROL:
                continue
            if name in self.dates and at_least(req, (3, 60)):
                found += _compare_dates(self.columns[name], name, value)
            elif name in self.columns and name not in self.dates:
                found.append(_equals(self.columns[name], value))
            elif at_least(req, (3, 31)):
                raise errors.Invalid(f"Invalid filters {given[:100]} are found in query options.")
        return found

    def order(self, req: falcon.Request, default: Sequence[Any]) -> list[Any]:
        """ORDER BY of `sort=name:asc,size` or the older sort_key and sort_dir."""
        given = req.get_param("sort")
        if given is None and req.has_param("sort_key"):
            given = f"{req.get_param('sort_key')}:{req.get_param('sort_dir') or 'desc'}"
        if not given:
            return list(default)
        found = []
        for part in given.split(",")[:10]:
            key, _, direction = part.strip().partition(":")
            column = self.columns.get(_ALIASES.get(key, key))
            if column is None or direction not in ("", "asc", "desc"):
                raise errors.Invalid(f"Invalid sort key or direction: {part[:100]}.")
            found.append(column.asc() if direction == "asc" else column.desc())
        return [*found, *default]


@dataclass(frozen=True)
class Page:
    """`limit` and where to begin: after the record `marker`, then `offset` further."""

    limit: int
    marker: str | None
    offset: int

    @classmethod
    def of(cls, req: falcon.Request, max_limit: int) -> "Page":
        """The page a request asks for, at most `max_limit` records."""
        limit = _number(req, "limit", max_limit)
        return cls(min(limit, max_limit), req.get_param("marker"), _number(req, "offset", 0))

    def cut(self, records: Sequence[Any]) -> tuple[Sequence[Any], bool]:
        """The page's records, and whether it is full: then it links to the next, if it is empty.

        errors.Invalid if the marker is none.
        """
        begin = self.offset
        if self.marker is not None:
            ids = [record.id for record in records]
            if self.marker not in ids:
                raise errors.Invalid(f"marker [{self.marker[:100]}] not found")
            begin += ids.index(self.marker) + 1
        end = begin + self.limit
        return records[begin:end], end <= len(records)


def next_link(req: falcon.Request, marker: str) -> list[dict[str, str]]:
    """The link to what follows the record `marker`."""
    query = {k: v for k, v in req.params.items() if k not in ("marker", "offset")}
    query["marker"] = marker
    path = req.context.path
    return [{"rel": "next", "href": f"{wsgi.base_url(req)}{path}?{urlencode(query, doseq=True)}"}]


def wants_all(req: falcon.Request) -> bool:
    """?all_tenants=1"""
    return is_true(req.get_param("all_tenants") or "")


def has_metadata(req: falcon.Request, records: Iterable[Any]) -> list[Any]:
    """Those of `records` that have all of ?metadata={"key": "value"}."""
    given = req.get_param("metadata")
    if not given:
        return list(records)
    wanted = _dictionary(given)
    return [r for r in records if wanted.items() <= r.metadata.items()]


def _dictionary(given: str) -> dict[str, str]:
    """A dict as JSON, or as Python writes it, which is what Cinder's clients send."""
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(given[:4096])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, dict) and all(isinstance(v, str) for v in found.values()):
            return found
    raise errors.Invalid("The filter metadata is no dictionary of strings.")


def _number(req: falcon.Request, name: str, default: int) -> int:
    given = req.get_param(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise errors.Invalid(f"{name} param must be a non-negative integer.")
    return int(given)


def _equals(column: sa.Column[Any], value: str) -> Any:
    if not texts.is_storable(value):
        raise errors.Invalid(f"The filter {column.name} has a character that cannot be there.")
    if isinstance(column.type, sa.Boolean):
        return column.is_(is_true(value))
    if isinstance(column.type, sa.Integer):
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise errors.Invalid(f"The filter {column.name} must be a number.")
        return column == int(value)
    return column == value


def _compare_dates(column: sa.Column[Any], name: str, value: str) -> list[Any]:
    """Conditions of `gt:2024-01-01T00:00:00,lt:…`; a time alone is equal to."""
    found = []
    for part in value.split(",")[:5]:
        how, _, when = part.partition(":")
        if how not in _COMPARISONS:
            how, when = "eq", part
        try:
            time = timeutils.normalize_time(timeutils.parse_isotime(when))
        except (ValueError, OverflowError):
            raise errors.Invalid(f"Invalid time in the filter {name}: {when[:50]}.") from None
        found.append(_COMPARISONS[how](column, _naive(time)))
    return found


def _naive(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=None)

"""Lists in pages: `limit` and `marker` of the query, and the link to the next page."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import falcon
from oslo_config import cfg

from minova.api.views import links
from minova.common import errors

Item = TypeVar("Item")


def last(req: falcon.Request, name: str) -> str | None:
    """A query parameter; of several the last; None if it is absent."""
    value = req.params.get(name)
    return value[-1] if isinstance(value, list) else value


def limit_of(req: falcon.Request) -> int:
    """How many a page may hold: what the query says, up to `[api] max_limit`."""
    most: int = cfg.CONF.api.max_limit
    text = last(req, "limit")
    if text is None:
        return most
    if not text.isdecimal() or len(text) > 10:
        raise errors.Invalid("limit param must be an integer of 0 or more.")
    return min(int(text), most)


def offset_of(req: falcon.Request) -> int:
    """How many to leave out: `offset`, of the few old lists that have no marker."""
    text = last(req, "offset") or "0"
    if not text.isdecimal() or len(text) > 10:
        raise errors.Invalid("offset param must be an integer of 0 or more.")
    return int(text)


def page(
    req: falcon.Request, everything: Sequence[Item], id_of: Callable[[Item], str]
) -> tuple[list[Item], bool]:
    """The page of a list that is all in memory, and whether it is full."""
    marker, limit = last(req, "marker"), limit_of(req)
    start = 0
    if marker:
        ids = [id_of(item) for item in everything]
        if marker not in ids:
            raise errors.Invalid(f"marker [{marker[:255]}] not found")
        start = ids.index(marker) + 1
    found = list(everything[start : start + limit])
    return found, len(found) == limit


def with_next(
    req: falcon.Request, key: str, body: dict[str, Any], last_id: str | None, full: bool
) -> dict[str, Any]:
    """`body` with `<key>_links` to the next page, if this one is full."""
    if full and last_id is not None:
        params = [(k, v) for k, v in req.params.items() if k != "marker"]
        query = urlencode([*params, ("marker", last_id)], doseq=True)
        body[f"{key}_links"] = [{"rel": "next", "href": f"{links.here(req)}?{query}"}]
    return body

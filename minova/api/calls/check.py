"""Checks what goes over the wire against the table of calls.

Queries are checked before a handler runs. Answers are checked behind it when
`[api] response_validation` says so: an answer that is not what its call
documents is logged or, with `error`, replaced by a 500 that names the
mistake. The tests' clouds run with `error`.
"""

import functools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import falcon

from minova.api.calls.call import Call, Query, error_problem
from minova.api.microversions import MIN, window_of
from minova.common import faults
from minova.common.wsgi import Handler, Route

LOG = logging.getLogger(__name__)


def guarded(route: Route, calls: Mapping[str, Call]) -> Route:
    """The route with the query of its call checked before its handler runs."""
    call = calls.get(f"{route.method} {route.path}")
    if call is None or not (call.query.fields or call.query.strict):
        return route
    return replace(route, handler=_guarded(route.handler, call.query))


def _guarded(handler: Handler, query: Query) -> Handler:
    since, until = window_of(handler)

    @functools.wraps(handler)
    def checked(req: falcon.Request, resp: falcon.Response, **params: str) -> Any:
        if since <= req.context.version <= until:
            query.check(req.context.version, req.params)
        return handler(req, resp, **params)

    return checked


def watcher(mode: str, calls: Mapping[str, Call]) -> Callable[..., None] | None:
    """What looks at each answer in this mode of response_validation; None for `ignore`."""
    if mode == "ignore":
        return None

    def watch(req: falcon.Request, resp: falcon.Response) -> None:
        wrong = problem(req, resp, calls)
        if wrong is None:
            return
        said = f"{req.method} {req.uri_template}: the answer is not what its call says: {wrong}"
        if mode == "error":
            LOG.error("%s\n%s %s failed", said, req.method, req.path)
            resp.status = 500
            resp.text = json.dumps(faults.dialect(500, said, AssertionError()))
            resp.content_type = falcon.MEDIA_JSON
        else:
            LOG.warning("%s", said)

    return watch


def problem(req: falcon.Request, resp: falcon.Response, calls: Mapping[str, Call]) -> str | None:
    """What is wrong with this answer; None if nothing is, or nothing is known of its call."""
    status = resp.status_code
    body = None if not resp.text else json.loads(resp.text)
    if status == 500:
        return None  # logged already
    call = calls.get(f"{req.method} {req.uri_template}")
    if call is None:
        return error_problem(status, body) if status >= 400 else None
    version = req.context.get("version") or MIN
    return call.problem(version, status, body, req.context.get("action"))

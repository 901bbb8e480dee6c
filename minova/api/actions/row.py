"""What a row of the table of server actions is, and what its function is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import falcon

from minova.api.access import Access
from minova.api.lifecycle import Lifecycle
from minova.api.microversions import MAX, MIN, Version
from minova.api.validation import Body
from minova.common.context import RequestContext
from minova.db.engine import Database
from minova.model.instance import Instance


@dataclass(frozen=True)
class Tools:
    """What the functions work with."""

    access: Access
    lifecycle: Lifecycle

    @property
    def db(self) -> Database:
        return self.access.db


@dataclass(frozen=True)
class Call:
    """One request: who asks, of which server, and `value` behind the action's name."""

    req: falcon.Request
    resp: falcon.Response
    instance: Instance
    value: Any

    @property
    def ctxt(self) -> RequestContext:
        ctxt: RequestContext = self.req.context.ctxt
        return ctxt

    @property
    def version(self) -> Version:
        version: Version = self.req.context.version
        return version


@dataclass(frozen=True)
class Action:
    """A row: what runs it, who may, what its body looks like, and the answer's status.

    Outside of `since` to `until` the action does not exist.
    """

    run: Callable[[Tools, Call], Any]
    rule: str
    schema: Body
    status: int = 202
    since: Version = MIN
    until: Version = MAX


def begins(action: str) -> Callable[[Tools, Call], None]:
    """What runs a row that begins `action` of states.ACTIONS and has no more to say."""

    def run(tools: Tools, call: Call) -> None:
        tools.lifecycle.begin(call.ctxt, call.instance, action)

    return run

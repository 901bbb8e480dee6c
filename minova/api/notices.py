"""Notifications of resources that only the API changes: flavors, key pairs, services, …

`TABLE` has a row per call that changes one: what it is called, and how the
resource is read. It is told of what was done, when it is done. Actions on
servers are told where they are recorded (`db.notices`).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import falcon
from oslo_config import cfg

from minova.common import errors, notices
from minova.common.context import RequestContext
from minova.common.notices import Notice
from minova.common.wsgi import Handler, Route
from minova.db import aggregates, flavors, hosts, instances, keypairs, server_groups
from minova.db import notices as told_of
from minova.db.engine import Database
from minova.model import notice_resources as resources
from minova.model import notices as payloads
from minova.model.notices import Json, versioned

Params = dict[str, str]
# The resource as it is now: by the call's path and, once it is there, its answer; None if unknown.
Look = Callable[[Database, falcon.Request, Params, Any], Json | None]


@dataclass(frozen=True)
class Told:
    """A row. `phases`: which of .start and .end are told, rather than the event alone.

    `events` are (key in the body, event) of a call with several meanings; of
    no key it is `event`, or nothing when that is empty. `asked`: told only with
    [notifications] notify_on_state_change. A `change` is told only if it is one.
    """

    event: str
    look: Look
    phases: tuple[str, ...] = ()
    events: tuple[tuple[str, str], ...] = ()
    asked: bool = False
    change: bool = False

    @property
    def every(self) -> set[str]:
        """All events that it may send."""
        names = {self.event, *(event for _, event in self.events)} - {""}
        return {f"{name}.{phase}" for name in names for phase in self.phases} or names


def _flavor(db: Database, req: falcon.Request, params: Params, answer: Any) -> Json | None:
    key = params.get("flavor_id") or (answer and answer["flavor"]["id"])
    if not key:
        return None
    found = flavors.get(db, key, project_id=None)
    return payloads.flavor(found, flavors.projects_of(db, found.id))


def _keypair(db: Database, req: falcon.Request, params: Params, answer: Any) -> Json | None:
    told = answer["keypair"] if answer else {}
    name = params.get("name") or told.get("name")
    if not name:
        return None
    asked = req.params.get("user_id")
    user = told.get("user_id") or (asked if isinstance(asked, str) else req.context.ctxt.user_id)
    key = keypairs.get(db, str(user), name)
    fields = ("user_id", "name", "fingerprint", "public_key", "type")
    return versioned("KeypairPayload", "1.0", {field: getattr(key, field) for field in fields})


def _service(db: Database, req: falcon.Request, params: Params, answer: Any) -> Json | None:
    key = params["service_id"]
    if len(key) != 36:  # before 2.53: a number, or a word and a host in the body
        told = (answer or {}).get("service") or {}
        named = {"host": told.get("host"), "binary": told.get("binary")} if told else {}
        found = [s for s in hosts.services(db, **named) if named or str(s.id) == key]
        if not found:
            return None
        key = found[0].uuid
    return resources.service(hosts.service(db, key))


def _group(db: Database, req: falcon.Request, params: Params, answer: Any) -> Json | None:
    key = params.get("group_id") or (answer and answer["server_group"]["id"])
    if not key:
        return None
    return resources.server_group(server_groups.get(db, key))


def _aggregate(db: Database, req: falcon.Request, params: Params, answer: Any) -> Json | None:
    key = params.get("aggregate_id") or (answer and answer["aggregate"]["id"])
    if not key or not str(key).isdecimal():
        return None
    fields = ("id", "uuid", "name", "hosts", "metadata")
    found = aggregates.get(db, int(key))
    return versioned("AggregatePayload", "1.1", {field: getattr(found, field) for field in fields})


def _server(db: Database, req: falcon.Request, params: Params, answer: Any) -> Json | None:
    return told_of.update_of(instances.get(db, params["server_id"]), req.context.ctxt)


_FLAVOR = "/v2.1/flavors/{flavor_id}"
_AGGREGATE = "/v2.1/os-aggregates/{aggregate_id}"
_SERVER = "/v2.1/servers/{server_id}"
_BOTH = ("start", "end")
_TAGGED = Told("instance.update", _server, change=True)
_RENAMED = Told("instance.update", _server, change=True, asked=True)

TABLE: dict[str, Told] = {
    "POST /v2.1/flavors": Told("flavor.create", _flavor),
    f"PUT {_FLAVOR}": Told("flavor.update", _flavor),
    f"DELETE {_FLAVOR}": Told("flavor.delete", _flavor),
    f"POST {_FLAVOR}/action": Told("flavor.update", _flavor),
    f"POST {_FLAVOR}/os-extra_specs": Told("flavor.update", _flavor),
    f"PUT {_FLAVOR}/os-extra_specs/{{key}}": Told("flavor.update", _flavor),
    f"DELETE {_FLAVOR}/os-extra_specs/{{key}}": Told("flavor.update", _flavor),
    "POST /v2.1/os-keypairs": Told(
        "keypair.create", _keypair, phases=_BOTH, events=(("public_key", "keypair.import"),)
    ),
    "DELETE /v2.1/os-keypairs/{name}": Told("keypair.delete", _keypair, phases=_BOTH),
    "PUT /v2.1/os-services/{service_id}": Told("service.update", _service),
    "DELETE /v2.1/os-services/{service_id}": Told("service.delete", _service),
    "POST /v2.1/os-server-groups": Told("server_group.create", _group),
    "DELETE /v2.1/os-server-groups/{group_id}": Told("server_group.delete", _group),
    "POST /v2.1/os-aggregates": Told("aggregate.create", _aggregate, phases=_BOTH),
    f"PUT {_AGGREGATE}": Told("aggregate.update_prop", _aggregate, phases=_BOTH),
    f"DELETE {_AGGREGATE}": Told("aggregate.delete", _aggregate, phases=_BOTH),
    f"POST {_AGGREGATE}/action": Told(
        "",
        _aggregate,
        phases=_BOTH,
        events=(
            ("add_host", "aggregate.add_host"),
            ("remove_host", "aggregate.remove_host"),
            ("set_metadata", "aggregate.update_metadata"),
        ),
    ),
    # That they all have the images, nobody waits for.
    f"POST {_AGGREGATE}/images": Told("aggregate.cache_images", _aggregate, phases=("start",)),
    f"PUT {_SERVER}": _RENAMED,
    f"POST {_SERVER}/metadata": _RENAMED,
    f"PUT {_SERVER}/metadata": _RENAMED,
    f"PUT {_SERVER}/metadata/{{key}}": _RENAMED,
    f"DELETE {_SERVER}/metadata/{{key}}": _RENAMED,
    f"PUT {_SERVER}/tags": _TAGGED,
    f"DELETE {_SERVER}/tags": _TAGGED,
    f"PUT {_SERVER}/tags/{{tag}}": _TAGGED,
    f"DELETE {_SERVER}/tags/{{tag}}": _TAGGED,
}


def telling(route: Route, db: Database) -> Route:
    """The route, telling of what it changes; the same route if it changes nothing."""
    row = TABLE.get(f"{route.method} {route.path}")
    return route if row is None else replace(route, handler=_telling(route.handler, row, db))


def _telling(handler: Handler, row: Told, db: Database) -> Handler:
    @functools.wraps(handler)
    def told(req: falcon.Request, resp: falcon.Response, **params: str) -> Any:
        if not notices.on() or (
            row.asked and cfg.CONF.notifications.notify_on_state_change is None
        ):
            return handler(req, resp, **params)
        before = _look(db, req, row, params, None)
        answer = handler(req, resp, **params)
        event = _event(row, req.context.get("body"))
        # What is gone is told as it was.
        after = _look(db, req, row, params, answer) or before
        if row.change and before and after:
            after = _changed(before, after)
        if event and after:
            for phase in row.phases:
                payload = before if phase == "start" and before else after
                _send(req, f"{event}.{phase}", payload)
            if not row.phases:
                _send(req, event, after)
        return answer

    return told


def _changed(before: Json, after: Json) -> Json | None:
    """What an update did to a server; None if nothing."""
    was, now = before["nova_object.data"], after["nova_object.data"]
    passing = ("updated_at", "audit_period")
    if all(now[key] == value for key, value in was.items() if key not in passing):
        return None
    if was["display_name"] != now["display_name"]:
        now["old_display_name"] = was["display_name"]
    return after


def _event(row: Told, body: Any) -> str:
    keys = set(body) if isinstance(body, dict) else set()
    for inner in body.values() if isinstance(body, dict) else ():
        keys |= set(inner) if isinstance(inner, dict) else set()
    return next((event for key, event in row.events if key in keys), row.event)


def _look(db: Database, req: falcon.Request, row: Told, params: Params, answer: Any) -> Json | None:
    try:
        return row.look(db, req, params, answer)
    except errors.MinovaError:
        return None


def _send(req: falcon.Request, event: str, payload: Json) -> None:
    ctxt: RequestContext = req.context.ctxt
    publisher = f"nova-api:{cfg.CONF.host}"
    notices.send(Notice(event, payload, publisher, ctxt.to_wire()))

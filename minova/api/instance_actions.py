"""What was done to a server, by whom, and how it went."""

from typing import Any

import falcon

from minova.api import paging, server_filters
from minova.api.access import Access
from minova.api.views import times
from minova.api.views.servers import host_id
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import actions
from minova.model.instance import Instance

_Record = dict[str, Any]


class InstanceActions:
    """The handlers of /servers/{server_id}/os-instance-actions."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/os-instance-actions"
        return [
            Route("GET", path, self.index),
            Route("GET", path + "/{request_id}", self.show),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/os-instance-actions"""
        instance = self._server(req, server_id, "os-instance-actions:list")
        found = actions.of_instance(self._db, instance.uuid)
        if req.context.version < (2, 58):
            return {"instanceActions": [_shown(req, action) for action in found]}
        since, before = server_filters.changes(req)
        kept = [
            action
            for action in found
            if (since is None or _changed(action) >= since)
            and (before is None or _changed(action) <= before)
        ]
        page, full = paging.page(req, kept, lambda action: str(action["request_id"]))
        body = {"instanceActions": [_shown(req, action) for action in page]}
        last = page[-1]["request_id"] if page else None
        body = paging.with_next(req, "instanceActions", body, last, full)
        if "instanceActions_links" in body:
            body["links"] = body.pop("instanceActions_links")
        return body

    def show(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, request_id: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/os-instance-actions/{request_id}"""
        instance = self._server(req, server_id, "os-instance-actions:show")
        for action in actions.of_instance(self._db, instance.uuid):
            if action["request_id"] == request_id:
                # What a periodic task began, nobody's project began.
                owner = action["project_id"] or instance.project_id
                return {"instanceAction": self._with_events(req, action, owner)}
        raise errors.NotFound(f"Action {request_id[:64]} not found")

    def _server(self, req: falcon.Request, server_id: str, rule: str) -> Instance:
        """From 2.21 on also a deleted one."""
        deleted = req.context.version >= (2, 21)
        return self._access.server(req, server_id, rule, deleted=deleted)

    def _with_events(self, req: falcon.Request, action: _Record, owner: str) -> _Record:
        shown = _shown(req, action)
        full = self._access.allows(req, "os-instance-actions:events")
        if full or req.context.version >= (2, 51):
            details = self._access.allows(req, "os-instance-actions:events:details")
            shown["events"] = [
                _event(req, event, owner, full=full, details=details)
                for event in actions.events_of(self._db, action["id"])
            ]
        return shown


def _changed(action: _Record) -> Any:
    return action["updated_at"] or action["start_time"]


def _shown(req: falcon.Request, action: _Record) -> _Record:
    shown = {
        "action": action["action"],
        "instance_uuid": action["instance_uuid"],
        "request_id": action["request_id"],
        "user_id": action["user_id"],
        "project_id": action["project_id"],
        "start_time": times.precise(action["start_time"]),
        "message": action["message"],
    }
    if req.context.version >= (2, 58):
        shown["updated_at"] = times.precise(_changed(action))
    return shown


def _event(
    req: falcon.Request, event: _Record, owner: str, *, full: bool, details: bool
) -> _Record:
    version = req.context.version
    shown = {
        "event": event["event"],
        "start_time": times.precise(event["start_time"]),
        "finish_time": times.precise(event["finish_time"]),
        "result": event["result"],
    }
    if full:
        shown["traceback"] = event["traceback"]
    if version >= (2, 62):
        if full:
            shown["host"] = event["host"]
        shown["hostId"] = host_id(owner, event["host"])
    if version >= (2, 84) and details:
        shown["details"] = event["details"]
    return shown

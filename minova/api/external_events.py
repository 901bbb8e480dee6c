"""What other services tell of servers: only for the service role.

Nothing here waits for an event: a port is ready before its guest starts, and
volumes and accelerators are asked after directly. What an event can change
is a server's record of its addresses, and that a port of it is gone.
"""

import logging
from typing import Any

import falcon

from minova.api import floating, interface_attaching
from minova.api.access import Access
from minova.api.lifecycle import Lifecycle
from minova.api.schemas import external_events as schemas
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.wsgi import Route
from minova.db import server_list, vifs
from minova.model.instance import Instance

LOG = logging.getLogger(__name__)
_MOST = 1000
# These say by their tag what they are about.
_WITH_TAG = ("volume-extended", "power-update", "accelerator-request-bound")


class ExternalEvents:
    """The handler of /os-server-external-events."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access, self._db = access, access.db
        self._lifecycle = lifecycle

    def routes(self) -> list[Route]:
        return [Route("POST", "/v2.1/os-server-external-events", self.create)]

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-server-external-events"""
        ctxt = self._access.check(req, "os-server-external-events:create")
        events = schemas.CREATE.of(req)["events"]
        wanted = sorted({event["server_uuid"] for event in events})
        found = {
            instance.uuid: instance
            for instance in server_list.servers(
                self._db,
                server_list.Filters(equal={"uuid": wanted}),
                server_list.Page(limit=_MOST),
            )
        }
        codes = [_code(event, found.get(event["server_uuid"])) for event in events]
        if any(code != 200 for code in codes):
            resp.status = 207
        taken = [event for event, code in zip(events, codes, strict=True) if code == 200]
        changed = {e["server_uuid"] for e in taken if e["name"] == "network-changed"}
        for server_id in changed:
            self._look_at_addresses(floating.Client(ctxt), server_id)
        for event in taken:
            if event["name"] == "network-vif-deleted" and "tag" in event:
                self._unplug(ctxt, found[event["server_uuid"]], event["tag"])
        return {
            "events": [
                {**event, "code": code, "status": "completed" if code == 200 else "failed"}
                for event, code in zip(events, codes, strict=True)
            ]
        }

    def _look_at_addresses(self, client: floating.Client, server_id: str) -> None:
        try:
            interface_attaching.refresh(self._db, server_id)
            floating.refresh(self._db, client, server_id)
        except errors.MinovaError as error:
            LOG.warning("instance %s: cannot look at its addresses: %s", server_id, error.message)

    def _unplug(self, ctxt: RequestContext, instance: Instance, port_id: str) -> None:
        """The port of an interface is gone: its guest loses it, now or at its next start."""
        if all(vif.port_id != port_id for vif in instance.vifs):
            return
        try:
            self._lifecycle.begin(ctxt, instance, "detach_interface", request={"port_id": port_id})
        except errors.MinovaError as error:
            LOG.info("instance %s keeps interface %s: %s", instance.uuid, port_id, error.message)
            vifs.forget(self._db, instance.uuid, port_id)


def _code(event: dict[str, Any], instance: Instance | None) -> int:
    if instance is None:
        return 404
    if event["name"] in _WITH_TAG and "tag" not in event:
        return 400
    return 200 if instance.host is not None else 422

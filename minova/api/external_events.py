"""What other services tell of servers: only for the service role.

The network events are taken and need nothing done: a port is ready before
its guest starts. Of the others each one's answer says that it is not acted on.
"""

from typing import Any

import falcon

from minova.api.access import Access
from minova.api.schemas import external_events as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import server_list

_MOST = 1000


class ExternalEvents:
    """The handler of /os-server-external-events."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [Route("POST", "/v2.1/os-server-external-events", self.create)]

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-server-external-events"""
        self._access.check(req, "os-server-external-events:create")
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
        answers = [_answer(event, found.get(event["server_uuid"])) for event in events]
        if all(answer["code"] == 404 for answer in answers):
            raise errors.NotFound("No instances found for any event")
        if any(answer["code"] != 200 for answer in answers):
            resp.status = 207
        return {"events": answers}


def _answer(event: dict[str, Any], instance: Any) -> dict[str, Any]:
    shown = {"status": "completed", **event}
    if instance is None:
        return {**shown, "status": "failed", "code": 404}
    if instance.host is None or not event["name"].startswith("network-"):
        return {**shown, "status": "failed", "code": 422}
    return {**shown, "code": 200}

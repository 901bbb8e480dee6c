"""/attachments (3.27, complete: 3.44): how the compute service gets a volume."""

from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.companions.volume.api import listing, schemas
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.versions import at_least, require
from minova.companions.volume.api.views import attachment_detail, attachment_summary
from minova.companions.volume.attaching import Attaching
from minova.companions.volume.queries import attachments
from minova.companions.volume.records import Attachment, Volume
from minova.companions.volume.tables import attachments as table

_SINCE, _COMPLETE_SINCE = (3, 27), (3, 44)
_FILTERS = listing.Filters(
    columns={name: table.c[name] for name in ("id", "status", "volume_id", "server_id")}
)


class Attachments:
    """Handlers of /attachments."""

    def __init__(self, access: Access, attaching: Attaching, max_limit: int) -> None:
        self._access, self._attaching, self._max_limit = access, attaching, max_limit
        self._db = access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v3/attachments", self.list_short),
            Route("POST", "/v3/attachments", self.create),
            Route("GET", "/v3/attachments/detail", self.list_detail),
            Route("GET", "/v3/attachments/{attachment_id}", self.show),
            Route("PUT", "/v3/attachments/{attachment_id}", self.update),
            Route("DELETE", "/v3/attachments/{attachment_id}", self.delete),
            Route("POST", "/v3/attachments/{attachment_id}/action", self.complete, 204),
        ]

    def create(self, req: falcon.Request, resp: falcon.Response) -> Any:
        require(req, _SINCE)
        asked = schemas.body_of(req, schemas.ATTACHMENT_CREATE)["attachment"]
        volume = self._access.volume(req, asked["volume_uuid"], "volume:attachment_create")
        connector = asked.get("connector")
        if connector:
            self._allow_export(req, volume)
        mode = asked.get("mode") if at_least(req, (3, 54)) else None
        attachment = self._attaching.reserve(
            volume, asked.get("instance_uuid"), "ro" if mode == "ro" else "rw"
        )
        if not connector:
            return {"attachment": attachment_detail(attachment, {})}
        try:
            return self._connect(attachment, connector)
        except errors.MinovaError:
            self._attaching.detach(attachment.id)
            raise

    def list_short(self, req: falcon.Request, resp: falcon.Response) -> Any:
        return self._list(req, detail=False)

    def list_detail(self, req: falcon.Request, resp: falcon.Response) -> Any:
        return self._list(req, detail=True)

    def show(self, req: falcon.Request, resp: falcon.Response, attachment_id: str) -> Any:
        require(req, _SINCE)
        attachment, volume = self._access.attachment(req, attachment_id, "volume:attachment_get")
        return {"attachment": attachment_detail(attachment, self._info(req, attachment, volume))}

    def update(self, req: falcon.Request, resp: falcon.Response, attachment_id: str) -> Any:
        require(req, _SINCE)
        attachment, _ = self._access.attachment(req, attachment_id, "volume:attachment_update")
        asked = schemas.body_of(req, schemas.ATTACHMENT_UPDATE)["attachment"]
        return self._connect(attachment, asked["connector"])

    def complete(self, req: falcon.Request, resp: falcon.Response, attachment_id: str) -> None:
        require(req, _COMPLETE_SINCE)
        self._access.attachment(req, attachment_id, "volume:attachment_complete")
        body = wsgi.body_of(req)
        if not isinstance(body, dict) or set(body) != {"os-complete"}:
            raise errors.Invalid("There is no such action: the only one is os-complete.")
        schemas.check(schemas.ATTACHMENT_ACTION, body)
        self._attaching.complete(attachment_id)

    def delete(self, req: falcon.Request, resp: falcon.Response, attachment_id: str) -> Any:
        require(req, _SINCE)
        attachment, volume = self._access.attachment(req, attachment_id, "volume:attachment_delete")
        self._attaching.may_detach(req.context.ctxt, attachment)
        self._attaching.detach(attachment.id)
        left = attachments.of_volumes(self._db, [volume.id])[volume.id]
        return {"attachments": [attachment_summary(other) for other in left]}

    def _connect(self, attachment: Attachment, connector: dict[str, Any]) -> Any:
        info = self._attaching.connect(attachment.id, connector)
        return {"attachment": attachment_detail(attachments.get(self._db, attachment.id), info)}

    def _list(self, req: falcon.Request, detail: bool) -> Any:
        require(req, _SINCE)
        ctxt = self._access.own(req, "volume:attachment_get")
        page = listing.Page.of(req, self._max_limit)
        everybody = self._access.privileged(ctxt) and listing.wants_all(req)
        project = None if everybody else ctxt.project_id or ""
        found = attachments.find(self._db, _FILTERS.conditions(req), project)
        shown, more = page.cut(found)
        show = (lambda item: attachment_detail(item, {})) if detail else attachment_summary
        body: dict[str, Any] = {"attachments": [show(attachment) for attachment in shown]}
        if more and shown:
            body["attachments_links"] = listing.next_link(req, shown[-1].id)
        return body

    def _info(self, req: falcon.Request, attachment: Attachment, volume: Volume) -> dict[str, Any]:
        """Where the export is: a path on the host, which is nothing for users."""
        rule = "volume:attachment_connection_info"
        if not self._access.enforcer.allows(req.context.ctxt, rule, {}):
            return {}
        return self._attaching.connection_info(attachment, volume)

    def _allow_export(self, req: falcon.Request, volume: Volume) -> None:
        self._access.enforcer.authorize(
            req.context.ctxt, "volume:attachment_update", {"project_id": volume.project_id}
        )

"""/v2/images/ID/members: sharing an image with other projects."""

from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.context import RequestContext
from minova.companions.image import members, schemas, views
from minova.companions.image.access import Access
from minova.companions.image.records import SHARED, Image
from minova.db.engine import Database


class Members:
    """The owner adds and removes members; a member says yes or no to the image."""

    def __init__(self, db: Database, access: Access) -> None:
        self._db, self._access = db, access

    def index(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        """All members for the owner; a member sees itself alone."""
        ctxt = req.context.ctxt
        image = self._shared(ctxt, image_id)
        found = members.of_image(self._db, image_id)
        if not self._access.allows(ctxt, "get_members", image):
            found = [one for one in found if one.project_id == ctxt.project_id]
        return {"members": [views.member(one) for one in found], "schema": "/v2/schemas/members"}

    def show(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, member_id: str
    ) -> dict[str, Any]:
        ctxt = req.context.ctxt
        image = self._shared(ctxt, image_id)
        found = members.find(self._db, image_id, member_id) if _is_id(member_id) else None
        own = member_id == ctxt.project_id
        if found is None or not (own or self._access.allows(ctxt, "get_members", image)):
            raise _no_member(image_id, member_id)
        return views.member(found)

    def add(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        self._shared(req.context.ctxt, image_id, "add_member")
        body = schemas.check_member(wsgi.body_of(req))
        return views.member(members.add(self._db, image_id, body["member"]))

    def answer(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, member_id: str
    ) -> dict[str, Any]:
        """Only the member itself (or an admin) decides what it thinks of an image."""
        ctxt = req.context.ctxt
        self._shared(ctxt, image_id)
        body = schemas.check_member_status(wsgi.body_of(req))
        self._access.authorize_member(ctxt, "modify_member", member_id)
        found = (
            members.answer(self._db, image_id, member_id, body["status"])
            if _is_id(member_id)
            else None
        )
        if found is None:
            raise _no_member(image_id, member_id)
        return views.member(found)

    def remove(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, member_id: str
    ) -> None:
        self._shared(req.context.ctxt, image_id, "delete_member")
        if not _is_id(member_id) or not members.remove(self._db, image_id, member_id):
            raise _no_member(image_id, member_id)

    def _shared(self, ctxt: RequestContext, image_id: str, rule: str = "get_image") -> Image:
        image = self._access.find(ctxt, image_id, rule)
        if image.visibility != SHARED:
            raise errors.Forbidden("Only shared images have members.")
        return image


def _is_id(text: str) -> bool:
    return len(text) <= schemas.MAX_NAME and text.isprintable()


def _no_member(image_id: str, member_id: str) -> errors.NotFound:
    return errors.NotFound(f"{member_id[:64]} not found in the member list of image {image_id}.")

"""/v2/images: create, list, show, change, delete."""

import uuid
from collections.abc import Callable
from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.context import RequestContext
from minova.companions.image import listing, patch, queries, records, schemas, views
from minova.companions.image.access import Access
from minova.companions.image.patch import FIELDS
from minova.companions.image.records import COMMUNITY, PUBLIC, WITH_DATA, Image
from minova.companions.image.store import Store
from minova.db.engine import Database

IMPORT_METHODS = ("glance-direct",)
# A visibility that needs more than the right to change the image.
_VISIBILITY_RULES = {PUBLIC: "publicize_image", COMMUNITY: "communitize_image"}


class Images:
    """Handlers of the collection and of one image."""

    def __init__(self, db: Database, store: Store, access: Access) -> None:
        self._db, self._store, self._access = db, store, access

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        viewer = self._access.viewer(req.context.ctxt)
        params = {
            name: value if isinstance(value, list) else [value]
            for name, value in req.params.items()
        }
        page = listing.page(self._db, viewer, params)
        located = self._access.sees_locations(req.context.ctxt)
        body: dict[str, Any] = {
            "images": [self._view(image, located) for image in page.images],
            "first": page.first,
            "schema": "/v2/schemas/images",
        }
        if page.next:
            body["next"] = page.next
        return body

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        ctxt = req.context.ctxt
        self._access.authorize(ctxt, "add_image")
        body = wsgi.body_of(req)
        if isinstance(body, dict):
            for name in body:
                schemas.check_writable(name)
        image = _new_image(schemas.check_create(body), ctxt.project_id)
        self._authorize_settings(ctxt, image, None)
        queries.create(self._db, image)
        resp.set_header("Location", f"{wsgi.base_url(req)}/v2/images/{image.id}")
        resp.set_header("OpenStack-image-import-methods", ",".join(IMPORT_METHODS))
        return self._view(image, self._access.sees_locations(ctxt))

    def show(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        ctxt = req.context.ctxt
        return self._view(self._access.find(ctxt, image_id), self._access.sees_locations(ctxt))

    def tasks(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        """What is being done to the image's data: nothing; an import is done when it answers."""
        self._access.find(req.context.ctxt, image_id)
        return {"tasks": []}

    def update(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        ctxt = req.context.ctxt
        changes = patch.parse(wsgi.body_of(req), req.content_type)
        seen = self._access.find(ctxt, image_id, "modify_image")

        def apply(image: Image) -> None:
            before = (image.visibility, image.owner)
            for change in changes:
                patch.apply(image, change)
            self._authorize_settings(ctxt, image, before)

        if changes:
            seen = queries.change(self._db, image_id, apply)
        return self._view(seen, self._access.sees_locations(ctxt))

    def delete(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        self._access.find(req.context.ctxt, image_id, "delete_image")
        queries.delete(self._db, image_id)
        # The row is gone first: a crash here leaves a file that the sweep removes.
        self._store.delete(image_id)

    def add_tag(self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str) -> None:
        self._access.find(req.context.ctxt, image_id, "modify_image")
        schemas.check_attribute("tags", [tag])

        def apply(image: Image) -> None:
            tags = sorted({*image.tags, tag})
            schemas.check_attribute("tags", tags)
            image.tags = tags

        queries.change(self._db, image_id, apply)

    def remove_tag(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str
    ) -> None:
        self._access.find(req.context.ctxt, image_id, "modify_image")

        def apply(image: Image) -> None:
            if tag not in image.tags:
                raise errors.NotFound(f"Image {image_id} has no tag {tag[:255]}.")
            image.tags = [one for one in image.tags if one != tag]

        queries.change(self._db, image_id, apply)

    def _view(self, image: Image, located: bool) -> dict[str, Any]:
        shown = located and image.status in WITH_DATA
        return views.image(image, self._store.path(image.id).as_uri() if shown else None)

    def _authorize_settings(
        self, ctxt: RequestContext, image: Image, before: tuple[str, str | None] | None
    ) -> None:
        """May the caller give the image this visibility and this owner?"""
        visibility, owner = before or (None, ctxt.project_id)
        rule = _VISIBILITY_RULES.get(image.visibility)
        if rule and image.visibility != visibility:
            self._access.authorize(ctxt, rule, image)
        if image.owner != owner:
            self._access.authorize(ctxt, "set_image_owner", image)


class Actions:
    """Handlers of /v2/images/ID/actions."""

    def __init__(self, db: Database, access: Access) -> None:
        self._db, self._access = db, access
        self.deactivate = self._action("deactivate", records.ACTIVE, records.DEACTIVATED)
        self.reactivate = self._action("reactivate", records.DEACTIVATED, records.ACTIVE)

    def _action(self, rule: str, source: str, target: str) -> Callable[..., None]:
        def act(req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
            image = self._access.find(req.context.ctxt, image_id, rule)
            if not queries.move(self._db, image_id, (source, target), target):
                raise errors.Forbidden(
                    f"Not allowed to {rule} image {image_id} in status '{image.status}'."
                )

        return act


def _new_image(body: dict[str, Any], project_id: str | None) -> Image:
    core = {FIELDS.get(k, k): v for k, v in body.items() if k in schemas.WRITABLE}
    core["tags"] = sorted(set(core.get("tags", ())))
    core["id"] = str(core.get("id") or uuid.uuid4()).lower()
    core.setdefault("owner", project_id)
    now = records.now()
    own = {k: v for k, v in body.items() if k not in schemas.WRITABLE}
    if len(own) > schemas.MAX_ITEMS:
        raise errors.TooLarge(f"An image has at most {schemas.MAX_ITEMS} own properties.")
    return Image(created_at=now, updated_at=now, properties=own, **core)

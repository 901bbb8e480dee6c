"""The image API's one route table, and its way to word an error."""

import http
from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.auth import WSGIApp
from minova.common.wsgi import Route
from minova.companions.image import failures
from minova.companions.image.access import Access
from minova.companions.image.api import data, documents
from minova.companions.image.api.data import Data
from minova.companions.image.api.images import Actions, Images
from minova.companions.image.api.members import Members
from minova.companions.image.store import Store
from minova.companions.image.transfer import Transfers
from minova.db.engine import Database

_IMAGE = "/v2/images/{image_id}"
_MEMBER = f"{_IMAGE}/members/{{member_id}}"
_TAG = f"{_IMAGE}/tags/{{tag}}"


def routes(db: Database, store: Store, transfers: Transfers) -> list[Route]:
    """Everything the image API answers."""
    access = Access(db)
    images, actions = Images(db, store, access), Actions(db, access)
    members, bytes_ = Members(db, access), Data(store, access, transfers)
    return [
        Route("GET", "/", documents.versions, 300, public=True),
        Route("GET", "/v2", documents.versions, 300, public=True),
        Route("GET", "/versions", documents.versions, public=True),
        Route("GET", "/v2/schemas/{name}", documents.schema),
        Route("GET", "/v2/schemas/metadefs/{name}", documents.metadef_schema),
        Route("GET", "/v2/info/import", data.info_import),
        Route("GET", "/v2/info/stores", data.info_stores),
        Route("GET", "/v2/images", images.index),
        Route("POST", "/v2/images", images.create, 201),
        Route("GET", _IMAGE, images.show),
        Route("GET", f"{_IMAGE}/tasks", images.tasks),
        Route("PATCH", _IMAGE, images.update),
        Route("DELETE", _IMAGE, images.delete, 204),
        Route("PUT", f"{_IMAGE}/file", bytes_.upload, 204),
        Route("GET", f"{_IMAGE}/file", bytes_.download),
        Route("PUT", f"{_IMAGE}/stage", bytes_.stage, 204),
        Route("POST", f"{_IMAGE}/import", bytes_.import_, 202),
        Route("POST", f"{_IMAGE}/actions/deactivate", actions.deactivate, 204),
        Route("POST", f"{_IMAGE}/actions/reactivate", actions.reactivate, 204),
        Route("PUT", _TAG, images.add_tag, 204),
        Route("DELETE", _TAG, images.remove_tag, 204),
        Route("GET", f"{_IMAGE}/members", members.index),
        Route("POST", f"{_IMAGE}/members", members.add),
        Route("GET", _MEMBER, members.show),
        Route("PUT", _MEMBER, members.answer),
        Route("DELETE", _MEMBER, members.remove, 204),
    ]


def build(db: Database, store: Store, transfers: Transfers, **options: Any) -> WSGIApp:
    """The WSGI app; `options` go to `wsgi.App` (tests bring their own `authenticate`)."""
    return wsgi.build(
        wsgi.App(
            name="minova-image",
            routes=routes(db, store, transfers),
            dialect=dialect,
            before=_no_empty_id,
            extra_families=failures.FAMILIES,
            **options,
        )
    )


def dialect(status: int, message: str, error: Exception) -> dict[str, str]:
    """Glance's error body as its clients ask for it (Accept: application/json)."""
    title = http.HTTPStatus(status).phrase
    return {"message": message, "code": f"{status} {title}", "title": title}


def _no_empty_id(req: falcon.Request, resp: falcon.Response) -> None:
    """`/v2/images/` is an image with an empty id, not the list."""
    if req.env["PATH_INFO"] == "/v2/images/":
        raise errors.NotFound("No image found with an empty ID.")

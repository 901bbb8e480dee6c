"""Images of the image service in the form of the first compute API, and their properties."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import proxies as schemas
from minova.api.validation import boolean, is_uuid
from minova.api.views import links
from minova.clients.image import ATTRIBUTES
from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.wsgi import Route
from minova.db import quotas

_PATCH = "application/openstack-images-v2.1-json-patch"
# parameter → the image service's; `property-x` is a filter by the property x.
_FILTERS = {
    "name": "name",
    "status": "status",
    "server": "instance_uuid",
    "type": "image_type",
    "minRam": "min_ram",
    "minDisk": "min_disk",
}
_STATUS = {
    "active": ("ACTIVE", 100),
    "queued": ("SAVING", 25),
    "saving": ("SAVING", 50),
    "deleted": ("DELETED", 0),
    "pending_delete": ("DELETED", 0),
    "killed": ("ERROR", 0),
}
Image = dict[str, Any]


class ImageProxies:
    """The handlers of /images and /images/{image_id}/metadata."""

    def __init__(self, access: Access) -> None:
        self._db = access.db

    def routes(self) -> list[Route]:
        images, metadata = "/v2.1/images", "/v2.1/images/{image_id}/metadata"
        return [
            Route("GET", images, self.index),
            Route("GET", images + "/detail", self.detail),
            Route("GET", images + "/{image_id}", self.show),
            Route("DELETE", images + "/{image_id}", self.delete, 204),
            Route("GET", metadata, self.metadata),
            Route("POST", metadata, self.add_metadata),
            Route("PUT", metadata, self.replace_metadata),
            Route("GET", metadata + "/{key}", self.show_item),
            Route("PUT", metadata + "/{key}", self.set_item),
            Route("DELETE", metadata + "/{key}", self.delete_item, 204),
        ]

    @window("2.1", "2.35")
    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /images"""
        return _listed(req, _brief)

    @window("2.1", "2.35")
    def detail(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /images/detail"""
        return _listed(req, _full)

    @window("2.1", "2.35")
    def show(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        """GET /images/{image_id}"""
        return {"image": _full(req, _get(req, image_id))}

    @window("2.1", "2.35")
    def delete(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """DELETE /images/{image_id}"""
        _get(req, image_id)
        try:
            _client(req.context.ctxt).remove(f"/images/{image_id}")
        except errors.Forbidden:
            raise errors.Forbidden("You are not allowed to delete the image.") from None

    @window("2.1", "2.38")
    def metadata(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> dict[str, Any]:
        """GET /images/{image_id}/metadata"""
        return {"metadata": _properties(_get(req, image_id))}

    @window("2.1", "2.38")
    def add_metadata(
        self, req: falcon.Request, resp: falcon.Response, image_id: str
    ) -> dict[str, Any]:
        """POST /images/{image_id}/metadata"""
        wanted = schemas.METADATA.of(req)["metadata"]
        return {"metadata": self._change(req, image_id, lambda old: {**old, **wanted})}

    @window("2.1", "2.38")
    def replace_metadata(
        self, req: falcon.Request, resp: falcon.Response, image_id: str
    ) -> dict[str, Any]:
        """PUT /images/{image_id}/metadata"""
        wanted = schemas.METADATA.of(req)["metadata"]
        return {"metadata": self._change(req, image_id, lambda old: dict(wanted))}

    @window("2.1", "2.38")
    def show_item(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, key: str
    ) -> dict[str, Any]:
        """GET /images/{image_id}/metadata/{key}"""
        known = _properties(_get(req, image_id))
        if key not in known:
            raise errors.NotFound("The resource could not be found.")
        return {"meta": {key: known[key]}}

    @window("2.1", "2.38")
    def set_item(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, key: str
    ) -> dict[str, Any]:
        """PUT /images/{image_id}/metadata/{key}"""
        wanted = schemas.META.of(req)["meta"]
        if key not in wanted:
            raise errors.Invalid("Request body and URI mismatch")
        self._change(req, image_id, lambda old: {**old, **wanted})
        return {"meta": wanted}

    @window("2.1", "2.38")
    def delete_item(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, key: str
    ) -> None:
        """DELETE /images/{image_id}/metadata/{key}"""
        if key not in _properties(_get(req, image_id)):
            raise errors.NotFound("Invalid metadata key")
        self._change(req, image_id, lambda old: {k: v for k, v in old.items() if k != key})

    def _change(
        self, req: falcon.Request, image_id: str, change: Callable[[Image], Image]
    ) -> Image:
        """Make the image's properties what `change` says; all of them afterwards."""
        before = _properties(_get(req, image_id))
        after = change(before)
        limit = quotas.limits(self._db, str(req.context.ctxt.project_id))["metadata_items"]
        if 0 <= limit < len(after):
            raise errors.QuotaExceeded("Image metadata limit exceeded")
        patch: list[dict[str, Any]] = [
            {"op": "replace" if key in before else "add", "path": _pointer(key), "value": value}
            for key, value in after.items()
            if before.get(key) != value
        ]
        patch += ({"op": "remove", "path": _pointer(key)} for key in before if key not in after)
        if patch:
            changed = _client(req.context.ctxt).patch(f"/images/{image_id}", patch, _PATCH)
            return _properties(changed)
        return after


def _client(ctxt: RequestContext) -> RestClient:
    return RestClient("image", "image", "/v2", caller=ctxt)


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _get(req: falcon.Request, image_id: str) -> Image:
    missing = errors.NotFound("Image not found.")
    if not is_uuid(image_id):
        raise missing
    try:
        found: Image = _client(req.context.ctxt).get(f"/images/{image_id}")
    except errors.NotFound:
        raise missing from None
    return found


def _listed(
    req: falcon.Request, show: Callable[[falcon.Request, Image], dict[str, Any]]
) -> dict[str, Any]:
    limit = paging.limit_of(req)
    params = {**_filters(req), "limit": limit}
    marker = paging.last(req, "marker")
    if marker:
        params["marker"] = marker
    found = _pages(_client(req.context.ctxt), params, limit)
    body = {"images": [show(req, image) for image in found]}
    return paging.with_next(
        req, "images", body, found[-1]["id"] if found else None, len(found) == limit
    )


def _pages(client: RestClient, params: dict[str, Any], limit: int) -> list[Image]:
    """Up to `limit` images, in as many pages as the image service makes of them."""
    found: list[Image] = []
    while len(found) < limit:
        answer = client.get("/images", **params)
        found += answer["images"]
        if not answer.get("next"):
            break
        params = dict(parse_qsl(urlsplit(answer["next"]).query))
    return found[:limit]


def _filters(req: falcon.Request) -> dict[str, str]:
    filters = {}
    for name in req.params:
        value = paging.last(req, name) or ""
        if name == "changes-since":
            filters["updated_at"] = f"gte:{value}"
        elif name == "server":
            filters[_FILTERS[name]] = value.rstrip("/").rpartition("/")[2]
        elif name == "status":
            filters[name] = value.lower()
        elif name in _FILTERS:
            filters[_FILTERS[name]] = value
        elif name.startswith("property-") and name != "property-":
            filters[name.removeprefix("property-")] = value
    return filters


def _properties(image: Image) -> dict[str, Any]:
    return {key: value for key, value in image.items() if key not in ATTRIBUTES}


def _brief(req: falcon.Request, image: Image) -> dict[str, Any]:
    where = RestClient("image", "image").url(f"/images/{image['id']}")
    alternate = {"rel": "alternate", "type": "application/vnd.openstack.image", "href": where}
    return {
        "id": image["id"],
        "name": image.get("name"),
        "links": [*links.of(req, f"images/{image['id']}"), alternate],
    }


def _full(req: falcon.Request, image: Image) -> dict[str, Any]:
    status, progress = _STATUS.get(image["status"], ("UNKNOWN", 0))
    properties = _properties(image)
    shown = {
        **_brief(req, image),
        "minRam": image.get("min_ram") or 0,
        "minDisk": image.get("min_disk") or 0,
        "metadata": properties,
        "created": image["created_at"],
        "updated": image["updated_at"],
        "status": status,
        "progress": progress,
        "OS-EXT-IMG-SIZE:size": image.get("size") or 0,
    }
    server = properties.get("instance_uuid")
    if server:
        shown["server"] = {"id": server, "links": links.of(req, f"servers/{server}")}
    if "auto_disk_config" in properties:
        is_auto = boolean(properties["auto_disk_config"])
        shown["OS-DCF:diskConfig"] = "AUTO" if is_auto else "MANUAL"
    return shown

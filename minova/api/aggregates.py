"""Host aggregates: hosts with something in common, and the zones that some of them are."""

import re
from collections.abc import Callable
from typing import Any

import falcon
from oslo_config import cfg

from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import aggregates as schemas
from minova.api.validation import Body
from minova.api.views import times
from minova.clients.image import ImageClient
from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.compute.rpcapi import ComputeAPI
from minova.db import aggregates, hosts
from minova.db.aggregates import Aggregate


class Aggregates:
    """The handlers of /os-aggregates."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db
        self._compute = ComputeAPI()
        # action → (schema, what does it); the rule is called like the action.
        self._actions: dict[str, tuple[Body, Callable[[int, Any], Aggregate]]] = {
            "add_host": (schemas.ADD_HOST, self._add_host),
            "remove_host": (schemas.REMOVE_HOST, self._remove_host),
            "set_metadata": (schemas.SET_METADATA, self._set_metadata),
        }

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-aggregates", self.index),
            Route("POST", "/v2.1/os-aggregates", self.create),
            Route("GET", "/v2.1/os-aggregates/{aggregate_id}", self.show),
            Route("PUT", "/v2.1/os-aggregates/{aggregate_id}", self.update),
            Route("DELETE", "/v2.1/os-aggregates/{aggregate_id}", self.delete),
            Route("POST", "/v2.1/os-aggregates/{aggregate_id}/action", self.act),
            Route("POST", "/v2.1/os-aggregates/{aggregate_id}/images", self.cache_images, 202),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-aggregates"""
        self._access.check(req, "os-aggregates:index")
        return {"aggregates": [_shown(req, each) for each in aggregates.find(self._db)]}

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-aggregates"""
        self._access.check(req, "os-aggregates:create")
        wanted = schemas.CREATE.of(req)["aggregate"]
        made = aggregates.create(self._db, wanted["name"], wanted.get("availability_zone"))
        shown = _shown(req, made)
        # What has just been made has never been answered with these.
        return {"aggregate": {k: v for k, v in shown.items() if k not in ("hosts", "metadata")}}

    def show(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> dict[str, Any]:
        """GET /os-aggregates/{aggregate_id}"""
        self._access.check(req, "os-aggregates:show")
        return {"aggregate": _shown(req, aggregates.get(self._db, _number(aggregate_id)))}

    def update(
        self, req: falcon.Request, resp: falcon.Response, aggregate_id: str
    ) -> dict[str, Any]:
        """PUT /os-aggregates/{aggregate_id}: its name or zone"""
        self._access.check(req, "os-aggregates:update")
        number = _number(aggregate_id)
        wanted = schemas.UPDATE.of(req)["aggregate"]
        if not wanted:
            raise errors.Invalid(
                "Invalid input for field/attribute aggregate. Give a name, an availability_zone "
                "or both."
            )
        if "availability_zone" in wanted and not wanted["availability_zone"]:
            known = aggregates.get(self._db, number).name
            raise errors.Invalid(
                f"Cannot update aggregate {number}. Reason: Aggregate {known} does not support "
                "empty named availability zone."
            )
        name = wanted["name"].strip() if "name" in wanted else None
        changed = aggregates.update(
            self._db, number, name=name, zone=wanted.get("availability_zone")
        )
        return {"aggregate": _shown(req, changed)}

    def delete(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> None:
        """DELETE /os-aggregates/{aggregate_id}: one without hosts"""
        self._access.check(req, "os-aggregates:delete")
        aggregates.delete(self._db, _number(aggregate_id))

    def act(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> dict[str, Any]:
        """POST /os-aggregates/{aggregate_id}/action: add_host, remove_host, set_metadata"""
        body = wsgi.body_of(req)
        name = next(iter(body), None) if isinstance(body, dict) and len(body) == 1 else None
        if name not in self._actions:
            raise errors.Invalid(f"There is no such action: {str(name)[:64]}")
        self._access.check(req, f"os-aggregates:{name}")
        schema, act = self._actions[name]
        schema.check(req.context.version, body)
        return {"aggregate": _shown(req, act(_number(aggregate_id), body[name]))}

    def _add_host(self, number: int, wanted: dict[str, str]) -> Aggregate:
        aggregates.get(self._db, number)
        self._check_host(wanted["host"])
        return aggregates.add_host(self._db, number, wanted["host"])

    def _check_host(self, host: str) -> None:
        if not hosts.services(self._db, host=host, binary="nova-compute"):
            raise errors.NotFound(f"Compute host {host} could not be found.")

    def _remove_host(self, number: int, wanted: dict[str, str]) -> Aggregate:
        try:
            return aggregates.remove_host(self._db, number, wanted["host"])
        except errors.NotFound:
            raise errors.NotFound(
                f"Cannot remove host {wanted['host']} in aggregate {number}"
            ) from None

    def _set_metadata(self, number: int, wanted: dict[str, Any]) -> Aggregate:
        return aggregates.set_metadata(self._db, number, wanted["metadata"])

    @window("2.81")
    def cache_images(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> None:
        """POST /os-aggregates/{aggregate_id}/images: have its hosts fetch them beforehand"""
        ctxt = self._access.check(req, "compute:aggregates:images")
        wanted = [image["id"] for image in schemas.CACHE_IMAGES.of(req)["cache"]]
        if len(set(wanted)) < len(wanted):
            raise errors.Invalid("Duplicate images in request")
        there = aggregates.get(self._db, _number(aggregate_id)).hosts
        images = ImageClient(ctxt)
        for image_id in wanted:
            images.get(image_id)
        for service in hosts.services(self._db, binary="nova-compute"):
            if service.host in there and service.is_up(cfg.CONF.compute.service_down_time):
                self._compute.cache_images(ctxt, service.host, wanted)


def _number(aggregate_id: str) -> int:
    if not re.fullmatch("-?[0-9]{1,9}", aggregate_id):
        raise errors.Invalid(f"Invalid aggregate id {aggregate_id[:64]}: it has to be a number.")
    return int(aggregate_id)


def _shown(req: falcon.Request, aggregate: Aggregate) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "hosts": aggregate.hosts,
        "metadata": aggregate.metadata,
        "created_at": times.precise(aggregate.created_at),
        "updated_at": times.precise(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    if req.context.version >= (2, 41):
        shown["uuid"] = aggregate.uuid
    return shown

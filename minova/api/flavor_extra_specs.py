"""Extra specs of flavors: what a host must offer, and how the guest is made."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.api.flavors import known_id
from minova.api.schemas import flavors as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import flavors
from minova.model import extra_specs


class FlavorExtraSpecs:
    """The handlers of /flavors/{flavor_id}/os-extra_specs."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/flavors/{flavor_id}/os-extra_specs"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create),
            Route("GET", path + "/{key}", self.show),
            Route("PUT", path + "/{key}", self.update),
            Route("DELETE", path + "/{key}", self.delete),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """GET /flavors/{flavor_id}/os-extra_specs"""
        return {"extra_specs": self._specs(req, flavor_id)}

    def show(
        self, req: falcon.Request, resp: falcon.Response, flavor_id: str, key: str
    ) -> dict[str, Any]:
        """GET /flavors/{flavor_id}/os-extra_specs/{key}"""
        specs = self._specs(req, flavor_id)
        if key not in specs:
            raise errors.NotFound(f"Flavor {flavor_id} has no extra specs with key {key[:255]}.")
        return {key: specs[key]}

    def _specs(self, req: falcon.Request, flavor_id: str) -> dict[str, str]:
        self._access.check(req, "os-flavor-extra-specs:index")
        every = self._access.allows(req, "os-flavor-access")
        project = None if every else str(req.context.ctxt.project_id)
        return flavors.get(self._db, known_id(flavor_id), project_id=project).extra_specs

    def create(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """POST /flavors/{flavor_id}/os-extra_specs"""
        self._access.check(req, "os-flavor-extra-specs:create")
        wanted = _strings(schemas.ADD_SPECS.of(req)["extra_specs"])
        self._set(req, flavor_id, wanted)
        return {"extra_specs": wanted}

    def update(
        self, req: falcon.Request, resp: falcon.Response, flavor_id: str, key: str
    ) -> dict[str, Any]:
        """PUT /flavors/{flavor_id}/os-extra_specs/{key}"""
        self._access.check(req, "os-flavor-extra-specs:update")
        wanted = _strings(schemas.SET_SPEC.of(req))
        if list(wanted) != [key]:
            raise errors.Invalid("Request body and URI mismatch")
        self._set(req, flavor_id, wanted)
        return dict(wanted)

    def _set(self, req: falcon.Request, flavor_id: str, wanted: dict[str, str]) -> None:
        if req.context.version >= (2, 86):
            for key, value in wanted.items():
                extra_specs.check(key, value)
        flavors.change_specs(self._db, known_id(flavor_id), wanted)

    def delete(self, req: falcon.Request, resp: falcon.Response, flavor_id: str, key: str) -> None:
        """DELETE /flavors/{flavor_id}/os-extra_specs/{key}"""
        self._access.check(req, "os-flavor-extra-specs:delete")
        flavors.change_specs(self._db, known_id(flavor_id), {}, remove=key)


def _strings(values: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}

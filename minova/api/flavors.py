"""Flavors: list, show, create, describe, delete; and who may use the private ones."""

import uuid
from typing import Any

import falcon

from minova.api import paging, projects
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import flavors as schemas
from minova.api.validation import boolean
from minova.api.views import flavors as views
from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.db import flavors
from minova.model.instance import Flavor

_IS_PUBLIC = {"none": None, "true": True, "1": True, "yes": True, "on": True, "t": True, "y": True}


class Flavors:
    """The handlers of /flavors."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/flavors", self.index),
            Route("GET", "/v2.1/flavors/detail", self.detail),
            Route("POST", "/v2.1/flavors", self.create),
            Route("GET", "/v2.1/flavors/{flavor_id}", self.show),
            Route("PUT", "/v2.1/flavors/{flavor_id}", self.update),
            Route("DELETE", "/v2.1/flavors/{flavor_id}", self.delete, 202),
            Route("GET", "/v2.1/flavors/{flavor_id}/os-flavor-access", self.projects),
            Route("POST", "/v2.1/flavors/{flavor_id}/action", self.action),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /flavors"""
        found, full = self._page(req)
        body = {"flavors": [views.brief(req, flavor) for flavor in found]}
        return paging.with_next(req, "flavors", body, found[-1].id if found else None, full)

    def detail(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /flavors/detail"""
        found, full = self._page(req)
        body = {"flavors": [self._shown(req, flavor) for flavor in found]}
        return paging.with_next(req, "flavors", body, found[-1].id if found else None, full)

    def _page(self, req: falcon.Request) -> tuple[list[Flavor], bool]:
        self._access.check(req, "flavors:index")
        sort_key = paging.last(req, "sort_key") or "flavorid"
        if sort_key not in flavors.SORT_KEYS:
            raise errors.Invalid(f"sort_key {sort_key[:64]} is not one of a flavor.")
        sort_dir = paging.last(req, "sort_dir") or "asc"
        if sort_dir not in ("asc", "desc"):
            raise errors.Invalid("sort_dir has to be asc or desc.")
        found = flavors.find(
            self._db,
            project_id=self._project(req),
            is_public=self._is_public(req),
            min_disk=_number(req, "minDisk"),
            min_ram=_number(req, "minRam"),
            sort_key=sort_key,
            descending=sort_dir == "desc",
        )
        return paging.page(req, found, lambda flavor: flavor.id)

    def _project(self, req: falcon.Request) -> str | None:
        """Whose flavors the request sees: None for an admin, who sees all."""
        if self._access.allows(req, "os-flavor-access"):
            return None
        return str(req.context.ctxt.project_id)

    @staticmethod
    def _is_public(req: falcon.Request) -> bool | None:
        text = paging.last(req, "is_public")
        if text is None:
            return True
        if text.lower() not in (*_IS_PUBLIC, "false", "0", "no", "off", "f", "n"):
            raise errors.Invalid(f"Invalid is_public filter [{text[:64]}]")
        return _IS_PUBLIC.get(text.lower(), False)

    def show(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """GET /flavors/{flavor_id}"""
        self._access.check(req, "flavors:index")
        return {"flavor": self._shown(req, self._get(req, flavor_id))}

    def _get(self, req: falcon.Request, flavor_id: str) -> Flavor:
        return flavors.get(self._db, known_id(flavor_id), project_id=self._project(req))

    def _shown(self, req: falcon.Request, flavor: Flavor) -> dict[str, Any]:
        specs = self._access.allows(req, "os-flavor-extra-specs:index")
        return views.full(req, flavor, specs=specs)

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /flavors"""
        self._access.check(req, "os-flavor-manage:create")
        wanted = schemas.CREATE.of(req)["flavor"]
        chosen = wanted.get("id")
        factor = float(wanted.get("rxtx_factor", 1.0))
        if factor <= 0:
            raise errors.Invalid("rxtx_factor has to be more than 0.")
        flavor = Flavor(
            id=str(uuid.uuid4()) if chosen in (None, "auto") else str(chosen),
            name=wanted["name"].strip(),
            vcpus=int(wanted["vcpus"]),
            memory_mb=int(wanted["ram"]),
            root_gb=int(wanted["disk"]),
            ephemeral_gb=int(wanted.get("OS-FLV-EXT-DATA:ephemeral", 0)),
            swap_mb=int(wanted.get("swap", 0)),
            rxtx_factor=factor,
            is_public=boolean(wanted.get("os-flavor-access:is_public", True)),
            description=wanted.get("description"),
        )
        # A private one is nobody's yet, not even its maker's project's.
        flavors.create(self._db, flavor)
        return {"flavor": self._shown(req, flavor)}

    @window("2.55")
    def update(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """PUT /flavors/{flavor_id}"""
        self._access.check(req, "os-flavor-manage:update")
        description = schemas.UPDATE.of(req)["flavor"]["description"]
        flavors.describe(self._db, known_id(flavor_id), description)
        return {"flavor": self._shown(req, self._get(req, flavor_id))}

    def delete(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> None:
        """DELETE /flavors/{flavor_id}"""
        self._access.check(req, "os-flavor-manage:delete")
        flavors.delete(self._db, known_id(flavor_id))

    def projects(
        self, req: falcon.Request, resp: falcon.Response, flavor_id: str
    ) -> dict[str, Any]:
        """GET /flavors/{flavor_id}/os-flavor-access"""
        self._access.check(req, "os-flavor-access")
        if self._get(req, flavor_id).is_public:
            raise errors.NotFound("Access list not available for public flavors.")
        return self._access_list(flavor_id)

    def _access_list(self, flavor_id: str) -> dict[str, Any]:
        projects = flavors.projects_of(self._db, flavor_id)
        return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": p} for p in projects]}

    def action(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """POST /flavors/{flavor_id}/action: addTenantAccess, removeTenantAccess"""
        body = wsgi.body_of(req)
        if isinstance(body, dict) and "addTenantAccess" in body:
            self._access.check(req, "os-flavor-access:add_tenant_access")
            schemas.GRANT.check(req.context.version, body)
            projects.check_known(req.context.ctxt, body["addTenantAccess"]["tenant"])
            flavor = self._get(req, flavor_id)
            if flavor.is_public and req.context.version >= (2, 7):
                raise errors.Conflict("Can not add access to a public flavor.")
            flavors.grant(self._db, flavor.id, body["addTenantAccess"]["tenant"])
        elif isinstance(body, dict) and "removeTenantAccess" in body:
            self._access.check(req, "os-flavor-access:remove_tenant_access")
            schemas.REVOKE.check(req.context.version, body)
            flavor = self._get(req, flavor_id)
            flavors.revoke(self._db, flavor.id, body["removeTenantAccess"]["tenant"])
        else:
            raise errors.Invalid(
                "A flavor's actions are addTenantAccess and removeTenantAccess; send one of them."
            )
        return self._access_list(flavor_id)


def known_id(flavor_id: str) -> str:
    """`flavor_id`, if it can be one at all; errors.NotFound for anything else."""
    if len(flavor_id) > 255 or not flavor_id.isprintable():
        raise flavors.not_found(flavor_id)
    return flavor_id


def _number(req: falcon.Request, name: str) -> int:
    text = paging.last(req, name)
    if text is None:
        return 0
    if not text.isdecimal() or len(text) > 9:
        raise errors.Invalid(f"Invalid {name} filter [{text[:64]}]")
    return int(text)

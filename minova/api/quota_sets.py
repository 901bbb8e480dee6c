"""Quotas of projects."""

import re
from typing import Any

import falcon

from minova.api.access import Access
from minova.api.microversions import MAX, Version
from minova.api.schemas import quota_sets as schemas
from minova.api.validation import boolean
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import launches, quotas, server_groups

# quota -> last version that has it
_RESOURCES: dict[str, Version] = {
    **dict.fromkeys(("instances", "cores", "ram", "metadata_items", "key_pairs"), MAX),
    **dict.fromkeys(("server_groups", "server_group_members"), MAX),
    **dict.fromkeys(
        ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"), (2, 56)
    ),
}
# The network service's; before 2.36 they stood here too, and limited nothing.
_OF_THE_NETWORK = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")
_PROJECT = re.compile(r"[a-zA-Z0-9\-_]{1,64}")


class QuotaSets:
    """The handlers of /os-quota-sets."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/os-quota-sets/{project_id}"
        return [
            Route("GET", path, self.show),
            Route("GET", path + "/detail", self.detail),
            Route("GET", path + "/defaults", self.defaults),
            Route("PUT", path, self.update),
            Route("DELETE", path, self.delete, 202),
        ]

    def show(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """GET /os-quota-sets/{project_id}"""
        self._check(req, "os-quota-sets:show", project_id)
        shown = _shown(req, quotas.limits(self._db, project_id))
        return {"quota_set": {"id": project_id, **shown}}

    def detail(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """GET /os-quota-sets/{project_id}/detail"""
        self._check(req, "os-quota-sets:detail", project_id)
        with self._db.reading() as connection:
            limits = quotas.limits_on(connection, project_id)
            used = launches.usage(connection, project_id)
            used["server_groups"] = server_groups.count(connection, project_id)
        shown = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in _shown(req, limits).items()
        }
        return {"quota_set": {"id": project_id, **shown}}

    def defaults(
        self, req: falcon.Request, resp: falcon.Response, project_id: str
    ) -> dict[str, Any]:
        """GET /os-quota-sets/{project_id}/defaults"""
        self._check(req, "os-quota-sets:defaults", project_id)
        return {"quota_set": {"id": project_id, **_shown(req, quotas.defaults(self._db))}}

    def update(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """PUT /os-quota-sets/{project_id}"""
        self._check(req, "os-quota-sets:update", project_id)
        wanted = schemas.UPDATE.of(req)["quota_set"]
        force = boolean(wanted.pop("force", False))
        limits = {name: int(v) for name, v in wanted.items() if name not in _OF_THE_NETWORK}
        if not force:
            self._check_used(project_id, limits)
        quotas.set_limits(self._db, project_id, limits)
        return {"quota_set": _shown(req, quotas.limits(self._db, project_id))}

    def _check_used(self, project_id: str, limits: dict[str, int]) -> None:
        with self._db.reading() as connection:
            used = launches.usage(connection, project_id)
        for name, limit in limits.items():
            if 0 <= limit < used.get(name, 0):
                raise errors.Invalid(
                    f"Quota limit {limit} for {name} must be greater than or equal to already "
                    f"used and reserved {used[name]}."
                )

    def delete(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """DELETE /os-quota-sets/{project_id}: back to the defaults"""
        self._check(req, "os-quota-sets:delete", project_id)
        quotas.reset(self._db, project_id)

    def _check(self, req: falcon.Request, rule: str, project_id: str) -> None:
        if not _PROJECT.fullmatch(project_id):
            raise errors.Invalid(f"Project ID {project_id[:64]!r} is not a valid project.")
        self._access.check(req, rule, project_id=project_id)


def _shown(req: falcon.Request, limits: dict[str, int]) -> dict[str, int]:
    version: Version = req.context.version
    shown = {name: limits[name] for name, until in _RESOURCES.items() if version <= until}
    if version < (2, 36):
        shown |= dict.fromkeys(_OF_THE_NETWORK, -1)
    return shown

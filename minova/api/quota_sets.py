"""Quotas of projects, of single users in them, and of the classes behind both."""

from typing import Any

import falcon

from minova.api import paging, projects
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
# The network service's; before 2.36 (in classes: before 2.50) they stood here, and limit nothing.
_OF_THE_NETWORK = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")
_NETWORK_UNTIL: Version = (2, 35)
_NETWORK_IN_CLASSES_UNTIL: Version = (2, 49)
# Classes did not show these before.
_GROUPS_IN_CLASSES_SINCE: Version = (2, 50)


class QuotaSets:
    """The handlers of /os-quota-sets and /os-quota-class-sets."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path, classes = "/v2.1/os-quota-sets/{project_id}", "/v2.1/os-quota-class-sets/{name}"
        return [
            Route("GET", path, self.show),
            Route("GET", path + "/detail", self.detail),
            Route("GET", path + "/defaults", self.defaults),
            Route("PUT", path, self.update),
            Route("DELETE", path, self.delete, 202),
            Route("GET", classes, self.show_class),
            Route("PUT", classes, self.update_class),
        ]

    def show(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """GET /os-quota-sets/{project_id}"""
        self._check(req, "os-quota-sets:show", project_id)
        shown = _shown(req, quotas.limits(self._db, project_id, _user(req)))
        return {"quota_set": {"id": project_id, **shown}}

    def detail(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """GET /os-quota-sets/{project_id}/detail"""
        self._check(req, "os-quota-sets:detail", project_id)
        user = _user(req)
        limits, used = quotas.limits(self._db, project_id, user), self._used(project_id, user)
        shown = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in _shown(req, limits).items()
        }
        return {"quota_set": {"id": project_id, **shown}}

    def _used(self, project_id: str, user_id: str | None) -> dict[str, int]:
        """What a project, or one user in it, uses of what can be counted."""
        with self._db.reading() as connection:
            return {
                **launches.usage(connection, project_id, user_id),
                "server_groups": server_groups.count(connection, project_id, user_id),
            }

    def defaults(
        self, req: falcon.Request, resp: falcon.Response, project_id: str
    ) -> dict[str, Any]:
        """GET /os-quota-sets/{project_id}/defaults"""
        self._check(req, "os-quota-sets:defaults", project_id)
        return {"quota_set": {"id": project_id, **_shown(req, quotas.defaults(self._db))}}

    def update(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """PUT /os-quota-sets/{project_id}"""
        self._check(req, "os-quota-sets:update", project_id)
        wanted, user = schemas.UPDATE.of(req)["quota_set"], _user(req)
        force = boolean(wanted.pop("force", False))
        limits = {name: int(v) for name, v in wanted.items()}
        if not force:
            self._check_bounds(project_id, user, limits)
        quotas.set_limits(self._db, project_id, limits, user)
        return {"quota_set": _shown(req, quotas.limits(self._db, project_id, user))}

    def _check_bounds(self, project_id: str, user_id: str | None, limits: dict[str, int]) -> None:
        """Nobody is given less than he uses, nor a user more than his project has."""
        used = self._used(project_id, user_id)
        most = quotas.limits(self._db, project_id) if user_id is not None else {}
        for name, limit in limits.items():
            if 0 <= limit < used.get(name, 0):
                raise errors.Invalid(
                    f"Quota limit {limit} for {name} must be greater than or equal to already "
                    f"used and reserved {used[name]}."
                )
            if 0 <= most.get(name, -1) < limit or (limit < 0 <= most.get(name, -1)):
                raise errors.Invalid(
                    f"Quota limit {limit} for {name} must be less than or equal to {most[name]}."
                )

    def delete(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """DELETE /os-quota-sets/{project_id}: back to the defaults"""
        projects.check_word(project_id)
        self._access.check(req, "os-quota-sets:delete", project_id=project_id)
        quotas.reset(self._db, project_id, _user(req))

    def show_class(self, req: falcon.Request, resp: falcon.Response, name: str) -> dict[str, Any]:
        """GET /os-quota-class-sets/{name}"""
        self._access.check(req, "os-quota-class-sets:show")
        limits = quotas.class_limits(self._db, _class(name))
        return {"quota_class_set": {"id": name, **_shown_class(req, limits)}}

    def update_class(self, req: falcon.Request, resp: falcon.Response, name: str) -> dict[str, Any]:
        """PUT /os-quota-class-sets/{name}: of `default`, what holds for whoever has no own"""
        self._access.check(req, "os-quota-class-sets:update")
        wanted = schemas.UPDATE_CLASS.of(req)["quota_class_set"]
        limits = {key: int(v) for key, v in wanted.items()}
        quotas.set_class_limits(self._db, _class(name), limits)
        limits = quotas.class_limits(self._db, name)
        return {"quota_class_set": _shown_class(req, limits)}

    def _check(self, req: falcon.Request, rule: str, project_id: str) -> None:
        """errors.Forbidden; errors.Invalid for a project that identity does not know."""
        projects.check_word(project_id)
        projects.check_known(self._access.check(req, rule, project_id=project_id), project_id)


def _user(req: falcon.Request) -> str | None:
    user = paging.last(req, "user_id")
    if user is not None and (len(user) > 64 or not user.isprintable()):
        raise errors.Invalid(f"Invalid user_id {user[:64]!r}.")
    return user or None


def _class(name: str) -> str:
    if len(name) > 255 or not name.isprintable():
        raise errors.Invalid("quota_class_name has to be of 1 to 255 printable characters.")
    return name


def _shown(req: falcon.Request, limits: dict[str, int]) -> dict[str, int]:
    version: Version = req.context.version
    shown = {name: limits[name] for name, until in _RESOURCES.items() if version <= until}
    if version <= _NETWORK_UNTIL:
        shown |= {name: limits.get(name, -1) for name in _OF_THE_NETWORK}
    return shown


def _shown_class(req: falcon.Request, limits: dict[str, int]) -> dict[str, int]:
    version: Version = req.context.version
    shown = {name: limits[name] for name, until in _RESOURCES.items() if version <= until}
    if version < _GROUPS_IN_CLASSES_SINCE:
        del shown["server_groups"], shown["server_group_members"]
    if version <= _NETWORK_IN_CLASSES_UNTIL:
        shown |= {name: limits.get(name, -1) for name in _OF_THE_NETWORK}
    return shown

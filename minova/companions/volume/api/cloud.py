"""What clients ask about the service itself: types, zones, quotas, limits, services.

There is one volume type, one zone and one backend. Collections of what this
cloud does not have (backups, transfers, groups) are empty lists, because
clients and dashboards list them unasked.
"""

from collections.abc import Callable
from typing import Any

import falcon

from minova.common import errors
from minova.common.wsgi import Route
from minova.companions.volume.api import schemas
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.views import BACKEND, TYPE_ID, TYPE_NAME, timestamp
from minova.companions.volume.api.volumes import Defaults
from minova.companions.volume.queries import quotas
from minova.companions.volume.records import now

_TYPE = {
    "id": TYPE_ID,
    "name": TYPE_NAME,
    "description": "Files on the volume host, exported over NBD.",
    "is_public": True,
    "os-volume-type-access:is_public": True,
    "extra_specs": {},
    "qos_specs_id": None,
}
_EMPTY = {
    "/v3/backups": "backups",
    "/v3/backups/detail": "backups",
    "/v3/os-volume-transfer": "transfers",
    "/v3/os-volume-transfer/detail": "transfers",
    "/v3/volume-transfers": "transfers",
    "/v3/volume-transfers/detail": "transfers",
    "/v3/groups": "groups",
    "/v3/groups/detail": "groups",
    "/v3/group_snapshots/detail": "group_snapshots",
    "/v3/messages": "messages",
    "/v3/qos-specs": "qos_specs",
    "/v3/extensions": "extensions",
}
# Quotas of what does not exist: unlimited and unused would be a lie, so 0.
_ZERO_QUOTAS = ("backups", "backup_gigabytes", "groups")


class Cloud:
    """Handlers of everything that is about no single volume."""

    def __init__(self, access: Access, defaults: Defaults) -> None:
        self._access, self._defaults = access, defaults
        self._db = access.db

    def routes(self) -> list[Route]:
        quota = "/v3/os-quota-sets/{project_id}"
        return [
            Route("GET", "/v3/types", self.list_types),
            Route("GET", "/v3/types/{type_id}", self.show_type),
            Route("GET", "/v3/types/{type_id}/extra_specs", self.show_extra_specs),
            Route("GET", "/v3/os-availability-zone", self.list_zones),
            Route("GET", "/v3/os-services", self.list_services),
            Route("GET", "/v3/limits", self.show_limits),
            Route("GET", quota, self.show_quota),
            Route("PUT", quota, self.update_quota),
            Route("DELETE", quota, self.delete_quota),
            Route("GET", f"{quota}/defaults", self.show_default_quota),
            *(Route("GET", path, _empty_list(name)) for path, name in _EMPTY.items()),
        ]

    def list_types(self, req: falcon.Request, resp: falcon.Response) -> Any:
        self._access.own(req, "volume_extension:type_get")
        return {"volume_types": [_TYPE]}

    def show_type(self, req: falcon.Request, resp: falcon.Response, type_id: str) -> Any:
        self._access.own(req, "volume_extension:type_get")
        check_type(type_id)
        return {"volume_type": _TYPE}

    def show_extra_specs(self, req: falcon.Request, resp: falcon.Response, type_id: str) -> Any:
        self._access.own(req, "volume_extension:type_get")
        check_type(type_id)
        return {"extra_specs": {}}

    def list_zones(self, req: falcon.Request, resp: falcon.Response) -> Any:
        self._access.own(req, "volume:availability_zone_list")
        zone = {"zoneName": self._defaults.availability_zone, "zoneState": {"available": True}}
        return {"availabilityZoneInfo": [zone]}

    def list_services(self, req: falcon.Request, resp: falcon.Response) -> Any:
        """This very process does the scheduler's work and the volume manager's."""
        self._access.own(req, "volume_extension:services:index")
        common = {
            "zone": self._defaults.availability_zone,
            "status": "enabled",
            "state": "up",
            "updated_at": timestamp(now()),
            "disabled_reason": None,
        }
        host = self._defaults.host
        known = [
            {"binary": "cinder-scheduler", "host": host, **common},
            {"binary": "cinder-volume", "host": f"{host}@{BACKEND}", **common},
        ]
        wanted = {name: req.get_param(name) for name in ("binary", "host") if req.has_param(name)}
        return {
            "services": [
                service
                for service in known
                if all(service[name] == value for name, value in wanted.items())
            ]
        }

    def show_limits(self, req: falcon.Request, resp: falcon.Response) -> Any:
        ctxt = self._access.own(req, "limits_extension:used_limits")
        project_id = ctxt.project_id or ""
        asked = req.get_param("project_id")
        if asked and self._access.privileged(ctxt):
            project_id = asked
        limits = quotas.limits(self._db, project_id, self._defaults.limits)
        used = quotas.used(self._db, project_id)
        return {
            "limits": {
                "rate": [],
                "absolute": {
                    "maxTotalVolumes": limits["volumes"],
                    "maxTotalVolumeGigabytes": limits["gigabytes"],
                    "maxTotalSnapshots": limits["snapshots"],
                    "maxTotalBackups": 0,
                    "maxTotalBackupGigabytes": 0,
                    "totalVolumesUsed": used["volumes"],
                    "totalGigabytesUsed": used["gigabytes"],
                    "totalSnapshotsUsed": used["snapshots"],
                    "totalBackupsUsed": 0,
                    "totalBackupGigabytesUsed": 0,
                },
            }
        }

    def show_quota(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> Any:
        self._authorize_quota(req, project_id, "show")
        limits = quotas.limits(self._db, project_id, self._defaults.limits)
        if not schemas.is_true(req.get_param("usage") or ""):
            return {"quota_set": {"id": project_id, **self._quota(limits)}}
        used = quotas.used(self._db, project_id)
        return {
            "quota_set": {
                "id": project_id,
                **{
                    name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
                    for name, limit in self._quota(limits).items()
                },
            }
        }

    def show_default_quota(
        self, req: falcon.Request, resp: falcon.Response, project_id: str
    ) -> Any:
        self._authorize_quota(req, project_id, "show")
        return {"quota_set": {"id": project_id, **self._quota(self._defaults.limits)}}

    def update_quota(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> Any:
        self._authorize_quota(req, project_id, "update")
        asked = schemas.body_of(req, schemas.QUOTA)["quota_set"]
        known = {**self._quota(self._defaults.limits), "force": 0, "tenant_id": 0}
        unknown = next((name for name in asked if name not in known), None)
        if unknown is not None:
            raise errors.Invalid(f"Bad key in quota set: {unknown}.")
        limits = {name: int(asked[name]) for name in schemas.QUOTA_RESOURCES if name in asked}
        quotas.set_limits(self._db, project_id, limits)
        now_set = quotas.limits(self._db, project_id, self._defaults.limits)
        return {"quota_set": self._quota(now_set)}

    def delete_quota(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        self._authorize_quota(req, project_id, "delete")
        quotas.forget_limits(self._db, project_id)

    def _quota(self, limits: dict[str, int]) -> dict[str, int]:
        return {
            **limits,
            "per_volume_gigabytes": self._defaults.max_size_gb,
            **dict.fromkeys(_ZERO_QUOTAS, 0),
        }

    def _authorize_quota(self, req: falcon.Request, project_id: str, action: str) -> None:
        if len(project_id) > 64:
            raise errors.NotFound(resource="Project", id=project_id[:64])
        self._access.enforcer.authorize(
            req.context.ctxt,
            f"volume_extension:quotas:{action}",
            {"project_id": project_id, "user_id": None},
        )


def check_type(type_id: str) -> None:
    """errors.NotFound unless it is the id or name of the only type."""
    if type_id not in (TYPE_ID, TYPE_NAME, "default"):
        raise errors.NotFound(resource="Volume type", id=type_id[:255])


def _empty_list(name: str) -> Callable[..., Any]:
    def list_nothing(req: falcon.Request, resp: falcon.Response) -> Any:
        return {name: []}

    return list_nothing

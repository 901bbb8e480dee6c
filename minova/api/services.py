"""The services list: who lives; and enabling, disabling or forgetting a service."""

from typing import Any

import falcon
from oslo_config import cfg

from minova.api import availability_zones, paging
from minova.api.access import Access
from minova.api.schemas import services as schemas
from minova.api.validation import boolean, is_uuid
from minova.api.views import times
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import aggregates, hosts, instances, migration_list
from minova.db.hosts import Service


class Services:
    """The handlers of /os-services."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        # Before 2.53 PUT and DELETE take a word or a number where the uuid is now.
        return [
            Route("GET", "/v2.1/os-services", self.index),
            Route("PUT", "/v2.1/os-services/{service_id}", self.update),
            Route("DELETE", "/v2.1/os-services/{service_id}", self.delete, 204),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-services"""
        self._access.check(req, "os-services:list")
        found = hosts.services(
            self._db, host=paging.last(req, "host"), binary=paging.last(req, "binary")
        )
        zones = aggregates.zones(self._db)
        return {"services": [_shown(req, service, zones) for service in found]}

    def update(self, req: falcon.Request, resp: falcon.Response, service_id: str) -> dict[str, Any]:
        """PUT /os-services/{service_id}; before 2.53 /os-services/{enable,disable,…}"""
        self._access.check(req, "os-services:update")
        if req.context.version < (2, 53):
            return self._update_by_name(req, service_id)
        wanted = schemas.UPDATE.of(req)
        service = self._get(service_id)
        values: dict[str, Any] = {}
        if not wanted:
            raise errors.Invalid(
                "No updates were requested. Fields 'status' or 'forced_down' should be specified."
            )
        _check_reason(wanted)
        if "status" in wanted:
            values["disabled"] = wanted["status"] == "disabled"
            values["disabled_reason"] = wanted.get("disabled_reason")
        if "forced_down" in wanted:
            values["forced_down"] = boolean(wanted["forced_down"])
        _check_compute(service.binary)
        hosts.update_service(self._db, service.uuid, **values)
        zones = aggregates.zones(self._db)
        return {"service": _shown(req, self._get(service_id), zones)}

    def _update_by_name(self, req: falcon.Request, word: str) -> dict[str, Any]:
        body = schemas.UPDATE_BY_NAME.of(req)
        if word not in _WORDS or (word == "force-down" and req.context.version < (2, 11)):
            raise errors.NotFound("Unknown action")
        shown, values = _changes(word, body)
        _check_compute(body["binary"])
        found = hosts.services(self._db, host=body["host"], binary=body["binary"])
        if not found:
            raise errors.NotFound(f"Could not find binary {body['binary']} on host {body['host']}.")
        hosts.update_service(self._db, found[0].uuid, **values)
        return {"service": {"host": body["host"], "binary": body["binary"], **shown}}

    def delete(self, req: falcon.Request, resp: falcon.Response, service_id: str) -> None:
        """DELETE /os-services/{service_id}: forget a service that is gone for good"""
        self._access.check(req, "os-services:delete")
        service = self._get(service_id) if req.context.version >= (2, 53) else self._old(service_id)
        if service.binary == _COMPUTE:
            self._check_unused(service.host)
        hosts.delete_service(self._db, service.uuid)

    def _check_unused(self, host: str) -> None:
        if instances.on_hosts(self._db, [host]):
            raise errors.Conflict(
                "Unable to delete compute service that is hosting instances. "
                "Migrate or delete the instances first."
            )
        if migration_list.leaving(self._db, host):
            raise errors.Conflict(
                "Unable to delete compute service that has in-progress migrations. "
                "Complete the migrations or delete the instances first."
            )

    def _get(self, service_id: str) -> Service:
        if not is_uuid(service_id):
            raise errors.Invalid(f"Invalid uuid {service_id[:64]}")
        return hosts.service(self._db, service_id)

    def _old(self, number: str) -> Service:
        if not number.isdecimal():
            raise errors.Invalid(f"Invalid service id {number[:64]}")
        for service in hosts.services(self._db):
            if str(service.id) == number:
                return service
        raise errors.NotFound(f"Service {number[:64]} could not be found.")


_COMPUTE = "nova-compute"
_WORDS = ("enable", "disable", "disable-log-reason", "force-down")


def _check_compute(binary: str) -> None:
    if binary != _COMPUTE:
        raise errors.Invalid(
            f"Updating a {binary[:64]} service is not supported. Only nova-compute services can be "
            "updated."
        )


def _changes(word: str, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an action of before 2.53 answers, and what it changes."""
    if word == "force-down":
        if "forced_down" not in body:
            raise errors.Invalid("Missing forced_down field")
        forced = {"forced_down": boolean(body["forced_down"])}
        return forced, forced
    if word == "enable":
        return {"status": "enabled"}, {"disabled": False, "disabled_reason": None}
    reason = {}
    if word == "disable-log-reason":
        if not body.get("disabled_reason"):
            raise errors.Invalid("Missing disabled reason field")
        reason = {"disabled_reason": body["disabled_reason"]}
    return {"status": "disabled", **reason}, {"disabled": True, "disabled_reason": None, **reason}


def _check_reason(wanted: dict[str, Any]) -> None:
    if "disabled_reason" in wanted and wanted.get("status") != "disabled":
        raise errors.Invalid(
            "Specifying disabled_reason requires the status to be 'disabled'; set both."
        )


def _shown(req: falcon.Request, service: Service, zones: dict[str, str]) -> dict[str, Any]:
    version = req.context.version
    shown: dict[str, Any] = {
        "id": service.uuid if version >= (2, 53) else service.id,
        "binary": service.binary,
        "host": service.host,
        "zone": availability_zones.zone_of(service, zones),
        "status": "disabled" if service.disabled else "enabled",
        "state": "up" if service.is_up(cfg.CONF.compute.service_down_time) else "down",
        "updated_at": times.precise(service.last_seen_at),
        "disabled_reason": service.disabled_reason,
    }
    if version >= (2, 11):
        shown["forced_down"] = service.forced_down
    return shown

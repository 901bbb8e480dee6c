"""Availability zones: the one zone, and for admins its hosts and their services."""

from typing import Any

import falcon
from oslo_config import cfg

from minova.api.access import Access
from minova.api.views import times
from minova.common.wsgi import Route
from minova.db import hosts
from minova.db.hosts import Service


class AvailabilityZones:
    """The handlers of /os-availability-zone."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-availability-zone", self.index),
            Route("GET", "/v2.1/os-availability-zone/detail", self.detail),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-availability-zone"""
        self._access.check(req, "os-availability-zone:list")
        computes = hosts.services(self._db, binary="nova-compute")
        available = any(not service.disabled for service in computes)
        return {"availabilityZoneInfo": [_zone(_default(), available, None)]}

    def detail(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-availability-zone/detail"""
        self._access.check(req, "os-availability-zone:detail")
        every = hosts.services(self._db)
        inside = [service for service in every if service.binary != "nova-compute"]
        computes = [service for service in every if service.binary == "nova-compute"]
        shown = [_zone("internal", True, _hosts(inside))] if inside else []
        available = any(not service.disabled for service in computes)
        return {"availabilityZoneInfo": [*shown, _zone(_default(), available, _hosts(computes))]}


def _default() -> str:
    zone: str = cfg.CONF.api.default_availability_zone
    return zone


def _zone(name: str, available: bool, there: dict[str, Any] | None) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": there}


def _hosts(services: list[Service]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for service in services:
        found.setdefault(service.host, {})[service.binary] = {
            "available": service.is_up(cfg.CONF.compute.service_down_time),
            "active": not service.disabled,
            "updated_at": times.precise(service.last_seen_at),
        }
    return found

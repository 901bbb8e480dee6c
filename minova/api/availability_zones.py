"""Availability zones: what aggregates make of the hosts, and for admins the hosts themselves.

A zone is where there is a host whose nova-compute is enabled. A zone whose
hosts are all disabled is shown as not available; one without hosts is none.
"""

from typing import Any

import falcon
from oslo_config import cfg

from minova.api.access import Access
from minova.api.views import times
from minova.common.wsgi import Route
from minova.db import aggregates, hosts
from minova.db.engine import Database
from minova.db.hosts import Service

_COMPUTE = "nova-compute"
# Where whatever runs no guests is.
INTERNAL = "internal"


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
        found = _zones(self._db)
        found.pop(INTERNAL, None)
        return {"availabilityZoneInfo": [_zone(*each, None) for each in _states(found)]}

    def detail(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-availability-zone/detail"""
        self._access.check(req, "os-availability-zone:detail")
        found = _zones(self._db)
        shown = [
            _zone(name, available, _hosts(found[name]) if available else None)
            for name, available in _states(found)
        ]
        return {"availabilityZoneInfo": shown}


def available(db: Database) -> set[str]:
    """The zones a server may be launched into."""
    return {name for name, there in _states(_zones(db)) if there and name != INTERNAL}


def zone_of(service: Service, zones: dict[str, str]) -> str:
    """The zone of a service's host; `zones` are those that aggregates give (`aggregates.zones`)."""
    default: str = cfg.CONF.api.default_availability_zone
    return zones.get(service.host, default) if service.binary == _COMPUTE else INTERNAL


def _zones(db: Database) -> dict[str, list[Service]]:
    """zone → its services."""
    named = aggregates.zones(db)
    found: dict[str, list[Service]] = {}
    for service in hosts.services(db):
        found.setdefault(zone_of(service, named), []).append(service)
    return found


def _states(zones: dict[str, list[Service]]) -> list[tuple[str, bool]]:
    """Each zone and whether it is available: those first, then by name."""
    states = {name: any(not s.disabled for s in there) for name, there in zones.items()}
    return sorted(states.items(), key=lambda each: (not each[1], each[0]))


def _zone(name: str, available: bool, there: dict[str, Any] | None) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": there}


def _hosts(services: list[Service]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for service in services:
        if service.disabled:
            continue
        found.setdefault(service.host, {})[service.binary] = {
            "available": service.is_up(cfg.CONF.compute.service_down_time),
            "active": True,
            "updated_at": times.precise(service.last_seen_at),
        }
    return found

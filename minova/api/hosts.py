"""Hosts as they were before hypervisors and services showed them (until 2.42)."""

from typing import Any, NoReturn

import falcon

from minova.api import availability_zones, paging
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import hosts as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import aggregates, hosts, instances
from minova.db.hosts import ComputeNode
from minova.model.instance import Instance

_PATH = "/v2.1/os-hosts"


class Hosts:
    """The handlers of /os-hosts."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", _PATH, self.index),
            Route("GET", _PATH + "/{host}", self.show),
            Route("PUT", _PATH + "/{host}", self.update),
            Route("GET", _PATH + "/{host}/startup", self.startup),
            Route("GET", _PATH + "/{host}/shutdown", self.shutdown),
            Route("GET", _PATH + "/{host}/reboot", self.reboot),
        ]

    @window("2.1", "2.42")
    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-hosts: the enabled services' hosts"""
        self._access.check(req, "os-hosts:list")
        wanted, zones = paging.last(req, "zone"), aggregates.zones(self._db)
        shown = [
            {
                "host_name": service.host,
                "service": service.binary.removeprefix("nova-"),
                "zone": availability_zones.zone_of(service, zones),
            }
            for service in hosts.services(self._db)
            if not service.disabled
        ]
        return {"hosts": [host for host in shown if not wanted or host["zone"] == wanted]}

    @window("2.1", "2.42")
    def show(self, req: falcon.Request, resp: falcon.Response, host: str) -> dict[str, Any]:
        """GET /os-hosts/{host}: what it has, and who uses how much of it"""
        self._access.check(req, "os-hosts:show")
        node = self._node(host)
        there = instances.of_host(self._db, host)
        return {"host": [{"resource": resource} for resource in _resources(node, there)]}

    @window("2.1", "2.42")
    def update(self, req: falcon.Request, resp: falcon.Response, host: str) -> dict[str, Any]:
        """PUT /os-hosts/{host}: take it out of service, and back"""
        self._access.check(req, "os-hosts:update")
        wanted = schemas.UPDATE.of(req)
        if not wanted:
            raise errors.Invalid(
                "Invalid input for the request body. Give a status or a maintenance_mode."
            )
        self._node(host)
        if "maintenance_mode" in wanted:
            raise errors.NotSupported("Virt driver does not implement host maintenance mode.")
        disabled = wanted["status"].lower() == "disable"
        for service in hosts.services(self._db, host=host, binary="nova-compute"):
            hosts.update_service(self._db, service.uuid, disabled=disabled, disabled_reason=None)
        return {"host": host, "status": "disabled" if disabled else "enabled"}

    @window("2.1", "2.42")
    def startup(self, req: falcon.Request, resp: falcon.Response, host: str) -> NoReturn:
        """GET /os-hosts/{host}/startup"""
        self._no_power(req, host, "start")

    @window("2.1", "2.42")
    def shutdown(self, req: falcon.Request, resp: falcon.Response, host: str) -> NoReturn:
        """GET /os-hosts/{host}/shutdown"""
        self._no_power(req, host, "shutdown")

    @window("2.1", "2.42")
    def reboot(self, req: falcon.Request, resp: falcon.Response, host: str) -> NoReturn:
        """GET /os-hosts/{host}/reboot"""
        self._no_power(req, host, "reboot")

    def _no_power(self, req: falcon.Request, host: str, rule: str) -> NoReturn:
        """No hypervisor here switches its own host off."""
        self._access.check(req, f"os-hosts:{rule}")
        self._node(host)
        raise errors.NotSupported("Virt driver does not implement host power actions.")

    def _node(self, host: str) -> ComputeNode:
        for node in hosts.nodes(self._db):
            if node.host == host:
                return node
        raise errors.NotFound(f"Compute host {host[:255]} could not be found.")


def _resources(node: ComputeNode, there: list[Instance]) -> list[dict[str, Any]]:
    total = (node.vcpus, node.memory_mb, node.disk_gb)
    used = (node.vcpus_used, node.memory_mb_used + node.reserved_memory_mb, node.disk_gb_used)
    shown = [_resource(node.host, "(total)", total), _resource(node.host, "(used_now)", used)]
    shown.append(_resource(node.host, "(used_max)", _sum(there)))
    for project in sorted({instance.project_id for instance in there}):
        own = [instance for instance in there if instance.project_id == project]
        shown.append(_resource(node.host, project, _sum(own)))
    return shown


def _sum(there: list[Instance]) -> tuple[int, int, int]:
    flavors = [instance.flavor for instance in there]
    return (
        sum(flavor.vcpus for flavor in flavors),
        sum(flavor.memory_mb for flavor in flavors),
        sum(flavor.root_gb + flavor.ephemeral_gb for flavor in flavors),
    )


def _resource(host: str, project: str, amounts: tuple[int, int, int]) -> dict[str, Any]:
    cpu, memory_mb, disk_gb = amounts
    return {
        "host": host,
        "project": project,
        "cpu": cpu,
        "memory_mb": memory_mb,
        "disk_gb": disk_gb,
    }

"""Hypervisors: what each compute host offers, what is taken, and what runs there."""

from typing import Any

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.validation import boolean, is_uuid
from minova.api.views import hypervisors as views
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import hosts, instances
from minova.db.hosts import ComputeNode, Service

Host = tuple[ComputeNode, Service]


class Hypervisors:
    """The handlers of /os-hypervisors."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-hypervisors", self.index),
            Route("GET", "/v2.1/os-hypervisors/detail", self.detail),
            Route("GET", "/v2.1/os-hypervisors/statistics", self.statistics),
            Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}", self.show),
            Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}/uptime", self.uptime),
            Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}/search", self.search),
            Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}/servers", self.servers),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-hypervisors"""
        self._access.check(req, "os-hypervisors:list")
        return self._list(req, full=False)

    def detail(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-hypervisors/detail"""
        self._access.check(req, "os-hypervisors:list-detail")
        return self._list(req, full=True)

    def _list(self, req: falcon.Request, *, full: bool) -> dict[str, Any]:
        version = req.context.version
        found = hosts.nodes_with_services(self._db)
        pattern = paging.last(req, "hypervisor_hostname_pattern")
        if version >= (2, 53) and pattern:
            if "limit" in req.params or "marker" in req.params:
                raise errors.Invalid(
                    "Paging over hypervisors with the hypervisor_hostname_pattern query parameter "
                    "is not supported."
                )
            found = _matching(found, pattern)
        is_full = False
        if version >= (2, 33):
            found, is_full = paging.page(req, found, lambda host: _id(req, host))
        shown = self._shown(req, found, full=full)
        if version < (2, 33):
            return {"hypervisors": shown}
        last = _id(req, found[-1]) if found else None
        return paging.with_next(req, "hypervisors", {"hypervisors": shown}, last, is_full)

    def _shown(self, req: falcon.Request, found: list[Host], *, full: bool) -> list[dict[str, Any]]:
        show, version = views.full if full else views.brief, req.context.version
        shown = [show(req, *host) for host in found]
        if version >= (2, 53) and boolean(paging.last(req, "with_servers") or False):
            there = instances.on_hosts(self._db, [node.host for node, _ in found])
            for entry, (node, _) in zip(shown, found, strict=True):
                if node.host in there or version >= (2, 75):
                    entry["servers"] = views.servers(there.get(node.host, []))
        return shown

    @window("2.1", "2.87")
    def statistics(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-hypervisors/statistics: the sum of the enabled ones"""
        self._access.check(req, "os-hypervisors:statistics")
        enabled = [n for n, service in hosts.nodes_with_services(self._db) if not service.disabled]
        each = [views.counters(node) for node in enabled]
        keys = each[0] if each else _NO_COUNTERS
        return {
            "hypervisor_statistics": {
                "count": len(enabled),
                **{key: sum(counted[key] for counted in each) for key in keys},
            }
        }

    def show(
        self, req: falcon.Request, resp: falcon.Response, hypervisor_id: str
    ) -> dict[str, Any]:
        """GET /os-hypervisors/{hypervisor_id}"""
        self._access.check(req, "os-hypervisors:show")
        (shown,) = self._shown(req, [self._get(req, hypervisor_id)], full=True)
        return {"hypervisor": shown}

    @window("2.1", "2.87")
    def uptime(
        self, req: falcon.Request, resp: falcon.Response, hypervisor_id: str
    ) -> dict[str, Any]:
        """GET /os-hypervisors/{hypervisor_id}/uptime"""
        self._access.check(req, "os-hypervisors:uptime")
        node, service = self._get(req, hypervisor_id)
        uptime = views.uptime(node, service)
        if uptime is None:
            raise errors.Invalid(f"Compute service of {node.host} is unavailable at this time.")
        return {"hypervisor": {**views.brief(req, node, service), "uptime": uptime}}

    @window("2.1", "2.52")
    def search(
        self, req: falcon.Request, resp: falcon.Response, hypervisor_id: str
    ) -> dict[str, Any]:
        """GET /os-hypervisors/{pattern}/search"""
        self._access.check(req, "os-hypervisors:search")
        found = _matching(hosts.nodes_with_services(self._db), hypervisor_id)
        return {"hypervisors": [views.brief(req, *host) for host in found]}

    @window("2.1", "2.52")
    def servers(
        self, req: falcon.Request, resp: falcon.Response, hypervisor_id: str
    ) -> dict[str, Any]:
        """GET /os-hypervisors/{pattern}/servers"""
        self._access.check(req, "os-hypervisors:servers")
        found = _matching(hosts.nodes_with_services(self._db), hypervisor_id)
        there = instances.on_hosts(self._db, [node.host for node, _ in found])
        shown = []
        for host in found:
            entry = views.brief(req, *host)
            if host[0].host in there:
                entry["servers"] = views.servers(there[host[0].host])
            shown.append(entry)
        return {"hypervisors": shown}

    def _get(self, req: falcon.Request, hypervisor_id: str) -> Host:
        if req.context.version >= (2, 53) and not is_uuid(hypervisor_id):
            raise errors.Invalid(f"Invalid uuid {hypervisor_id[:64]}")
        for host in hosts.nodes_with_services(self._db):
            if _id(req, host) == hypervisor_id:
                return host
        raise errors.NotFound(f"Hypervisor with ID '{hypervisor_id[:64]}' could not be found.")


_NO_COUNTERS = (
    *("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb"),
    *("local_gb_used", "free_disk_gb", "disk_available_least", "current_workload", "running_vms"),
)


def _matching(found: list[Host], pattern: str) -> list[Host]:
    kept = [host for host in found if pattern in host[0].hypervisor_hostname]
    if not kept:
        raise errors.NotFound(f"No hypervisor matching '{pattern[:64]}' could be found.")
    return kept


def _id(req: falcon.Request, host: Host) -> str:
    return host[0].uuid if req.context.version >= (2, 53) else str(host[0].id)

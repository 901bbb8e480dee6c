"""Usage: how many hours each project's servers ran, and with how much."""

import datetime as dt
from typing import Any

import falcon
from oslo_config import cfg

from minova.api import paging
from minova.api.access import Access
from minova.api.views import times
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import usage
from minova.db.usage import Used
from minova.model.instance import utcnow

_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
Period = tuple[dt.datetime, dt.datetime]


class TenantUsage:
    """The handlers of /os-simple-tenant-usage."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-simple-tenant-usage", self.index),
            Route("GET", "/v2.1/os-simple-tenant-usage/{project_id}", self.show),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-simple-tenant-usage"""
        self._access.check(req, "os-simple-tenant-usage:list")
        period = _period(req)
        found, full = self._find(req, period, None)
        detailed = paging.last(req, "detailed") == "1"
        body = {"tenant_usages": _summaries(found, period, detailed=detailed)}
        return paging.with_next(req, "tenant_usages", body, _last(found), full)

    def show(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> dict[str, Any]:
        """GET /os-simple-tenant-usage/{project_id}"""
        self._access.check(req, "os-simple-tenant-usage:show", project_id=project_id)
        period = _period(req)
        if len(project_id) > 64 or not project_id.isprintable():
            return {"tenant_usage": {}}  # the id of no project
        found, full = self._find(req, period, project_id)
        summaries = _summaries(found, period, detailed=True)
        body = {"tenant_usage": summaries[0] if summaries else {}}
        return paging.with_next(req, "tenant_usage", body, _last(found), full)

    def _find(
        self, req: falcon.Request, period: Period, project_id: str | None
    ) -> tuple[list[Used], bool]:
        """The servers of the page, and whether there may be another page."""
        paged = req.context.version >= (2, 40)
        limit: int = paging.limit_of(req) if paged else cfg.CONF.api.max_limit
        marker = paging.last(req, "marker") if paged else None
        found = usage.within(
            self._db, *period, project_id=project_id, limit=limit, marker=marker or None
        )
        return found, paged and len(found) == limit


def _last(found: list[Used]) -> str | None:
    return found[-1].uuid if found else None


def _period(req: falcon.Request) -> Period:
    now = utcnow()
    start, end = _time(paging.last(req, "start")) or now, _time(paging.last(req, "end"))
    if end is not None and not start < end:
        raise errors.Invalid("Invalid start time. The start time cannot occur after the end time.")
    return start, min(end or now, now)


def _time(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    for form in _FORMATS:
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
    raise errors.Invalid("Invalid datetime string: Datetime is in invalid format")


def _summaries(found: list[Used], period: Period, *, detailed: bool) -> list[dict[str, Any]]:
    """One for each project that has any."""
    summaries: dict[str, dict[str, Any]] = {}
    for server in found:
        summary = summaries.setdefault(
            server.project_id,
            {
                "tenant_id": server.project_id,
                "total_local_gb_usage": 0.0,
                "total_vcpus_usage": 0.0,
                "total_memory_mb_usage": 0.0,
                "total_hours": 0.0,
                "start": times.precise(period[0]),
                "stop": times.precise(period[1]),
                **({"server_usages": []} if detailed else {}),
            },
        )
        hours = _hours(server, period)
        summary["total_local_gb_usage"] += _local_gb(server) * hours
        summary["total_vcpus_usage"] += server.flavor.vcpus * hours
        summary["total_memory_mb_usage"] += server.flavor.memory_mb * hours
        summary["total_hours"] += hours
        if detailed:
            summary["server_usages"].append(_shown(server, hours))
    return list(summaries.values())


def _hours(server: Used, period: Period) -> float:
    start, end = period
    ended = server.terminated_at or end
    ran = min(ended, end) - max(server.launched_at, start)
    return max(0.0, ran.total_seconds() / 3600)


def _local_gb(server: Used) -> int:
    return server.flavor.root_gb + server.flavor.ephemeral_gb


def _shown(server: Used, hours: float) -> dict[str, Any]:
    ended = server.terminated_at
    return {
        "instance_id": server.uuid,
        "name": server.name,
        "tenant_id": server.project_id,
        "flavor": server.flavor.name,
        "vcpus": server.flavor.vcpus,
        "memory_mb": server.flavor.memory_mb,
        "local_gb": _local_gb(server),
        "hours": hours,
        "started_at": times.precise(server.launched_at),
        "ended_at": times.precise(ended),
        "state": server.vm_state if ended is None else "terminated",
        "uptime": int(((ended or utcnow()) - server.launched_at).total_seconds()),
    }

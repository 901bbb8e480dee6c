"""The usage audit's log: computes here make no audits, so no host has run one."""

import datetime as dt
from typing import Any

import falcon

from minova.api.access import Access
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import hosts
from minova.model.instance import utcnow

_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")


class UsageAuditLog:
    """The handlers of /os-instance_usage_audit_log."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/os-instance_usage_audit_log", self.index),
            Route("GET", "/v2.1/os-instance_usage_audit_log/{before}", self.show),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-instance_usage_audit_log"""
        self._access.check(req, "os-instance-usage-audit-log:list")
        return {"instance_usage_audit_logs": self._log(utcnow())}

    def show(self, req: falcon.Request, resp: falcon.Response, before: str) -> dict[str, Any]:
        """GET /os-instance_usage_audit_log/{before}"""
        self._access.check(req, "os-instance-usage-audit-log:show")
        return {"instance_usage_audit_log": self._log(_time(before))}

    def _log(self, before: dt.datetime) -> dict[str, Any]:
        begin, end = last_month(before)
        waiting = [service.host for service in hosts.services(self._db, binary="nova-compute")]
        return {
            "period_beginning": f"{begin:%Y-%m-%d %H:%M:%S}",
            "period_ending": f"{end:%Y-%m-%d %H:%M:%S}",
            "num_hosts": len(waiting),
            "num_hosts_done": 0,
            "num_hosts_running": 0,
            "num_hosts_not_run": len(waiting),
            "hosts_not_run": waiting,
            "total_instances": 0,
            "total_errors": 0,
            "overall_status": f"{f'0 of {len(waiting)}' if waiting else 'ALL'} hosts done. "
            "0 errors.",
            "log": {},
        }


def last_month(before: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The last whole month before `before`: its first moment and that of the next."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (end - dt.timedelta(days=1)).replace(day=1), end


def _time(text: str) -> dt.datetime:
    for form in _FORMATS:
        try:
            found = dt.datetime.strptime(text, form)
        except ValueError:
            continue
        if found.year > 1:
            return found
    raise errors.Invalid(f"Invalid timestamp for date {text[:64]}")

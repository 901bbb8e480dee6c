"""The usage audit's log: which hosts have told of their servers, once a period had ended."""

import datetime as dt
from typing import Any

import falcon
from oslo_config import cfg

from minova.api.access import Access
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import hosts, usage_audits
from minova.model import audit_period
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
        period = audit_period.completed(cfg.CONF.instance_usage_audit_period, before)
        audits = usage_audits.of_period(self._db, period)
        hosts_there = [s.host for s in hosts.services(self._db, binary="nova-compute")]
        done = [audit for audit in audits if audit.state == usage_audits.DONE]
        missing = sorted(set(hosts_there) - {audit.host for audit in audits})
        failed = sum(audit.errors for audit in audits)
        begin, end = period
        all_done = len(done) == len(hosts_there)
        return {
            "period_beginning": f"{begin:%Y-%m-%d %H:%M:%S}",
            "period_ending": f"{end:%Y-%m-%d %H:%M:%S}",
            "num_hosts": len(hosts_there),
            "num_hosts_done": len(done),
            "num_hosts_running": len(audits) - len(done),
            "num_hosts_not_run": len(missing),
            "hosts_not_run": missing,
            "total_instances": sum(audit.instances for audit in audits),
            "total_errors": failed,
            "overall_status": f"{'ALL' if all_done else f'{len(done)} of {len(hosts_there)}'} "
            f"hosts done. {failed} errors.",
            "log": {
                audit.host: {
                    "state": audit.state,
                    "instances": audit.instances,
                    "errors": audit.errors,
                    "message": audit.message,
                }
                for audit in audits
            },
        }


def _time(text: str) -> dt.datetime:
    for form in _FORMATS:
        try:
            found = dt.datetime.strptime(text, form)
        except ValueError:
            continue
        if found.year > 2:
            return found
    raise errors.Invalid(f"Invalid timestamp for date {text[:64]}")

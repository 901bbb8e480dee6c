"""Has the conductor tell of the servers this host had, when an audit period has ended."""

from oslo_config import cfg

from minova.common.context import service_context
from minova.conductor.rpcapi import ConductorAPI
from minova.model import audit_period
from minova.model.audit_period import Period
from minova.model.instance import utcnow


class UsageAuditor:
    """Run `audit` every `INTERVAL` seconds. It asks again for an audit whose message was lost."""

    INTERVAL = 60

    def __init__(self, conductor: ConductorAPI, host: str) -> None:
        self._conductor, self._host = conductor, host
        self._done: Period | None = None

    def audit(self) -> None:
        """Ask for the audit of the last period, unless it is known to be done."""
        period = audit_period.completed(cfg.CONF.instance_usage_audit_period, utcnow())
        if self._done != period and self._conductor.audit_usage(
            service_context(), self._host, period
        ):
            self._done = period

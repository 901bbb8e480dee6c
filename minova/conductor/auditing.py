"""The usage audit of a host: instance.exists of every server it had in a period."""

import contextvars
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from minova.common import notices
from minova.common.notices import Notice
from minova.db import usage_audits
from minova.db.engine import Database
from minova.model import notices as payloads
from minova.model.audit_period import Period

LOG = logging.getLogger(__name__)
_PAGE = 100
# For one notification to find its way to the broker.
_PATIENCE = 30.0
# An audit that has not ended by then, never will: another begins it anew.
_LONGEST = 3600.0


class Auditing:
    """Does the audits that computes ask for, behind their backs, two at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._pool = ThreadPoolExecutor(2, "usage-audit")

    def is_done(self, host: str, period: Period) -> bool:
        """Whether the host's audit of the period is done. If nobody does it yet, it begins now."""
        if usage_audits.begin(self._db, host, period, _LONGEST):
            self._pool.submit(contextvars.copy_context().run, self._audit, host, period)
            return False
        return usage_audits.is_done(self._db, host, period)

    def _audit(self, host: str, period: Period) -> None:
        try:
            audit(self._db, host, period)
        except Exception:
            LOG.exception("the usage audit of host %s broke", host)


def audit(db: Database, host: str, period: Period) -> None:
    """Tell of all that the host had in the period, and that it is done."""
    began, told, failed, last = time.monotonic(), 0, 0, 0
    while time.monotonic() - began < _LONGEST:
        page = usage_audits.instances_in(db, host, period, after=last, limit=_PAGE)
        for instance in page:
            payload = payloads.exists(payloads.Done(instance, {}, period))
            notice = Notice("instance.exists", payload, f"nova-compute:{host}", {})
            if notices.send_in_time(notice, _PATIENCE):
                told += 1
            else:
                failed += 1
        if len(page) < _PAGE:
            break
        last = page[-1].id
    seconds = time.monotonic() - began
    message = (
        f"Instance usage audit ran for host {host}, {told} instances in {seconds:.1f} seconds."
    )
    LOG.info("%s", message)
    usage_audits.finish(db, host, period, message=message, instances=told, errors=failed)

"""What only the host knows when it tells of an action: that it ends a guest."""

from collections.abc import Iterator
from contextlib import contextmanager

from oslo_config import cfg

from minova.common import notices
from minova.common.context import RequestContext
from minova.common.notices import Notice
from minova.model import audit_period
from minova.model import notices as payloads
from minova.model.instance import Instance, utcnow

SHUTDOWN = ("instance.shutdown.start", "instance.shutdown.end")


@contextmanager
def shutting_down(ctxt: RequestContext, instance: Instance) -> Iterator[None]:
    """instance.shutdown around the block in which the guest of a deleted server ends."""
    start, end = SHUTDOWN
    _tell(ctxt, instance, start)
    yield
    _tell(ctxt, instance, end)


def _tell(ctxt: RequestContext, instance: Instance, event: str) -> None:
    if notices.on():
        period = audit_period.current(cfg.CONF.instance_usage_audit_period, utcnow())
        who = ctxt.to_wire()
        payload = payloads.action(payloads.Done(instance, who, period))
        notices.send(Notice(event, payload, f"nova-compute:{cfg.CONF.host}", who))

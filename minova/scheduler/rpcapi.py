"""nova-scheduler's door: topic `scheduler`.

1.0: select_host, select_destination
"""

from minova.common import rpc
from minova.common.context import RequestContext
from minova.model.work import Work

TOPIC = "scheduler"
VERSION = "1.0"


class SchedulerAPI:
    """What the conductor asks of the scheduler."""

    def __init__(self) -> None:
        self._client = rpc.Client(TOPIC, VERSION)

    def select_host(self, ctxt: RequestContext, work: Work, owner: str) -> str:
        """Steps 6 and 7: pick and claim a host, and cast the build to its compute; the host.

        A call of at most 8 s. Raises errors.Conflict ("No valid host was
        found …" with each filter's count) or when the instance was deleted.
        """
        host: str = self._client.call(ctxt, "select_host", timeout=8, work=work, owner=owner)
        return host

    def select_destination(self, ctxt: RequestContext, work: Work, owner: str) -> str:
        """Pick and claim where a resize or migration goes, and cast it to the host it leaves.

        A call of at most 8 s; errors.Conflict as of `select_host`.
        """
        host: str = self._client.call(ctxt, "select_destination", timeout=8, work=work, owner=owner)
        return host

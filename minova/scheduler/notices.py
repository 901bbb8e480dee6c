"""Tells that a host is being sought, and that one is found."""

from types import TracebackType
from typing import Self

from oslo_config import cfg

from minova.common import notices
from minova.common.context import RequestContext
from minova.common.notices import Notice
from minova.model import notice_resources as resources
from minova.model.instance import Instance
from minova.model.work import Work

EVENTS = ("scheduler.select_destinations.start", "scheduler.select_destinations.end")


class Telling:
    """scheduler.select_destinations: its start and, if the block finds a host, its end."""

    def __init__(self, ctxt: RequestContext, instance: Instance, work: Work) -> None:
        self._ctxt, self._instance, self._work = ctxt, instance, work

    def __enter__(self) -> Self:
        self._tell(EVENTS[0])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._tell(EVENTS[1])

    def _tell(self, event: str) -> None:
        if notices.on():
            payload = resources.request_spec(self._instance, self._work.request)
            publisher = f"nova-scheduler:{cfg.CONF.host}"
            notices.send(Notice(event, payload, publisher, self._ctxt.to_wire()))

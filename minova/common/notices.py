"""Sends notifications to whom it may concern, and never makes anybody wait.

`send` puts a notification into a bounded queue; one thread of the process
takes it to the broker by oslo.messaging's notifier. When the broker is away
the oldest are dropped, and a log line says so. Unless
`[oslo_messaging_notifications] driver` is set, `on` is False and nothing is made.
"""

import logging
import queue
import threading
from dataclasses import dataclass
from typing import Any

import oslo_messaging
from oslo_config import cfg

LOG = logging.getLogger(__name__)
_MOST_WAITING = 1000
_RETRIES = 2
_SILENT = {"noop", ""}


@dataclass(frozen=True)
class Notice:
    """A notification: `event_type` is like instance.create.start, `who` its publisher."""

    event_type: str
    payload: dict[str, Any]
    who: str
    context: dict[str, Any]
    failed: bool = False


class _Sender:
    """The process's one queue and its thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: bool | None = None
        self._transport: Any = None
        self._queue: queue.Queue[Notice] = queue.Queue(_MOST_WAITING)

    def on(self) -> bool:
        if self._on is None:
            with self._lock:
                if self._on is None:
                    self._on = self._start()
        return self._on

    def put(self, notice: Notice) -> None:
        while True:
            try:
                self._queue.put_nowait(notice)
                return
            except queue.Full:
                LOG.warning("too many notifications wait for the broker; the oldest is dropped")
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue

    def put_in_time(self, notice: Notice, seconds: float) -> bool:
        try:
            self._queue.put(notice, timeout=seconds)
        except queue.Full:
            return False
        return True

    def _start(self) -> bool:
        transport = oslo_messaging.get_notification_transport(cfg.CONF)
        if not set(cfg.CONF.oslo_messaging_notifications.driver) - _SILENT:
            transport.cleanup()
            return False
        notifier = oslo_messaging.Notifier(
            transport,
            topics=cfg.CONF.notifications.versioned_notifications_topics,
            retry=_RETRIES,
        )
        self._transport = transport
        threading.Thread(target=self._work, args=(notifier,), name="notices", daemon=True).start()
        return True

    def _work(self, notifier: Any) -> None:
        while True:
            notice = self._queue.get()
            try:
                at = notifier.prepare(publisher_id=notice.who)
                tell = at.error if notice.failed else at.info
                tell(notice.context, notice.event_type, notice.payload)
            except Exception:
                LOG.exception("the notification %s is lost", notice.event_type)


_sender = _Sender()


def on() -> bool:
    """Whether anybody is told at all; ask before making a notification."""
    return _sender.on()


def send_in_time(notice: Notice, seconds: float) -> bool:
    """Send it once there is room, for who has many to send; False if there is none in time.

    True also when nobody is told at all.
    """
    return not _sender.on() or _sender.put_in_time(notice, seconds)


def send(notice: Notice) -> None:
    """Send it soon. Returns at once, whatever the broker does."""
    if _sender.on():
        _sender.put(notice)

"""Listens to a cloud's notifications."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import oslo_messaging
from oslo_config import cfg

SECONDS = 10
_PUBLISHERS = ("nova-api", "nova-compute", "nova-conductor", "nova-scheduler")
# Event, priority, payload.
Heard = tuple[str, str, dict[str, Any]]


class Ear:
    """An endpoint of a listener: keeps what it hears."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._asked = 0
        self._more = threading.Condition()

    def _keep(self, event: str, priority: str, payload: dict[str, Any]) -> None:
        with self._more:
            self._heard.append((event, priority, payload))
            self._more.notify_all()

    def info(self, ctxt: Any, publisher: str, event: str, payload: Any, metadata: Any) -> None:
        assert publisher.split(":")[0] in _PUBLISHERS
        self._keep(event, "INFO", payload)

    def error(self, ctxt: Any, publisher: str, event: str, payload: Any, metadata: Any) -> None:
        self._keep(event, "ERROR", payload)

    def wait_for_events(self, count: int) -> list[Heard]:
        """The first `count` notifications of all, in the order they came."""
        return self._wait(lambda payload: True, count)

    def wait_for(self, uuid: str, count: int) -> list[Heard]:
        """The first `count` notifications about a server, in the order they came."""
        return self._wait(lambda payload: payload["nova_object.data"].get("uuid") == uuid, count)

    def news(self, count: int) -> list[Heard]:
        """The next `count` notifications that nobody has asked for, by their events' names."""
        heard = self._wait(lambda payload: True, self._asked + count)[self._asked :]
        self._asked += len(heard)
        return sorted(heard, key=lambda each: each[0])

    def forget_until(self, name: str) -> None:
        """Nobody asks for what was heard until the first news of something of this name."""
        self._wait(lambda payload: payload["nova_object.data"].get("name") == name, 1)
        with self._more:
            names = [payload["nova_object.data"].get("name") for _, _, payload in self._heard]
            self._asked = names.index(name) + 1

    def _wait(self, wanted: Callable[[dict[str, Any]], bool], count: int) -> list[Heard]:
        deadline = time.monotonic() + SECONDS
        with self._more:
            while True:
                mine = [heard for heard in self._heard if wanted(heard[2])]
                if len(mine) >= count or time.monotonic() > deadline:
                    assert len(mine) >= count, [event for event, _, _ in mine]
                    return mine
                self._more.wait(deadline - time.monotonic())


@contextmanager
def listening(topic: str, url: str | None = None) -> Iterator[Ear]:
    """An ear on this topic of the configured transport, or of `url`."""
    transport = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
    ear = Ear()
    listener = oslo_messaging.get_notification_listener(
        transport, [oslo_messaging.Target(topic=topic)], [ear], executor="threading"
    )
    listener.start()
    try:
        yield ear
    finally:
        listener.stop()
        listener.wait()
        transport.cleanup()

"""What guests do on their own, told to compute; and waiting for what we asked of them.

An event only says "look": the truth is the domain's state when we do look,
and compute hears of it when it is not what we last knew. So neither events
of our own doing, nor late ones, nor those missed while libvirtd was down
can mislead anybody.
"""

import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minova.common import errors
from minova.model import states
from minova.virt.driver import Lifecycle, LifecycleEvent, never

LOG = logging.getLogger(__name__)

_KINDS = {
    states.RUNNING: Lifecycle.STARTED,
    states.POWER_PAUSED: Lifecycle.PAUSED,
    states.POWER_SUSPENDED: Lifecycle.PAUSED,
    states.SHUTDOWN: Lifecycle.STOPPED,
    states.NOSTATE: Lifecycle.STOPPED,
    states.CRASHED: Lifecycle.CRASHED,
}
_SLEEPING = (states.POWER_PAUSED, states.POWER_SUSPENDED)
# How soon who waits for a guest sees that another action takes it over.
_CANCEL_SECONDS = 0.2


class Watch:
    """Listens to a connection. `state_of` asks for a domain's power state."""

    def __init__(self, state_of: Callable[[str], int]) -> None:
        self._state_of = state_of
        self._on_event: Callable[[LifecycleEvent], None] | None = None
        self._changed = threading.Condition()
        self._known: dict[str, int] = {}
        self._ours: Counter[str] = Counter()
        self._news: Counter[str] = Counter()
        self._resets: Counter[str] = Counter()
        self._started: dict[str, float] = {}
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, on_event: Callable[[LifecycleEvent], None], known: dict[str, int]) -> None:
        """Report changes against `known` from now on."""
        self._on_event = on_event
        with self._changed:
            self._known = dict(known)
        self._thread = threading.Thread(target=self._report, name="guest-events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Report no more. Idempotent."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=10)
            self._thread = None

    def touched(self, uuid: str) -> None:
        with self._changed:
            if uuid not in self._known and uuid not in self._ours:
                return  # somebody else's domain
            self._news[uuid] += 1
            self._changed.notify_all()
        self._queue.put(uuid)

    def rebooted(self, uuid: str) -> None:
        with self._changed:
            self._resets[uuid] += 1
            self._started[uuid] = time.monotonic()
        self.touched(uuid)

    def connected(self) -> None:
        with self._changed:
            uuids = {*self._known, *self._ours}
        for uuid in uuids:
            self.touched(uuid)

    @contextmanager
    def expecting(self, uuid: str, power_state: int) -> Iterator[None]:
        """In the block we bring the guest to `power_state`: that is no news for compute."""
        with self._changed:
            self._ours[uuid] += 1
        done = False
        try:
            yield
            done = True
        finally:
            with self._changed:
                self._ours[uuid] -= 1
                if not self._ours[uuid]:
                    del self._ours[uuid]
                if done:
                    self._known[uuid] = power_state
                if done and power_state == states.RUNNING:
                    self._started[uuid] = time.monotonic()
            self._queue.put(uuid)

    def forget(self, uuid: str) -> None:
        """The guest is no more."""
        with self._changed:
            for memory in (self._known, self._news, self._resets, self._started):
                memory.pop(uuid, None)

    def resets(self, uuid: str) -> int:
        """How often the guest was seen to reset."""
        return self._resets[uuid]

    def age(self, uuid: str) -> float:
        """Seconds since we have brought it to run, or it has reset; endless if never."""
        return time.monotonic() - self._started.get(uuid, -math.inf)

    def wait(
        self,
        uuid: str,
        done: Callable[[], bool],
        seconds: float,
        every: float = math.inf,
        cancelled: Callable[[], bool] = never,
    ) -> bool:
        """Until `done()`, asked again at every event of the guest; False when time is up.

        Also asked again `every` so many seconds, for what has no event.
        errors.Conflict as soon as `cancelled()`, unless it is done.
        """
        longest = math.inf if cancelled is never else _CANCEL_SECONDS
        end = time.monotonic() + seconds
        while True:
            seen = self._news[uuid]
            if done():
                return True
            if cancelled():
                raise errors.Conflict(f"Server {uuid} is not waited for: it is taken over.")
            with self._changed:
                again = min(end, time.monotonic() + every)
                while self._news[uuid] == seen and (left := again - time.monotonic()) > 0:
                    self._changed.wait(min(left, longest))
                    if cancelled():
                        break
            if time.monotonic() >= end:
                return done()

    def _report(self) -> None:
        while (uuid := self._queue.get()) is not None:
            try:
                self._look(uuid)
            except Exception:
                LOG.exception("event of instance %s is lost", uuid)

    def _look(self, uuid: str) -> None:
        with self._changed:
            if uuid in self._ours or uuid not in self._known:
                return
        now = self._state_of(uuid)
        with self._changed:
            before = self._known.get(uuid)
            if uuid in self._ours or before is None or before == now:
                return
            self._known[uuid] = now
        kind = _KINDS[now]
        if kind is Lifecycle.STARTED and before in _SLEEPING:
            kind = Lifecycle.RESUMED
        LOG.info("instance %s: guest %s by itself", uuid, kind.value)
        if self._on_event is not None:
            self._on_event(LifecycleEvent(uuid, kind, now))

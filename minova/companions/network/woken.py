"""A service that sleeps until something happened, and then deals with all of it at once."""

import threading
import time
from abc import abstractmethod

from minova.common import context, service


class Woken(service.Service):
    """One thread. What comes within `settle` seconds of the first is dealt with together.

    The next round begins no sooner than `gap` seconds after the last.
    """

    def __init__(self, name: str, settle: float = 0, gap: float = 0) -> None:
        self._name, self._settle, self._gap = name, settle, gap
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _work(self) -> None:
        """One round; what it may raise it handles."""

    def _wake(self) -> None:
        """Something happened. Returns at once."""
        self._wanted.set()
        self.start()

    def start(self) -> None:
        """Begin; a WSGI server that starts no services gets there when something happens."""
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            self._wanted.set()
            thread.join(timeout=10)
            self._wanted.clear()

    def _run(self) -> None:
        context.set_service("network")
        while True:
            self._wanted.wait()
            if self._stopping.is_set():
                return
            time.sleep(self._settle)
            self._wanted.clear()
            self._work()
            if self._stopping.wait(self._gap):
                return

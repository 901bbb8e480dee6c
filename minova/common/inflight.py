"""What this process is working on now, by id.

A message may come twice (recovery repeats a lost one); the second finds the
id here and does nothing. Leases are renewed for exactly these ids, so work
whose thread is gone runs out and is recovered.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """A set of ids with at most one holder each. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, identifier: str) -> bool:
        """Hold the id; False if it is held already."""
        with self._lock:
            if identifier in self._ids:
                return False
            self._ids.add(identifier)
            return True

    def discard(self, identifier: str) -> None:
        with self._lock:
            self._ids.discard(identifier)

    @contextmanager
    def hold(self, identifier: str) -> Iterator[bool]:
        """Hold the id for the block; yields False when another does."""
        held = self.add(identifier)
        try:
            yield held
        finally:
            if held:
                self.discard(identifier)

    def ids(self) -> list[str]:
        """What is held now."""
        with self._lock:
            return list(self._ids)

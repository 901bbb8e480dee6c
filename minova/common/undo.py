"""Undo: every step of a multi-step change pushes its reverse first.

    with Undo() as undo:
        undo.push(driver.destroy, instance)
        driver.spawn(instance)
        undo.clear()          # success: nothing is undone

An exception runs what was pushed, last first, and then goes on its way. A
reverse step that fails itself is logged and does not stop the others.
"""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

LOG = logging.getLogger(__name__)


class Undo:
    """A stack of reverse steps, run only when the block fails."""

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def push(self, reverse: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Register `reverse(*args, **kwargs)`; it must tolerate a step half done."""
        self._steps.append((reverse, args, kwargs))

    def clear(self) -> None:
        """Forget everything: the change is complete."""
        self._steps.clear()

    def run(self) -> None:
        """Undo now, last step first. Idempotent: a step runs once."""
        while self._steps:
            reverse, args, kwargs = self._steps.pop()
            try:
                reverse(*args, **kwargs)
            except Exception:
                LOG.exception("undo step %s failed", getattr(reverse, "__qualname__", reverse))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.run()

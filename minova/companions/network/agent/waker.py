"""Wakes a thread that waits in select(2) for its files."""

import os
from contextlib import suppress


class Waker:
    """A file to be selected beside the others: readable from `wake` until `clear`.

    Closed with its last reference, so that a late `wake` never meets a number
    that is another file's by then.
    """

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __del__(self) -> None:
        os.close(self._fd)

    def fileno(self) -> int:
        return self._fd

    def wake(self) -> None:
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._fd)

"""One CPU for a process whose threads share one interpreter.

Python runs one thread at a time, and every query and packet gives the
interpreter away. With several CPUs the kernel wakes the next thread on
another one at once, so the two hand the interpreter to and fro: a launch
among nine others costs twice the CPU time and seven times the switches it
costs where the first is back before the next has woken (tools/bench/storm.py).

What needs no interpreter, such as a hash, a copy, or another program, runs
`everywhere`; what a thread starts there runs everywhere, too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_all: frozenset[int] = frozenset()


def share_one() -> None:
    """Keep this thread, and those it starts from now on, on one of the CPUs they may use."""
    global _all
    allowed = sorted(os.sched_getaffinity(0))
    _all = frozenset(allowed)
    # Several such processes on one machine do not all take the same.
    os.sched_setaffinity(0, {allowed[os.getpid() % len(allowed)]})


def is_shared() -> bool:
    """Whether this process keeps to one CPU."""
    return bool(_all)


@contextmanager
def everywhere() -> Iterator[None]:
    """The block, or the function, runs on any CPU."""
    if not _all:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _all)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""One CPU for the threads of one interpreter; the others for what runs beside them."""

import subprocess
import sys

SCRIPT = """
import os, subprocess, sys, threading
from minova.common import cpus

allowed = os.sched_getaffinity(0)
cpus.share_one()

def seen(within):
    found = []
    thread = threading.Thread(target=lambda: found.append(within(lambda: os.sched_getaffinity(0))))
    thread.start()
    thread.join()
    return found[0]

CHILD = [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]

def child():
    return int(subprocess.check_output(CHILD))

here = seen(lambda look: look())
assert len(here) == 1 and here <= allowed, here
assert seen(cpus.everywhere()(lambda look: look())) == allowed
assert cpus.everywhere()(child)() == len(allowed)
with cpus.everywhere():
    with cpus.everywhere():
        pass
    assert os.sched_getaffinity(0) == allowed
assert os.sched_getaffinity(0) == here
print("fine")
"""


def test_threads_share_one_cpu_and_their_children_have_all() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "fine\n", done.stderr


def test_nothing_is_pinned_where_nobody_asked_for_it() -> None:
    script = """
import os
from minova.common import cpus
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with cpus.everywhere():
    assert len(os.sched_getaffinity(0)) == 1
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "fine\n", done.stderr

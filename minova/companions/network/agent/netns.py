"""Network namespaces with names, as `ip netns` knows them.

Python 3.11 has no setns(), so four system calls go through ctypes. A thread
that enters a namespace is never used for anything else: `inside` runs a
function on a thread of its own, whose sockets keep the namespace afterwards.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 0x1000, 0x4000, 0x100000, 2
_libc = ctypes.CDLL(None, use_errno=True)


def exists(name: str) -> bool:
    """Whether `name` can be entered; a left-over file that is no namespace cannot."""
    try:
        inside(name, lambda: None)
    except OSError:
        return False
    return True


def create(name: str) -> None:
    """A new, empty namespace; nothing to do when it exists. Raises OSError."""
    if exists(name):
        return
    path = FOLDER / name
    path.unlink(missing_ok=True)
    _share_folder()
    path.touch(mode=0o444)

    def make() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), "unshare", name)
        source = b"/proc/thread-self/ns/net"
        _check(_libc.mount(source, bytes(path), b"none", _MS_BIND, None), "mount", name)

    try:
        _on_own_thread(make)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def delete(name: str) -> None:
    """Take the name away; the namespace goes with its last socket. Idempotent."""
    path = FOLDER / name
    if not path.exists():
        return
    # EINVAL: the file is no mount point (any more), only its name is left.
    if _libc.umount2(bytes(path), _MNT_DETACH) != 0 and ctypes.get_errno() != errno.EINVAL:
        raise OSError(ctypes.get_errno(), f"unmounting namespace {name} failed")
    path.unlink(missing_ok=True)


def processes(name: str) -> list[int]:
    """The processes whose main thread is in the namespace."""
    try:
        wanted = (FOLDER / name).stat().st_ino
    except FileNotFoundError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "ns/net").stat().st_ino == wanted:
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended meanwhile
    return found


def inside(name: str, function: Callable[..., T], *args: Any) -> T:
    """`function(*args)` on a thread in namespace `name`. Raises OSError if it is not there."""
    handle = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    try:

        def enter() -> T:
            _check(_libc.setns(handle, _CLONE_NEWNET), "setns", name)
            return function(*args)

        return _on_own_thread(enter)
    finally:
        os.close(handle)


def _share_folder() -> None:
    """What `ip netns add` does: mounts of names spread to (and go away in) all mount namespaces."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = bytes(FOLDER)
    if _libc.mount(b"", folder, b"none", _MS_SHARED | _MS_REC, None) == 0:
        return
    _check(_libc.mount(folder, folder, b"none", _MS_BIND | _MS_REC, None), "bind", str(FOLDER))
    _check(_libc.mount(b"", folder, b"none", _MS_SHARED | _MS_REC, None), "share", str(FOLDER))


def _on_own_thread(function: Callable[[], T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="netns", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _check(result: int, call: str, name: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call} for namespace {name}: {os.strerror(code)}")

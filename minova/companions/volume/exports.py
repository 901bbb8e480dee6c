"""Exports: one qemu-storage-daemon per volume that a host was given, over NBD.

The daemon serves the volume's file on `<export_path>/<volume id>.sock`. It
is not our child: it outlives a restart of this service, and is found again
by its pid file and its command line. One that died is started again by the
periodic check of attaching.py; QEMU reconnects.

The folder and the sockets belong to the group that runs the guests and are
closed to everybody else: whoever reaches a socket reads the volume.
"""

import grp
import logging
import os
import select
import signal
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minova.common import cpus, errors
from minova.companions.volume import live_copy
from minova.companions.volume.records import Volume
from minova.companions.volume.store import Store

LOG = logging.getLogger(__name__)
DAEMON = "qemu-storage-daemon"
_START_SECONDS = 60
_STOP_SECONDS = 20
# sun_path of a Unix socket's address holds this many bytes and a NUL.
_SOCKET_PATH = 107
_NAME_LENGTH = len("/xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.sock")


class Exports:
    """Starts and ends exports. All methods are idempotent and thread-safe."""

    def __init__(self, store: Store, path: str, group: str | None) -> None:
        self._store = store
        self._path = Path(path)
        self._group = group
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def prepare(self) -> None:
        """Create the folder of the sockets; errors.Invalid if its name is too long."""
        if len(str(self._path)) + _NAME_LENGTH > _SOCKET_PATH:
            raise errors.Invalid(
                f"[volume] export_path {self._path} is too long for a Unix socket; "
                f"use at most {_SOCKET_PATH - _NAME_LENGTH} characters."
            )
        self._path.mkdir(parents=True, exist_ok=True, mode=0o750)
        if not self._group:
            return
        try:
            os.chown(self._path, -1, grp.getgrnam(self._group).gr_gid)
            # Set-group-id: the sockets made in it belong to the group, too.
            self._path.chmod(0o2750)
        except (KeyError, PermissionError) as error:
            LOG.warning("guests of other users cannot reach exported volumes: %s", error)

    @contextmanager
    def kept_still(self, volume_id: str) -> Iterator[None]:
        """Nobody exports the volume, or ends its export, during the block."""
        with self._locks[volume_id]:
            yield

    def start(self, volume: Volume, readonly: bool, wanted: Callable[[], bool]) -> None:
        """Serve the volume; errors.Unavailable if the daemon does not come up.

        `wanted` is asked when nobody else can start or stop the export any
        more: a detachment that came in between has the last word. If it says
        no, errors.Conflict.
        """
        with self._locks[volume.id]:
            if not wanted():
                raise errors.Conflict(f"Volume {volume.id} was detached in the meantime.")
            if self._pid(volume.id) is None:
                self._spawn(volume, readonly)

    def stop(self, volume_id: str) -> None:
        """End the export for good, after its data is on disk; errors.Unavailable if it stays."""
        with self._locks[volume_id]:
            pid = self._pid(volume_id)
            if pid is not None and not _end(pid):
                raise errors.Unavailable(
                    f"The export of volume {volume_id} does not end; it stays attached."
                )
            for path in (self._socket, self._monitor, self._pidfile):
                path(volume_id).unlink(missing_ok=True)

    def forget(self, volume_id: str) -> None:
        """The volume is gone: nobody will ask about its export again."""
        self._locks.pop(volume_id, None)

    def running(self, volume_id: str) -> bool:
        """Whether the volume is served now."""
        return self._pid(volume_id) is not None

    def copy_now(self, volume: Volume, target: Path) -> None:
        """Copy an exported volume as it is at this moment to `target`, which its guest writes on.

        `target` exists, and becomes a file of the volume's format. The daemon
        keeps what the guest overwrites meanwhile. errors.Unavailable if it cannot.
        """
        live_copy.copy(self._monitor(volume.id), target, volume)

    def connection_info(self, volume: Volume, mode: str) -> dict[str, Any]:
        """What the host's side needs to reach the export."""
        return {
            "driver_volume_type": "nbd",
            "data": {
                "transport": "unix",
                "socket": str(self._socket(volume.id)),
                "export": f"volume-{volume.id}",
                "access_mode": mode,
                "volume_id": volume.id,
                "discard": True,
                "encrypted": False,
            },
        }

    @cpus.everywhere()
    def _spawn(self, volume: Volume, readonly: bool) -> None:
        read_only = "on" if readonly else "off"
        command = [
            DAEMON,
            "--daemonize",
            *("--pidfile", str(self._pidfile(volume.id))),
            "--chardev",
            f"socket,id=monitor,server=on,wait=off,path={_escaped(self._monitor(volume.id))}",
            *("--monitor", "chardev=monitor"),
            "--blockdev",
            f"driver=file,node-name=file,discard=unmap,read-only={read_only},"
            f"filename={_escaped(self._store.path(volume.id))}",
            "--blockdev",
            f"driver={volume.format},node-name=volume,file=file,discard=unmap,"
            f"read-only={read_only}",
            *("--nbd-server", f"addr.type=unix,addr.path={_escaped(self._socket(volume.id))}"),
            "--export",
            f"type=nbd,id=export,node-name=volume,name=volume-{volume.id},"
            f"writable={'off' if readonly else 'on'}",
        ]
        self._pidfile(volume.id).unlink(missing_ok=True)
        try:
            # Returns when the socket listens: the daemon goes to the background after that.
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_START_SECONDS,
                cwd="/",
                check=False,
                text=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            LOG.error("%s did not start: %s", DAEMON, error)
            raise _not_exported(volume.id) from None
        if done.returncode != 0:
            LOG.error("%s failed: %s", command, done.stderr.strip())
            raise _not_exported(volume.id)
        # QEMU's umask as a daemon is 027; a client has to write to the socket.
        self._socket(volume.id).chmod(0o660)

    def _pid(self, volume_id: str) -> int | None:
        """The living daemon of the volume, if there is one."""
        try:
            pid = int(self._pidfile(volume_id).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        # A pid may be somebody else's by now; an empty command line is a dead one's.
        ours = DAEMON.encode() in command and f"name=volume-{volume_id},".encode() in command
        return pid if ours else None

    def _monitor(self, volume_id: str) -> Path:
        return self._path / f"{volume_id}.qmp"

    def _socket(self, volume_id: str) -> Path:
        return self._path / f"{volume_id}.sock"

    def _pidfile(self, volume_id: str) -> Path:
        return self._path / f"{volume_id}.pid"


def _escaped(path: Path) -> str:
    """A path inside one of QEMU's comma-separated options."""
    return str(path).replace(",", ",,")


def _not_exported(volume_id: str) -> errors.Unavailable:
    return errors.Unavailable(
        f"Volume {volume_id} could not be exported; the volume service's log has the reason."
    )


def _end(pid: int) -> bool:
    """Ask the process to end, then make it; False if it is there after all."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        waiter = select.poll()
        waiter.register(process, select.POLLIN)
        for how in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(process, how)
            if waiter.poll(_STOP_SECONDS * 1000):
                return True
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(process)

"""A copy of a volume while a guest writes to it, by the QMP monitor of its storage daemon.

The daemon's own backup job is used: what the guest overwrites is copied
first, so that the copy is the volume at one moment. Source: QEMU's QMP
reference, blockdev-backup and job events.
"""

import json
import logging
import socket
import time
from pathlib import Path
from typing import Any

from minova.common import errors
from minova.companions.volume import qemuimg
from minova.companions.volume.records import Volume

LOG = logging.getLogger(__name__)
GIB = 1024**3
# A copy that makes no progress for this long is given up.
_SILENCE_SECONDS = 120
_TOTAL_SECONDS = 3600
_NODE, _FILE, _JOB = "snapshot", "snapshot-file", "snapshot"


def copy(monitor: Path, target: Path, volume: Volume) -> None:
    """Copy the volume that `monitor`'s daemon serves to the empty file `target`.

    errors.Unavailable with a sentence for the user when it fails.
    """
    try:
        with _Monitor(monitor) as qmp:
            _copy(qmp, target, volume)
    except (OSError, ValueError, _Refused) as error:
        LOG.error("volume %s cannot be copied while it is in use: %s", volume.id, error)
        raise errors.Unavailable(
            f"Volume {volume.id} could not be copied while it is in use; detach it first, or see "
            "the volume service's log."
        ) from None


def _copy(qmp: "_Monitor", target: Path, volume: Volume) -> None:
    if volume.format == "raw":
        with target.open("r+b") as file:
            file.truncate(volume.size_gb * GIB)
    else:
        qemuimg.create(target, volume.format, volume.size_gb * GIB)
    file_node = {"driver": "file", "node-name": _FILE, "filename": str(target), "discard": "unmap"}
    qmp.ask("blockdev-add", **file_node)
    try:
        options = {"driver": volume.format, "node-name": _NODE, "file": _FILE}
        qmp.ask("blockdev-add", **options, **{"discard": "unmap", "detect-zeroes": "unmap"})
        try:
            job = {"job-id": _JOB, "device": "volume", "target": _NODE, "sync": "full"}
            qmp.ask("blockdev-backup", **job, **{"auto-finalize": True, "auto-dismiss": False})
            _finish(qmp)
        finally:
            qmp.ask("blockdev-del", **{"node-name": _NODE})
    finally:
        qmp.ask("blockdev-del", **{"node-name": _FILE})


def _finish(qmp: "_Monitor") -> None:
    """Wait for the job's end, and clear it away."""
    end = time.monotonic() + _TOTAL_SECONDS
    while True:
        (job,) = [job for job in qmp.ask("query-jobs") if job["id"] == _JOB]
        if job["status"] == "concluded":
            break
        if time.monotonic() > end:
            qmp.ask("job-cancel", id=_JOB)
            end = float("inf")
        qmp.await_event()
    qmp.ask("job-dismiss", id=_JOB)
    if job.get("error"):
        raise _Refused(str(job["error"]))


class _Refused(Exception):
    """What the daemon says to a command it does not do."""


class _Monitor:
    """One conversation with a QMP monitor."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_SILENCE_SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._buffer = b""

    def __enter__(self) -> "_Monitor":
        self._read()
        self.ask("qmp_capabilities")
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """The command's result; _Refused with the daemon's words."""
        message = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self._read()
            if "error" in answer:
                raise _Refused(str(answer["error"].get("desc")))
            if "return" in answer:
                return answer["return"]

    def await_event(self) -> None:
        """Return at the next event, or in half a second: one may have come before."""
        self._socket.settimeout(0.5)
        try:
            self._read()
        except TimeoutError:
            return
        finally:
            self._socket.settimeout(_SILENCE_SECONDS)

    def _read(self) -> dict[str, Any]:
        """The next message; what a timeout leaves half read is kept for the next call."""
        while b"\n" not in self._buffer:
            received = self._socket.recv(65536)
            if not received:
                raise OSError("the monitor hung up")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

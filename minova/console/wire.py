"""What minova-console and the nova-compute of its host say to each other over a Unix socket.

The question is the hash of a token and a newline. The answer is one line of
JSON, and with it, if all is well, an open file descriptor of the console.
"""

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from oslo_config import cfg

from minova.common import errors

_SECONDS = 40.0  # nova-compute may have to wait for a conductor, or libvirt
_QUESTION_SECONDS = 2.0
_QUESTION = 64 + 1
_ANSWER = 4096


@dataclass(frozen=True)
class Console:
    """Which console it is: `protocol` (vnc, serial) of an instance."""

    instance_uuid: str
    protocol: str


def gate() -> Path:
    """Where the nova-compute of this host listens."""
    return Path(cfg.CONF.console.gate_path) / f"{cfg.CONF.host}.sock"


def listen() -> socket.socket:
    """nova-compute's socket. Anybody here may ask: it is the token that counts, as over HTTP."""
    path = gate()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        with _address(path) as address:
            listener.bind(address)
        path.chmod(0o666)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def asked(connection: socket.socket) -> str:
    """The hash that is asked for; OSError when none comes in time."""
    connection.settimeout(_QUESTION_SECONDS)
    question = b""
    while not question.endswith(b"\n"):
        part = connection.recv(_QUESTION - len(question)) if len(question) < _QUESTION else b""
        if not part:
            raise ConnectionError("no question")
        question += part
    return question[:-1].decode("ascii", "replace")


def hand_over(connection: socket.socket, console: Console, fd: int) -> None:
    """Answer with a console. The caller still closes its `fd`."""
    socket.send_fds(connection, [json.dumps(asdict(console)).encode() + b"\n"], [fd])


def refuse(connection: socket.socket, reason: str) -> None:
    """Answer that there is none, and why."""
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps({"refused": reason}).encode() + b"\n")


def ask(token: str) -> tuple[Console, int]:
    """Use up a token: its console, and a file descriptor of it that the caller closes.

    errors.Forbidden with the reason when it opens none; errors.Unavailable
    when the nova-compute of this host does not answer.
    """
    question = hashlib.sha256(token.encode()).hexdigest().encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            with _address(gate()) as address:
                connection.connect(address)
            connection.sendall(question)
            answer, fds, _, _ = socket.recv_fds(connection, _ANSWER, 1, socket.MSG_CMSG_CLOEXEC)
    except OSError:
        raise errors.Unavailable(service="nova-compute of this host") from None
    return _understood(answer, list(fds))


def _understood(answer: bytes, fds: list[int]) -> tuple[Console, int]:
    try:
        said = json.loads(answer)
        if fds:
            return Console(**said), fds[0]
        reason = said["refused"]
    except (ValueError, TypeError, KeyError):
        for fd in fds:
            os.close(fd)
        raise errors.Unavailable(service="nova-compute of this host") from None
    raise errors.Forbidden(reason)


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """An address of `path` that is short enough for a Unix socket, however long the path is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

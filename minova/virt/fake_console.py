"""Consoles of fake guests: a VNC server with a picture, a serial line that answers.

Each is one end of a pair of sockets, served by a thread until the client
goes or the guest ends.
"""

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from minova.common import errors
from minova.model.console import SERIAL, VNC
from minova.virt.fake_host import ENDED, FakeGuest, FakeHost

WIDTH, HEIGHT = 64, 48
PROMPT = b"fake guest login: "
_LOOK_SECONDS = 0.1  # how soon a console notices that its guest has ended
_PIXEL_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
# Type of an RFB client's message (RFC 6143, 7.5) -> bytes after the type.
_LENGTHS = {0: 19, 2: 3, 3: 9, 4: 7, 5: 5, 6: 7}
_SET_ENCODINGS, _UPDATE_REQUEST, _CUT_TEXT = 2, 3, 6


def open_console(host: FakeHost, uuid: str, protocol: str) -> int:
    """See `Driver.open_console`."""
    with host.lock:
        guest = host.existing(uuid)
        if guest.power_state in ENDED:
            raise errors.Conflict(f"The guest of server {uuid} does not run; start it.")
        ours, theirs = socket.socketpair()
    serve = {VNC: _serve_screen, SERIAL: _serve_serial}[protocol]

    def lives() -> bool:
        running = guest.power_state not in ENDED
        return running and host.guests.get(uuid) is guest

    def run() -> None:
        with ours:
            try:
                serve(_Line(ours, lives), guest)
            except OSError:
                return  # the client has gone, or the guest has

    threading.Thread(target=run, name=f"fake-{protocol}", daemon=True).start()
    return theirs.detach()


class _Line:
    """The guest's end: reads end, with ConnectionError, when the client goes or the guest ends."""

    def __init__(self, sock: socket.socket, lives: Callable[[], bool]) -> None:
        self._sock, self._lives = sock, lives
        sock.settimeout(10)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def some(self, most: int = 4096) -> bytes:
        """What comes next, at most this much."""
        while self._lives():
            if select.select([self._sock], [], [], _LOOK_SECONDS)[0]:
                data = self._sock.recv(most)
                if data:
                    return data
                break
        raise ConnectionError("the console is closed")

    def exactly(self, length: int) -> bytes:
        """The next `length` bytes."""
        data = b""
        while len(data) < length:
            data += self.some(min(length - len(data), 65536))
        return data


def _serve_serial(line: _Line, guest: FakeGuest) -> None:
    """Say back every line that is typed."""
    line.send(PROMPT)
    typed = b""
    while True:
        for byte in line.some():
            if byte not in b"\r\n":
                typed += bytes([byte])
                line.send(bytes([byte]))
            elif typed:
                said = b"\r\nfake guest heard: " + typed + b"\r\n"
                guest.console += PROMPT + typed + said
                line.send(said + PROMPT)
                typed = b""


def _serve_screen(line: _Line, guest: FakeGuest) -> None:
    """RFB 3.8 (RFC 6143) with no password and a still picture."""
    line.send(b"RFB 003.008\n")
    line.exactly(12)
    line.send(b"\x01\x01")  # one security type: none
    line.exactly(1)
    line.send(struct.pack(">I", 0))
    line.exactly(1)
    name = guest.name.encode()
    line.send(struct.pack(">HH", WIDTH, HEIGHT) + _PIXEL_FORMAT)
    line.send(struct.pack(">I", len(name)) + name)
    for kind in _messages(line):
        if kind == _UPDATE_REQUEST:
            line.send(_picture())


def _messages(line: _Line) -> Iterator[int]:
    while True:
        (kind,) = line.exactly(1)
        if kind not in _LENGTHS:
            raise ConnectionError("no RFB")
        rest = line.exactly(_LENGTHS[kind])
        if kind == _SET_ENCODINGS:
            line.exactly(4 * struct.unpack(">xH", rest)[0])
        elif kind == _CUT_TEXT:
            line.exactly(struct.unpack(">3xI", rest)[0])
        yield kind


def _picture() -> bytes:
    """One raw rectangle: red from left to right, green from top to bottom."""
    pixels = b"".join(
        bytes((128, 255 * y // HEIGHT, 255 * x // WIDTH, 0))
        for y in range(HEIGHT)
        for x in range(WIDTH)
    )
    return struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + pixels

"""One open console: bytes from a websocket to the guest and back, in one thread.

Neither side can make the other's bytes pile up here: what one has not taken
is not read from the other. A client that takes nothing for a while is let
go, or the guest would wait for it with its next line.
"""

import os
import select
import socket
import time

from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

_PIECE = 65536
_STALL_SECONDS = 20.0
_PING_SECONDS = 25.0
_SILENT_SECONDS = 75.0
_CLOSE_SECONDS = 2.0
_DATA = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)
_NORMAL = 1000


class Ended(Exception):
    """Why the console is closed, for the log and the client."""


class Session:
    """A websocket whose handshake is done on `client`, and the console behind `console`."""

    def __init__(self, client: socket.socket, websocket: ServerProtocol, console: int) -> None:
        self._client, self._websocket, self._console = client, websocket, console
        self._to_client, self._to_guest = bytearray(), bytearray()
        self._taken = self._heard = self._pinged = time.monotonic()
        client.setblocking(False)
        os.set_blocking(console, False)

    def run(self, seconds: float) -> str:
        """Until one of them goes, or `seconds` are over; says which. Closes neither."""
        ends = time.monotonic() + seconds
        try:
            while True:
                self._step(ends)
        except Ended as end:
            reason = str(end)
        self._say_goodbye(reason)
        return reason

    def _step(self, ends: float) -> None:
        now = time.monotonic()
        self._check(now, ends)
        poll = select.poll()
        reading = 0 if self._to_guest else select.POLLIN
        poll.register(self._client, reading | (select.POLLOUT if self._to_client else 0))
        reading = 0 if self._to_client else select.POLLIN
        poll.register(self._console, reading | (select.POLLOUT if self._to_guest else 0))
        wait = min(ends - now, self._pinged + _PING_SECONDS - now, _STALL_SECONDS / 4)
        for descriptor, events in poll.poll(max(wait, 0) * 1000):
            if descriptor == self._console:
                self._move_guest(events)
            else:
                self._move_client(events)

    def _check(self, now: float, ends: float) -> None:
        if now >= ends:
            raise Ended("its time is over; ask for a new URL")
        if self._to_client and now - self._taken > _STALL_SECONDS:
            raise Ended("the client takes nothing")
        if now - self._heard > _SILENT_SECONDS:
            raise Ended("the client does not answer")
        if now - self._pinged >= _PING_SECONDS:
            self._pinged = now
            self._websocket.send_ping(b"")
            self._collect()

    def _move_guest(self, events: int) -> None:
        try:
            if events & select.POLLOUT:
                del self._to_guest[: os.write(self._console, self._to_guest)]
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                data = os.read(self._console, _PIECE)
                if not data:
                    raise Ended("the guest has closed it")
                self._websocket.send_binary(data)
                self._collect()
        except BlockingIOError:
            return
        except OSError:
            raise Ended("the guest has closed it") from None  # how a pty ends

    def _move_client(self, events: int) -> None:
        try:
            if events & select.POLLOUT and self._to_client:
                del self._to_client[: self._client.send(self._to_client)]
                self._taken = time.monotonic()
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                data = self._client.recv(_PIECE)
                if not data:
                    raise Ended("the client has gone")
                self._heard = time.monotonic()
                self._websocket.receive_data(data)
                self._understand()
        except BlockingIOError:
            return
        except OSError:
            raise Ended("the client has gone") from None

    def _understand(self) -> None:
        for frame in self._websocket.events_received():
            if getattr(frame, "opcode", None) in _DATA:
                self._to_guest += frame.data  # type: ignore[union-attr]
        self._collect()
        if self._websocket.state is not State.OPEN:
            raise Ended("the client has closed it")

    def _collect(self) -> None:
        """What the websocket wants to send; its end is ours to announce."""
        if not self._to_client:
            self._taken = time.monotonic()
        for data in self._websocket.data_to_send():
            self._to_client += data

    def _say_goodbye(self, reason: str) -> None:
        """Send what is left and the reason, to a client that still listens."""
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(_NORMAL, reason)
        self._collect()
        ends = time.monotonic() + _CLOSE_SECONDS
        try:
            self._client.settimeout(_CLOSE_SECONDS)
            self._client.sendall(self._to_client)
            self._client.shutdown(socket.SHUT_WR)
            while self._client.recv(_PIECE) and time.monotonic() < ends:
                pass
        except OSError:
            return

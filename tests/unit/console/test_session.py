"""One open console: neither side waits for ever, or fills the other's memory."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from websockets.protocol import State
from websockets.server import ServerProtocol

from minova.console import session
from minova.console.session import Session

SECONDS = 10


@dataclass
class Rig:
    """A session between `client`, which speaks raw websocket frames, and `guest`."""

    client: socket.socket
    guest: socket.socket
    session: Session
    why: list[str]
    thread: threading.Thread | None = None

    def run(self, seconds: float = SECONDS) -> None:
        self.thread = threading.Thread(target=lambda: self.why.append(self.session.run(seconds)))
        self.thread.start()

    def ended(self) -> str:
        assert self.thread is not None
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the console stays open"
        return self.why[0]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(session, "_CLOSE_SECONDS", 0.1)
    client, served = socket.socketpair()
    guest, console = socket.socketpair()
    websocket = ServerProtocol(state=State.OPEN)
    made = Rig(client, guest, Session(served, websocket, console.fileno()), [])
    yield made
    for sock in (client, guest):
        sock.close()
    if made.thread is not None:
        made.thread.join(SECONDS)
    for sock in (served, console):
        sock.close()


def test_the_console_is_closed_when_its_time_is_over(rig: Rig) -> None:
    rig.run(seconds=0.2)
    assert "its time is over" in rig.ended()


def test_the_console_is_closed_when_the_guest_ends(rig: Rig) -> None:
    rig.run()
    rig.guest.sendall(b"last words")
    rig.guest.close()
    assert rig.ended() == "the guest has closed it"
    assert b"last words" in rig.client.recv(4096)


def test_the_guest_is_let_go_when_the_client_leaves(rig: Rig) -> None:
    rig.run()
    rig.client.close()
    assert rig.ended() == "the client has gone"


def test_a_frame_that_is_too_large_ends_it(rig: Rig) -> None:
    rig.run()
    rig.client.sendall(b"\x82\xff" + (4 * 1024**3).to_bytes(8, "big") + b"mask")
    assert rig.ended() == "the client has closed it"


def test_a_guest_that_never_stops_talking_fills_no_memory(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nova b539d00282: what a hostile guest claims and sends is never kept for it.
    monkeypatch.setattr(session, "_STALL_SECONDS", 0.5)
    rig.guest.settimeout(1)
    rig.run()
    sent = 0
    with pytest.raises(TimeoutError):  # nobody takes any more
        while True:
            sent += rig.guest.send(b"\xff" * 65536)
            assert len(rig.session._to_client) < 200_000
            assert sent < 50_000_000
    assert rig.ended() == "the client takes nothing"


def test_a_client_that_is_gone_without_a_word_is_noticed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_PING_SECONDS", 0.1)
    monkeypatch.setattr(session, "_SILENT_SECONDS", 0.3)
    began = time.monotonic()
    rig.run()
    assert rig.ended() == "the client does not answer"
    assert time.monotonic() - began < SECONDS
    assert b"\x89\x00" in rig.client.recv(4096)  # it was asked


def test_a_client_that_never_stops_talking_is_left_alone(rig: Rig) -> None:
    rig.client.settimeout(1)
    rig.run()
    rig.guest.close()
    with pytest.raises(TimeoutError):  # nobody listens any more
        while True:
            rig.client.sendall(b"\x8a\x80mask" * 1000)
    assert rig.ended() == "the guest has closed it"

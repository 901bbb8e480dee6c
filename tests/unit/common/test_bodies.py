"""Request bodies stay small in memory and never spill into the next request."""

import io
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from minova.common.bodies import ChunkedBody, drain
from minova.common.service import RestService

MIB = 1024**2


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000, None])
def test_a_chunked_body_reads_the_same_in_any_steps(size: int | None) -> None:
    body = ChunkedBody(io.BytesIO(chunks(b"hello", b"wide", b"world" * 20) + b"GET /"))
    read = b"".join(iter(lambda: body.read(size), b""))
    assert read == b"hellowide" + b"world" * 20
    assert body.remaining == 0


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"5\r\nhel",
        b"5\r\nhello",
        b"5\r\nhello\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"1_0\r\nhello\r\n0\r\n\r\n",
        b"\r\n",
        b"fffffffffffffffffff\r\n",
        b"0\r\n" + b"a: b\r\n" * 1000,
    ],
)
def test_a_broken_chunked_body_is_not_a_short_one(wire: bytes) -> None:
    body = ChunkedBody(io.BytesIO(wire))
    with pytest.raises(ValueError):
        while body.read(1000):
            pass
    assert not drain(ChunkedBody(io.BytesIO(wire)))


def test_one_huge_chunk_is_read_in_small_pieces() -> None:
    asked: list[int] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    body = ChunkedBody(Source(chunks(b"x" * 3 * MIB)))
    assert len(body.read(MIB)) == MIB and max(asked) <= MIB
    assert drain(body) and max(asked) <= MIB


@pytest.fixture
def serve() -> Iterator[Callable[[Any], int]]:
    servers: list[RestService] = []

    def start(app: Any) -> int:
        servers.append(RestService("bodies", app, "127.0.0.1", 0, 2))
        servers[-1].start()
        return servers[-1].port

    yield start
    for server in servers:
        server.stop()


def refuse(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An app that never reads the body."""
    start_response("401 Unauthorized", [("Content-Length", "2")])
    return [b"no"]


def talk(port: int, *wire: bytes) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as peer:
        for piece in wire:
            peer.sendall(piece)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def test_a_refused_upload_is_thrown_away_in_small_pieces_and_answered(
    serve: Callable[[Any], int],
) -> None:
    port = serve(refuse)
    size = 40 * MIB
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    tracemalloc.start()
    try:
        answer = talk(port, head, *[bytes(MIB)] * 40)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.startswith(b"HTTP/1.1 401")
    assert peak < 8 * MIB


def test_the_rest_of_a_chunked_body_is_not_the_next_request(serve: Callable[[Any], int]) -> None:
    port = serve(refuse)
    hidden = b"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = talk(port, head + chunks(hidden) + b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
    assert whole.count(b"HTTP/1.1 ") == 2, "the body's bytes were answered as a request"
    broken = talk(port, head + b"zz\r\n" + hidden)
    assert broken.count(b"HTTP/1.1 ") == 1 and b"Connection: close" in broken


def test_endless_headers_are_refused(serve: Callable[[Any], int]) -> None:
    port = serve(refuse)
    answer = talk(
        port, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"y" * 70_000 + b"\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 413")

"""Request bodies under cheroot: no client makes us hold one in memory.

cheroot reads what a handler left of a body in one piece, and a chunk of
`Transfer-Encoding: chunked` in one piece, however large the client says it
is; and it goes on with the connection when a chunked body was not read to
its end, as if the rest were the next request. The gateway here reads
bounded pieces, throws the rest away for a few seconds (a client that still
sends sees our answer only then), and closes the connection if more is left.
"""

import re
import time
from typing import Any

from cheroot import wsgi as cheroot_wsgi

_PIECE = 64 * 1024
_DRAIN_SECONDS = 10
_LINE, _TRAILERS = 4096, 64
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;.*)?\r\n", re.DOTALL)


class Gateway(cheroot_wsgi.Gateway_10):
    """cheroot's WSGI gateway with bounded bodies."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        if self.req.chunked_read:
            self.req.rfile = ChunkedBody(self.req.conn.rfile)
        env: dict[str, Any] = super().get_environ()
        if self.req.chunked_read:
            env.pop("CONTENT_LENGTH", None)  # the chunks decide (RFC 9112, 6.3)
        return env

    def respond(self) -> None:
        response = self.req.server.wsgi_app(self.env, self.start_response)
        try:
            if not drain(self.req.rfile):
                self.req.rfile.remaining = 0
                self.req.close_connection = True
            for piece in response:
                if piece:
                    self.write(piece)
        finally:
            self.req.ensure_headers_sent()
            if hasattr(response, "close"):
                response.close()


class ChunkedBody:
    """The content of a chunked body (RFC 9112, 7.1), never more than was asked for.

    `read` raises ValueError for anything that is not proper chunks, so that
    a body cut off is not taken for a short one.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._left = 0
        self._begun = False
        self._ended = False

    @property
    def remaining(self) -> int:
        """0 once the body has been read to its end."""
        return 0 if self._ended else 1

    @remaining.setter
    def remaining(self, value: int) -> None:
        self._ended = value == 0

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; fewer only at the body's end."""
        pieces = []
        missing = float("inf") if size is None or size < 0 else size
        while missing > 0 and self._in_chunk():
            piece = self._source.read(int(min(missing, self._left, _PIECE)))
            if not piece:
                raise ValueError("the body ends within a chunk")
            self._left -= len(piece)
            missing -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _in_chunk(self) -> bool:
        """Whether there is more; steps over the line between two chunks."""
        if self._left or self._ended:
            return not self._ended
        if self._begun and self._source.read(2) != b"\r\n":
            raise ValueError("a chunk is longer than it said")
        self._begun = True
        match = _SIZE.fullmatch(self._source.readline(_LINE))
        if match is None:
            raise ValueError("a chunk does not say its size")
        self._left = int(match[1], 16)
        if self._left == 0:
            self._skip_trailers()
            self._ended = True
        return not self._ended

    def _skip_trailers(self) -> None:
        for _ in range(_TRAILERS):
            if self._source.readline(_LINE) in (b"\r\n", b""):
                return
        raise ValueError("too many trailers")


def drain(body: Any, seconds: float = _DRAIN_SECONDS) -> bool:
    """Throw away what is left of a body; False if that fails or takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    try:
        while getattr(body, "remaining", 0) > 0:
            if time.monotonic() > deadline or not body.read(_PIECE):
                return not getattr(body, "remaining", 0)
    except (OSError, ValueError):
        return False
    return True

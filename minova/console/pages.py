"""noVNC's files, as they are on this host, with headers that keep a page to itself.

What can be asked for is listed when minova-console starts; a request is
looked up in that list and never becomes a path of the file system.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff": "font/woff",
}
_INLINE = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL | re.I)
_STRANGE = re.compile(r"//|\.\.|[%\\]")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HOUR = "public, max-age=3600"


@dataclass(frozen=True)
class Page:
    """An answer; `headers` besides the content's length."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Pages:
    """The files below `folder`.

    Pages may open websockets to `sockets` (ws://host:port) and their own
    origin, and may be framed by pages of `frames`.
    """

    def __init__(self, folder: Path, sockets: str, frames: Iterable[str] = ()) -> None:
        self._files = dict(_listed(folder))
        self._sockets = sockets
        self._frames = " ".join(("'self'", *frames))

    def __bool__(self) -> bool:
        return bool(self._files)

    def get(self, path: str) -> Page:
        """What GET of `path`, without its query, answers. Nothing is ever redirected."""
        if not path.startswith("/") or _STRANGE.search(path):
            return _message(400, "There is no such address.")
        file = self._files.get(path)
        if file is None:
            missing = "" if self else " noVNC is not installed on this host (Debian: novnc)."
            return _message(404, f"There is no such page.{missing}")
        body = file.read_bytes()
        headers = {
            "Content-Type": _TYPES[file.suffix],
            "Cache-Control": "no-store" if file.suffix == ".html" else _HOUR,
            **_PLAIN_HEADERS,
        }
        if file.suffix == ".html":
            headers["Content-Security-Policy"] = self._policy(body)
        return Page(200, headers, body)

    def _policy(self, html: bytes) -> str:
        """Only the scripts that are in the page, and in our own files, may run."""
        scripts = " ".join(("'self'", *(f"'sha256-{digest}'" for digest in _digests(html))))
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src {scripts}",
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data: blob:",
                "media-src 'self'",
                "font-src 'self'",
                f"connect-src 'self' {self._sockets}",
                "form-action 'none'",
                "base-uri 'none'",
                f"frame-ancestors {self._frames}",
            )
        )


# The page's URL has the token: no other site learns it as a referrer.
_PLAIN_HEADERS = {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def origin_of(url: str) -> str:
    """`http://host:port` of a URL, as browsers say it in the header Origin."""
    parts = urlsplit(url.lower())
    default = _DEFAULT_PORTS.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}"


def _message(status: int, text: str) -> Page:
    headers = {"Content-Type": "text/plain; charset=utf-8", **_PLAIN_HEADERS}
    return Page(status, headers, f"{text}\n".encode())


def _listed(folder: Path) -> Iterable[tuple[str, Path]]:
    """URL path -> file of what pages need: nothing hidden, nothing from elsewhere."""
    top = folder.resolve()
    for where, folders, names in os.walk(top):
        hidden = ("utils",) if Path(where) == top else ()
        folders[:] = [n for n in folders if not n.startswith(".") and n not in hidden]
        for name in names:
            file = (Path(where) / name).resolve()
            if file.suffix in _TYPES and file.is_relative_to(top) and not name.startswith("."):
                yield f"/{(Path(where) / name).relative_to(top)}", file


def _digests(html: bytes) -> Iterable[str]:
    for match in _INLINE.finditer(html):
        if b"src=" not in match["attributes"]:
            yield base64.b64encode(hashlib.sha256(match["code"]).digest()).decode()

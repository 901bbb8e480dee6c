"""The one listener: noVNC's page for a plain GET, a console for a websocket.

A browser says whose page opens a websocket (Origin); only our own page's,
and those of `[console] allowed_origins`, may: otherwise any site that a
user visits could use his open consoles (CVE-2015-0259). What the request
says of itself (Host) does not count in that.
"""

import http
import logging
import os
import re
import socket
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

from oslo_config import cfg
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from minova.common import errors
from minova.console import wire
from minova.console.pages import Page, Pages, origin_of
from minova.console.session import Session
from minova.model.console import SERIAL

LOG = logging.getLogger(__name__)
# Would log whole requests, tokens and all.
_SILENT = logging.getLogger(f"{__name__}.websocket")
_SILENT.setLevel(logging.WARNING)
_REQUEST_SECONDS = 10.0
_REQUEST_BYTES = 32768
_MESSAGE_BYTES = 1024**2
_PATHS = ("/", "/websockify")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_FAMILIES = ((errors.Forbidden, 403), (errors.Unavailable, 503))


class Proxy:
    """minova-console's listener on `[console] host:port`."""

    def __init__(self) -> None:
        conf = cfg.CONF.console
        sockets = origin_of(conf.novnc_base_url).replace("http", "ws", 1)
        more = [origin_of(origin) for origin in conf.allowed_origins]
        self._origins = [None, *map(Origin, (origin_of(conf.novnc_base_url), *more))]
        self._pages = Pages(Path(conf.novnc_path), sockets, more)
        self._session_seconds = conf.session_ttl
        self._places = threading.BoundedSemaphore(conf.max_connections)
        self._address = (conf.host, conf.port)
        self._guard = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._lines: dict[str, socket.socket] = {}
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use, known once started."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        if self._listener is not None:
            return
        self._stopping.clear()
        if not self._pages:
            LOG.warning("%s has no noVNC: screens have no page", cfg.CONF.console.novnc_path)
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=128)
        self._thread = threading.Thread(
            target=self._accept, args=(self._listener,), name="console-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._listener is None or self._thread is None:
            return
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._thread.join(timeout=10)
        self._listener.close()
        self._listener = None
        with self._guard:
            for client in self._clients:
                _hang_up(client)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                LOG.exception("minova-console cannot take a connection")
                self._stopping.wait(1)  # out of file descriptors, say
                continue
            if not self._places.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._guard:
            self._clients.add(client)
        try:
            with client:
                self._answer(client)
        except OSError:
            return  # it has gone
        except Exception:
            LOG.exception("a request to minova-console broke")
        finally:
            with self._guard:
                self._clients.discard(client)
            self._places.release()

    def _answer(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        websocket = ServerProtocol(
            origins=self._origins,
            select_subprotocol=_subprotocol,
            max_size=_MESSAGE_BYTES,
            logger=_SILENT,
        )
        request = _request(client, websocket)
        if request is None:
            return
        path, _, query = request.path.partition("?")
        if "Upgrade" in request.headers:
            self._open(client, websocket, request, path, query)
        elif request.method != "GET":
            _send(client, websocket, _page(Page(405, {"Allow": "GET"})))
        else:
            _send(client, websocket, _page(self._pages.get(path)))

    def _open(
        self,
        client: socket.socket,
        websocket: ServerProtocol,
        request: Request,
        path: str,
        query: str,
    ) -> None:
        """A console: shake hands only when everything is right and the guest answers."""
        response = websocket.accept(request)
        if response.status_code != 101:
            LOG.info("%s: refused with %d", client.getpeername()[0], response.status_code)
            _send(client, websocket, response)
            return
        tokens = parse_qs(query).get("token", [])
        if path not in _PATHS or len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
            _send(client, websocket, websocket.reject(403, ""))
            return
        try:
            console, descriptor = wire.ask(tokens[0])
        except errors.MinovaError as error:
            status = next((code for kind, code in _FAMILIES if isinstance(error, kind)), 500)
            LOG.info("%s: %s", client.getpeername()[0], error.message)
            _send(client, websocket, websocket.reject(status, ""))
            return
        try:
            _send(client, websocket, response)
            self._carry(client, websocket, console, descriptor)
        finally:
            os.close(descriptor)

    def _carry(
        self,
        client: socket.socket,
        websocket: ServerProtocol,
        console: wire.Console,
        descriptor: int,
    ) -> None:
        peer, uuid = client.getpeername()[0], console.instance_uuid
        LOG.info("%s: the %s console of instance %s is open", peer, console.protocol, uuid)
        if console.protocol == SERIAL:
            self._take_line(uuid, client)
        try:
            why = Session(client, websocket, descriptor).run(self._session_seconds)
        finally:
            with self._guard:
                if self._lines.get(uuid) is client:
                    del self._lines[uuid]
        LOG.info("%s: the %s console of instance %s: %s", peer, console.protocol, uuid, why)

    def _take_line(self, uuid: str, client: socket.socket) -> None:
        """A serial line has one end: two readers would each get half of what is said."""
        with self._guard:
            before = self._lines.get(uuid)
            self._lines[uuid] = client
            if before is not None:
                _hang_up(before)


def _request(client: socket.socket, websocket: ServerProtocol) -> Request | None:
    """The request, if a whole and right one comes in time; others are answered here."""
    deadline = time.monotonic() + _REQUEST_SECONDS
    received = 0
    while True:
        client.settimeout(max(deadline - time.monotonic(), 0.01))
        data = client.recv(4096)
        received += len(data)
        if not data or received > _REQUEST_BYTES:
            return None
        websocket.receive_data(data)
        for event in websocket.events_received():
            if isinstance(event, Request):
                return event
        if websocket.handshake_exc is not None:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return None


def _page(page: Page) -> Response:
    status = http.HTTPStatus(page.status)
    headers = Headers({**page.headers, "Connection": "close"})
    headers["Content-Length"] = str(len(page.body))
    return Response(status.value, status.phrase, headers, page.body)


def _send(client: socket.socket, websocket: ServerProtocol, response: Response) -> None:
    """Send it within the request's time; anything but a 101 ends the connection."""
    websocket.send_response(response)
    client.settimeout(_REQUEST_SECONDS)
    client.sendall(b"".join(websocket.data_to_send()))


def _subprotocol(websocket: ServerProtocol, offered: object) -> Subprotocol | None:
    """What every VNC and serial client of OpenStack speaks, if it says a word about it."""
    return Subprotocol("binary") if "binary" in offered else None  # type: ignore[operator]


def _hang_up(client: socket.socket) -> None:
    """End a connection that another thread is serving, which closes it."""
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended already

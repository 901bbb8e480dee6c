"""The metadata proxy: 169.254.169.254:80 in each network's namespace.

Who asks is decided by the network and the source address alone, which the
firewall keeps honest; whatever identity a guest writes into its request is
dropped (CVE-2013-6419). The proxy adds the instance's id and signs it with
the secret it shares with nova-api.

One thread accepts for all networks; a request gets a thread of its own, and
a guest may have a few at a time. What guests send is bounded in size and time.
"""

import hashlib
import hmac
import logging
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

import urllib3

from minova.companions.network.agent import netns
from minova.companions.network.agent.bridge import METADATA_IP
from minova.companions.network.agent.waker import Waker

LOG = logging.getLogger(__name__)
MAX_BODY = 64 * 1024
MAX_ANSWER = 8 * 1024 * 1024
_GUEST_SECONDS = 10
_UPSTREAM_SECONDS = 20
_PER_GUEST = 8
_ALL_GUESTS = 256
# A guest's other headers stay here.
_PASSED = ("Accept", "Content-Type", "User-Agent")
_RETURNED = ("Content-Type", "Retry-After")


@dataclass(frozen=True)
class Guest:
    """Whose port it is: what nova-api has to know."""

    instance_id: str
    project_id: str


Finder = Callable[[str, str], Guest | None]


class MetadataProxy:
    """Listeners for all networks. `find(network id, source IP)` names the guest. Thread safe."""

    def __init__(self, url: str, secret: str, find: Finder) -> None:
        self.find = find
        self._secret = secret.encode()
        self._path = urllib3.util.parse_url(url).path or ""
        self._pool = urllib3.connection_from_url(
            url,
            maxsize=8,
            timeout=urllib3.Timeout(connect=5, read=_UPSTREAM_SECONDS),
            retries=False,
        )
        self._lock = threading.Lock()
        self._listeners: dict[str, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._busy: Counter[tuple[str, str]] = Counter()
        self._open: dict[socket.socket, str] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to accept."""
        self._thread = threading.Thread(target=self._accept, name="metadata", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every listener; requests under way end by themselves."""
        self._stopping = True
        self._waker.wake()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
        for network_id in list(self._listeners):
            self.remove(network_id)

    def ensure(self, network_id: str, namespace: str) -> None:
        """Listen in `namespace`. Idempotent. Raises OSError when it cannot."""
        with self._lock:
            if network_id in self._listeners:
                return
            listener = netns.inside(namespace, _listen)
            self._listeners[network_id] = listener
            self._selector.register(listener, selectors.EVENT_READ, network_id)
        self._waker.wake()

    def remove(self, network_id: str) -> None:
        """Close the listener and the network's connections, which would keep its namespace."""
        with self._lock:
            listener = self._listeners.pop(network_id, None)
            if listener is not None:
                self._selector.unregister(listener)
                listener.close()
            lingering = [sock for sock, network in self._open.items() if network == network_id]
            for sock in lingering:
                _shut(sock)

    def headers(self, guest: Guest, source: str) -> dict[str, str]:
        """What nova-api learns of a guest."""
        signature = hmac.new(self._secret, guest.instance_id.encode(), hashlib.sha256).hexdigest()
        return {
            "X-Instance-ID": guest.instance_id,
            "X-Tenant-ID": guest.project_id,
            "X-Instance-ID-Signature": signature,
            "X-Forwarded-For": source,
        }

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """nova-api's answer: status, headers, body. Raises urllib3's HTTPError."""
        answer = self._pool.urlopen(
            method,
            self._path + path,
            body=body or None,
            headers=headers,
            redirect=False,
            preload_content=False,
        )
        data = bytes(answer.read(MAX_ANSWER + 1))
        if len(data) > MAX_ANSWER:
            answer.close()
            raise urllib3.exceptions.HTTPError("the answer is too large")
        answer.release_conn()
        kept = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
        return answer.status, kept, data

    def _accept(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.fileobj is self._waker:
                    self._waker.clear()
                    continue
                try:
                    connection, address = key.fileobj.accept()  # type: ignore[union-attr]
                except OSError:
                    continue  # the guest hung up, or the network was just removed
                self._admit(connection, key.data, address)

    def _admit(self, connection: socket.socket, network_id: str, address: tuple[str, int]) -> None:
        guest = (network_id, address[0])
        with self._lock:
            if self._busy[guest] >= _PER_GUEST or len(self._open) >= _ALL_GUESTS:
                connection.close()
                return
            self._busy[guest] += 1
            self._open[connection] = network_id
        threading.Thread(
            target=self._serve, args=(connection, guest, address), name="metadata-ask", daemon=True
        ).start()

    def _serve(
        self, connection: socket.socket, guest: tuple[str, str], address: tuple[str, int]
    ) -> None:
        # A guest that sends its request drop by drop is cut off all the same.
        cut = threading.Timer(_GUEST_SECONDS + _UPSTREAM_SECONDS, _shut, (connection,))
        cut.daemon = True
        cut.start()
        try:
            connection.settimeout(_GUEST_SECONDS)
            _Request(connection, address, self, guest[0])
        except OSError:
            LOG.debug("the guest at %s hung up", guest)
        finally:
            cut.cancel()
            with self._lock:
                self._busy[guest] -= 1
                if self._busy[guest] <= 0:
                    del self._busy[guest]
                self._open.pop(connection, None)
            connection.close()


class _Request(BaseHTTPRequestHandler):
    """One request of one guest; the connection ends with it."""

    server_version, sys_version = "minova-metadata", ""

    def __init__(
        self,
        connection: socket.socket,
        address: tuple[str, int],
        proxy: MetadataProxy,
        network_id: str,
    ) -> None:
        self._proxy, self._network_id = proxy, network_id
        super().__init__(connection, address, proxy)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._forward(b"")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._answer(411, b"A Content-Length is required.\n")
        elif int(length) > MAX_BODY:
            self._answer(413, f"At most {MAX_BODY} bytes can be posted.\n".encode())
            # What is unread would reset the connection before the answer is.
            self.rfile.read(min(int(length), 16 * MAX_BODY))
        else:
            self._forward(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: object) -> None:
        LOG.debug("%s " + format, self.client_address[0], *args)

    def _forward(self, body: bytes) -> None:
        source = self.client_address[0]
        guest = self._proxy.find(self._network_id, source)
        if guest is None:
            self._answer(404, b"No instance has this address.\n")
            return
        if not self.path.startswith("/"):
            self._answer(400, b"The request has no path.\n")
            return
        headers = {name: self.headers[name] for name in _PASSED if name in self.headers}
        headers |= self._proxy.headers(guest, source)
        try:
            status, extra, answer = self._proxy.ask(self.command, self.path, body, headers)
        except urllib3.exceptions.HTTPError as error:
            LOG.warning("metadata for instance %s failed: %s", guest.instance_id, error)
            self._answer(503, b"The metadata service does not answer now; try again.\n")
            return
        self._answer(status, answer, extra)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "text/plain"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((METADATA_IP, 80))
        listener.listen(128)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

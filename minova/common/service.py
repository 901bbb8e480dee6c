"""Services inside a process: start in order, stop in reverse, on a signal.

A service is anything with `start()` and `stop()`. `run` hosts a list of
them until SIGTERM or SIGINT; the same list is what a test starts and stops.
"""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from minova.common import context, cpus

LOG = logging.getLogger(__name__)
_MAX_HEADERS = 64 * 1024
_IDLE_CONNECTIONS = 256
# Every query and every packet gives the interpreter away, and gets it back only
# when another thread has had its turn. With Python's 5 ms a transaction of six
# statements keeps SQLite's one writer for 30 ms, except on one CPU, where the other
# thread has not woken yet when the query is done.
_TURN_SECONDS = 0.0005


class Service(Protocol):
    """Both methods are idempotent; `stop` returns when the work in hand is done."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class RestService:
    """A WSGI app served by cheroot's threads on `host:port`; port 0 picks a free one."""

    def __init__(self, name: str, app: Any, host: str, port: int, threads: int = 10) -> None:
        # Half of the programs serve no HTTP and save the memory.
        from cheroot import wsgi

        from minova.common import bodies

        self.name = name
        self._server = wsgi.Server(
            (host, port), app, numthreads=threads, server_name=name, request_queue_size=128
        )
        self._server.gateway = bodies.Gateway
        self._server.max_request_header_size = _MAX_HEADERS
        self._server.shutdown_timeout = 5
        # cheroot keeps ten; the services' own sessions alone have more to each other.
        self._server.keep_alive_conn_limit = _IDLE_CONNECTIONS
        self._server.error_log = self._log  # type: ignore[method-assign]
        self._thread: threading.Thread | None = None

    def _log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        LOG.log(level, "%s: %s", self.name, msg, exc_info=traceback)

    @property
    def port(self) -> int:
        """The port in use, known once started."""
        return int(self._server.bind_addr[1])

    def start(self) -> None:
        if self._thread is None:
            self._server.prepare()
            self._thread = threading.Thread(
                target=self._server.serve, name=f"{self.name}-http", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._server.stop()
            self._thread.join(timeout=10)
            self._thread = None


class RpcService:
    """An RPC server as a service; made by a factory so that it can start again."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._server: Any = None

    def start(self) -> None:
        if self._server is None:
            self._server = self._factory()
            self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server.wait()
            self._server = None


class Periodic:
    """Runs `task()` every `interval` seconds in its own thread until stopped.

    The first run is at once, or after `interval` with `delay`. A failing run
    is logged and the next one comes at its time. `kick()` asks for a run now.
    """

    def __init__(
        self,
        service: str,
        name: str,
        interval: float,
        task: Callable[[], Any],
        *,
        delay: bool = False,
    ) -> None:
        self._service, self._name, self._interval, self._task = service, name, interval, task
        self._delay = delay
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            self._thread.start()

    def kick(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None

    def _loop(self) -> None:
        context.set_service(self._service)
        if self._delay and not self._stopping:
            self._wake.wait(self._interval)
        while not self._stopping:
            self._wake.clear()
            try:
                self._task()
            except Exception:
                LOG.exception("%s: periodic task %s failed", self._service, self._name)
            if not self._stopping:
                self._wake.wait(self._interval)


def start_all(services: Sequence[Service]) -> None:
    """Start in order; if one fails, those started are stopped and the error goes on."""
    started: list[Service] = []
    try:
        for service in services:
            service.start()
            started.append(service)
    except BaseException:
        stop_all(started)
        raise


def stop_all(services: Sequence[Service]) -> None:
    """Stop in reverse order; one that fails to stop is logged."""
    for service in reversed(services):
        try:
            service.stop()
        except Exception:
            LOG.exception("stopping %s failed", service)


def run(services: Sequence[Service], ready: Callable[[], None] | None = None) -> None:
    """Host `services` until SIGTERM or SIGINT. Tells systemd when ready."""
    if not cpus.is_shared():
        sys.setswitchinterval(_TURN_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    start_all(services)
    # What is there now stays: a full collection that walks all of it stops a request for 100 ms.
    gc.collect()
    gc.freeze()
    _notify_systemd("READY=1")
    if ready is not None:
        ready()
    stop.wait()
    _notify_systemd("STOPPING=1")
    stop_all(services)


def _notify_systemd(message: str) -> None:
    """sd_notify(3): one datagram to $NOTIFY_SOCKET, if there is one."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(message.encode(), path)

"""The gate to the guests' consoles, for the minova-console of this host.

minova-console faces the network and has no rights: no database, no message
bus, no way to a guest. At this Unix socket it shows a token; the conductor
uses that up and says what it opens; and nova-compute hands over an open
file descriptor of that one console. No console listens anywhere, so no
token leads to another guest that has taken over a port (CVE-2013-0335).
"""

import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from oslo_config import cfg

from minova.common import context, errors
from minova.conductor.rpcapi import ConductorAPI
from minova.console import wire
from minova.model.console import SERIAL, VNC
from minova.virt.driver import Driver

LOG = logging.getLogger(__name__)
_BINARY = "nova-compute"
_WORKERS = 8
_REFUSED = "This URL opens no console (any more); ask for a new one."


def base_url(protocol: str) -> str:
    """Where clients reach this host's consoles of `protocol`."""
    conf = cfg.CONF.console
    return str({VNC: conf.novnc_base_url, SERIAL: conf.serial_base_url}[protocol])


class Gate:
    """Hands out consoles at the Unix socket `wire.gate()`."""

    def __init__(self, driver: Driver, conductor: ConductorAPI, host: str) -> None:
        self._driver, self._conductor, self._host = driver, conductor, host
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | None = None

    def start(self) -> None:
        if self._listener is None:
            try:
                self._listener = wire.listen()
            except OSError as error:
                LOG.error("consoles cannot be opened: %s: %s", wire.gate(), error)
                return
            self._stopping.clear()
            self._workers = ThreadPoolExecutor(_WORKERS, "console")
            self._thread = threading.Thread(
                target=self._serve, args=(self._listener,), name="console-gate", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        if self._listener is not None and self._workers and self._thread:
            self._stopping.set()
            # shutdown() wakes the accept; close() alone would not.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(timeout=10)
            self._listener.close()
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._listener = None

    def _serve(self, listener: socket.socket) -> None:
        assert self._workers is not None
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                LOG.exception("nobody can ask for a console now")
                self._stopping.wait(1)  # out of file descriptors, say
                continue
            self._workers.submit(self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        """One question; the token never reaches a log or a span."""
        context.set_service(_BINARY)
        with connection:
            try:
                token_hash = wire.asked(connection)
            except OSError:
                return  # it has gone, or asks nothing
            try:
                uuid, protocol, fd = self._open(token_hash)
            except errors.MinovaError as error:
                wire.refuse(connection, error.message)
                return
            except Exception:
                LOG.exception("a console cannot be opened")
                wire.refuse(connection, "The console cannot be opened now.")
                return
            try:
                wire.hand_over(connection, wire.Console(uuid, protocol), fd)
            except OSError:
                return  # it has gone
            finally:
                os.close(fd)

    def _open(self, token_hash: str) -> tuple[str, str, int]:
        grant = self._conductor.use_console_token(context.service_context(), token_hash, self._host)
        if grant is None:
            raise errors.Forbidden(_REFUSED)
        instance = grant.instance
        fd = self._driver.open_console(instance, grant.protocol)
        LOG.info("instance %s: its %s console is opened", instance.uuid, grant.protocol)
        return instance.uuid, grant.protocol, fd

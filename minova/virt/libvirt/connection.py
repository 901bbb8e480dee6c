"""The connection to libvirtd: one per driver, opened again whenever libvirtd comes back.

`Connection.call` is how everything reaches libvirt: it retries an operation
whose connection broke, so operations have to be idempotent. Events arrive in
a thread of libvirt's own loop, which must not call libvirt; listeners only
take note.
"""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import libvirt
import tenacity

from minova.common import errors
from minova.virt.libvirt import notices

LOG = logging.getLogger(__name__)
T = TypeVar("T")

DEADLINE = 30.0  # how long an operation waits for libvirtd to come back
PATIENCE = 10.0  # and how long the start does: on a booting host we may be first
_KEEPALIVE = (5, 6)  # seconds between two questions, and how many may stay unanswered

# What libvirt says -> what the user reads. The log has libvirt's own words.
_REASONS = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        ("virtlogd", "virtlogd does not answer on the host; the administrator has to start it"),
        ("allocate memory|set up guest memory", "the host has too little free memory for it"),
        ("already exists with uuid", "another guest of the host has its name"),
        ("interface MTU|add bridge|get interface", "the bridge of one of its networks is missing"),
        ("type='?kvm|KVM kernel module|access KVM", "KVM is not available to QEMU on the host"),
        ("NBD|nbd|connect to.*socket", "one of its volumes does not answer"),
        ("No space left", "the host has no disk space left"),
    )
)


class Listener(Protocol):
    """Who hears events; called in libvirt's thread, so it must return at once."""

    def touched(self, uuid: str) -> None:
        """Something about it has changed: its state, its agent, or a device is gone."""

    def rebooted(self, uuid: str) -> None:
        """The guest was reset."""

    def connected(self) -> None:
        """A connection was opened; events before it were missed."""


@dataclass(frozen=True)
class HostFacts:
    """What libvirt knows of the host. Memory in MiB; `version` as libvirt counts (7002000)."""

    hostname: str
    version: int
    cpus: int
    memory_mb: int
    capabilities: str


class Connection:
    """A lasting connection to `uri`."""

    def __init__(self, uri: str, listener: Listener) -> None:
        self._uri = uri
        self._listener = listener
        self._lock = threading.Lock()
        self._conn: Any = None
        self._closed = threading.Event()
        self._broken = threading.Event()
        self._told = False
        self._keeper: threading.Thread | None = None

    def open(self) -> None:
        """Connect, and stay connected until `close`. Raises errors.Unavailable."""
        _run_event_loop()
        self._closed.clear()
        patient = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(libvirt.libvirtError),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=1),
            stop=tenacity.stop_after_delay(PATIENCE),
            reraise=True,
        )
        try:
            patient(self._connected)
        except libvirt.libvirtError as error:
            raise errors.Unavailable(
                f"libvirt cannot be reached at {self._uri} ({error}); "
                "check that libvirtd is running."
            ) from error
        self._keeper = threading.Thread(target=self._keep, name="libvirt-keeper", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Disconnect. Idempotent."""
        self._closed.set()
        self._broken.set()
        if self._keeper is not None:
            self._keeper.join(timeout=10)
            self._keeper = None
        with self._lock:
            self._drop()

    def call(self, operation: Callable[[Any], T], doing: str) -> T:
        """`operation(virConnect)`, again and again while the connection breaks.

        Gives up after `DEADLINE` seconds. Raises errors.Unavailable that says
        what we were `doing` ("start the guest").
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Lost),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_any(
                tenacity.stop_after_delay(DEADLINE), tenacity.stop_when_event_set(self._closed)
            ),
            reraise=True,
        )
        try:
            return retrying(self._attempt, operation)
        except _Lost as lost:
            raise errors.Unavailable(
                f"libvirt does not answer, so it could not {doing}; try again in a moment."
            ) from lost.__cause__
        except libvirt.libvirtError as error:
            raise translated(error, doing) from error

    def facts(self) -> HostFacts:
        """What libvirt knows of the host."""

        def ask(conn: Any) -> HostFacts:
            # getInfo()'s memory is one NUMA node's, and not all of it when memory is hot-plugged.
            memory = conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)["total"]
            return HostFacts(
                hostname=conn.getHostname(),
                version=conn.getVersion(),
                cpus=conn.getInfo()[2],
                memory_mb=memory // 1024,
                capabilities=conn.getCapabilities(),
            )

        return self.call(ask, "describe the host")

    def check_domain_type(self, virt_type: str, machine: str) -> None:
        """errors.Unavailable when libvirt offers no such domains."""
        self.call(
            lambda conn: conn.getDomainCapabilities(None, "x86_64", machine, virt_type),
            f"use domains of type='{virt_type}'",
        )

    def _attempt(self, operation: Callable[[Any], T]) -> T:
        try:
            conn = self._connected()
        except libvirt.libvirtError as error:
            raise _Lost from error
        try:
            return operation(conn)
        except libvirt.libvirtError as error:
            if _alive(conn):
                raise
            self._broken.set()
            raise _Lost from error

    def _connected(self) -> Any:
        with self._lock:
            if self._conn is not None and _alive(self._conn):
                return self._conn
            self._drop()
            conn = self._opened()
            conn.setKeepAlive(*_KEEPALIVE)
            conn.registerCloseCallback(self._on_close, None)
            events = {
                libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: self._on_domain_event,
                libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: self._on_domain_event,
                libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: self._on_domain_event,
                libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED: self._on_domain_event,
                libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: self._on_domain_event,
                libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: self._on_reboot,
            }
            for event, callback in events.items():
                conn.domainEventRegisterAny(None, event, callback, None)
            self._conn = conn
            self._broken.clear()
        LOG.info("connected to libvirt at %s", self._uri)
        self._listener.connected()
        return conn

    def _opened(self) -> Any:
        try:
            conn = libvirt.open(self._uri)
        except libvirt.libvirtError as error:
            if not self._told:
                self._told = True
                notices.unreachable(str(error))
            raise
        self._told = False
        return conn

    def _drop(self) -> None:
        if self._conn is None:
            return
        try:
            self._conn.close()
        except libvirt.libvirtError as error:
            LOG.debug("closing a broken connection: %s", error)
        self._conn = None

    def _keep(self) -> None:
        """Reconnect in the background, so that events come although nobody calls."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(libvirt.libvirtError),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
            stop=tenacity.stop_when_event_set(self._closed),
        )
        while not self._closed.is_set():
            self._broken.wait()
            if self._closed.is_set():
                return
            try:
                retrying(self._connected)
            except tenacity.RetryError:
                return

    def _on_close(self, conn: Any, reason: int, opaque: Any) -> None:
        if not self._closed.is_set():
            LOG.warning("the connection to libvirt is lost (reason %s); reconnecting", reason)
            self._broken.set()

    def _on_domain_event(self, conn: Any, domain: Any, *_: Any) -> None:
        self._listener.touched(domain.UUIDString())

    def _on_reboot(self, conn: Any, domain: Any, *_: Any) -> None:
        self._listener.rebooted(domain.UUIDString())


def translated(error: libvirt.libvirtError, doing: str) -> errors.MinovaError:
    """A libvirt error in the user's words; libvirt's own go to the log."""
    said = str(error)
    LOG.error("libvirt could not %s: %s", doing, said)
    for pattern, reason in _REASONS:
        if pattern.search(said):
            return errors.Unavailable(f"libvirt could not {doing}: {reason}.")
    return errors.Unavailable(
        f"libvirt could not {doing}; the log of nova-compute on the host tells why."
    )


class _Lost(Exception):
    """The connection broke, before or during an operation."""


def _alive(conn: Any) -> bool:
    try:
        return bool(conn.isAlive())
    except libvirt.libvirtError:
        return False


_loop_lock = threading.Lock()
_loop: threading.Thread | None = None


def _run_event_loop() -> None:
    """Have libvirt's event loop run in this process; has to precede the first connection."""
    global _loop
    with _loop_lock:
        if _loop is not None:
            return
        libvirt.registerErrorHandler(lambda *_: None, None)  # it would print to stderr
        libvirt.virEventRegisterDefaultImpl()
        _loop = threading.Thread(target=_dispatch_forever, name="libvirt-events", daemon=True)
        _loop.start()


def _dispatch_forever() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()

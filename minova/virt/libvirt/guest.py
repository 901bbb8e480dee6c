"""One domain, by its uuid: everything we ask of it, each call idempotent.

A `Guest` holds no libvirt object, because those die with their connection;
every call looks the domain up anew.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import libvirt

from minova.common import errors
from minova.model import states
from minova.virt.libvirt.connection import Connection
from minova.virt.libvirt.domain.identity import NAMESPACE

T = TypeVar("T")
LOG = logging.getLogger(__name__)

_POWER_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: states.NOSTATE,
    libvirt.VIR_DOMAIN_RUNNING: states.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: states.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: states.POWER_PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: states.RUNNING,  # it is on its way down, and still there
    libvirt.VIR_DOMAIN_SHUTOFF: states.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: states.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: states.POWER_SUSPENDED,
}
_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
# What libvirt says of an agent that is not there or does not answer, and of one that says no.
_SILENT = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_AGENT_UNSYNCED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
)
_REFUSED = (
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_OPERATION_INVALID,
)
# What tells libvirt to go through the agent.
SHUTDOWN_INSIDE = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
REBOOT_INSIDE = libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT
_ASK_SECONDS = 0.5
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG


class Guest:
    """The domain `uuid`, whether it exists or not."""

    def __init__(self, connection: Connection, uuid: str) -> None:
        self._connection = connection
        self.uuid = uuid

    def power_state(self) -> int:
        """One of `model.states`; NOSTATE when there is no such domain."""
        return self._call(_power_state_of, states.NOSTATE, "see it")

    def is_running(self) -> bool:
        """Whether it exists and has not ended; a paused guest counts."""
        return self._call(lambda domain: bool(domain.isActive()), False, "see it")

    def start_new(self, xml: str) -> None:
        """Define and start it; what runs already is left alone."""

        def start(conn: Any) -> None:
            _create(conn.defineXML(xml))

        self._connection.call(start, "start the guest")

    def redefine(self, xml: str) -> None:
        """Replace its persistent definition."""
        self._connection.call(lambda conn: conn.defineXML(xml), "define the guest")

    def start(self) -> None:
        """Start it if it does not run; with the memory that `save` has written, if it has."""
        self._call(_create, None, "start the guest")

    def pause(self) -> None:
        """Stop its CPUs."""

        def stop(domain: Any) -> None:
            if domain.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
                domain.suspend()

        self._call(stop, None, "pause the guest")

    def unpause(self) -> None:
        """Let its CPUs go on, also when the guest sent itself to sleep."""

        def go_on(domain: Any) -> None:
            state = domain.state()[0]
            if state == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()
            elif state == libvirt.VIR_DOMAIN_PMSUSPENDED:
                domain.pMWakeup()

        self._call(go_on, None, "let the guest go on")

    def save(self, given_up: Callable[[], bool]) -> None:
        """Write its memory to the host's disk and end it.

        `given_up` is asked now and then; when it says yes, the guest runs on,
        and that is an error.
        """

        def write(domain: Any) -> None:
            if not domain.isActive() and domain.hasManagedSaveImage():
                return
            done = threading.Event()
            guard = threading.Thread(
                target=_abort_when, args=(domain, done, given_up), name="guest-save", daemon=True
            )
            guard.start()
            try:
                domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)
            finally:
                done.set()
                guard.join()

        self._call(write, None, "suspend the guest")

    def inject_nmi(self) -> None:
        """Send it a non-maskable interrupt."""
        self._call(lambda domain: domain.injectNMI(0), None, "send the guest an NMI")

    def ask_agent(self, question: Callable[[Any], object], seconds: int, doing: str) -> None:
        """Have its agent answer `question(domain)` within `seconds`; nothing without a domain.

        errors.NotSupported when it is silent, errors.Conflict when it says no.
        """

        def ask(domain: Any) -> None:
            try:
                domain.agentSetResponseTimeout(seconds, 0)
                question(domain)
            except libvirt.libvirtError as error:
                code = error.get_error_code()
                if code not in (*_SILENT, *_REFUSED) or not domain.connect().isAlive():
                    raise
                # Part of it is the guest's own text.
                LOG.warning("instance %s: the guest agent: %.300r", self.uuid, str(error))
                if code in _REFUSED:
                    raise errors.Conflict(
                        f"The guest agent of server {self.uuid} could not {doing}."
                    ) from error
                raise errors.NotSupported(
                    f"The guest agent of server {self.uuid} does not answer, so it could not "
                    f"{doing}; see that qemu-guest-agent runs in the server."
                ) from error

        self._call(ask, None, doing)

    def stats(self) -> dict[str, Any]:
        """libvirt's statistics of it, by libvirt's names; empty when there is none."""

        def ask(domain: Any) -> dict[str, Any]:
            wanted = (
                libvirt.VIR_DOMAIN_STATS_BALLOON
                | libvirt.VIR_DOMAIN_STATS_VCPU
                | libvirt.VIR_DOMAIN_STATS_INTERFACE
                | libvirt.VIR_DOMAIN_STATS_BLOCK
            )
            found = domain.connect().domainListGetStats([domain], wanted)
            return dict(found[0][1]) if found else {}

        return self._call(ask, {}, "see what the guest uses")

    def shutdown(self) -> None:
        """Press its power button. A guest that is not up to it yet misses that."""
        flags = libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
        self._call(_tolerant(lambda domain: domain.shutdownFlags(flags)), None, "stop the guest")

    def reboot(self) -> None:
        """Have it shut down by its power button and reset when it has."""
        flags = libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN
        self._call(_tolerant(lambda domain: domain.reboot(flags)), None, "reboot the guest")

    def kill(self) -> None:
        """End it at once, and drop what it had saved of its memory; fine when it has ended."""

        def end(domain: Any) -> None:
            _tolerant(lambda it: it.destroy())(domain)
            if domain.hasManagedSaveImage():
                domain.managedSaveRemove()

        self._call(end, None, "stop the guest")

    def forget(self) -> None:
        """End it and remove its definition; fine when there is none."""

        def undefine(domain: Any) -> None:
            _tolerant(lambda it: it.destroy())(domain)
            domain.undefineFlags(_UNDEFINE)

        self._call(undefine, None, "remove the guest")

    def xml(self, *, live: bool) -> str | None:
        """The running or the persistent definition; None when there is none such."""

        def describe(domain: Any) -> str | None:
            if live and not domain.isActive():
                return None
            flags = 0 if live else libvirt.VIR_DOMAIN_XML_INACTIVE
            return str(domain.XMLDesc(flags))

        return self._call(describe, None, "describe the guest")

    def open_screen(self) -> int | None:
        """A file descriptor connected to its VNC server; None when it does not run."""

        def connect(domain: Any) -> int | None:
            if not domain.isActive():
                return None
            return int(domain.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))

        return self._call(connect, None, "open the screen")

    def attach(self, xml: str, *, live: bool, config: bool, doing: str) -> None:
        """Plug a device into the running guest, its definition, or both."""
        flags = _flags(live, config)
        self._call(lambda domain: domain.attachDeviceFlags(xml, flags), None, doing)

    def detach(self, xml: str, *, live: bool, doing: str) -> None:
        """Ask the running guest to let a device go, or remove it from the definition.

        Returns before the guest has let go. A device that is not there, or
        is going already, is fine.
        """
        flags = _flags(live, not live)
        gone = (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_FAILED)

        def unplug(domain: Any) -> None:
            try:
                domain.detachDeviceFlags(xml, flags)
            except libvirt.libvirtError as error:
                if error.get_error_code() not in gone:
                    raise

        self._call(_tolerant(unplug), None, doing)

    def start_backup(self, xml: str) -> None:
        """Have QEMU copy disks of the running guest, as `xml` says; returns before it is done."""
        self._call(_tolerant(lambda domain: domain.backupBegin(xml, None)), None, "copy the disk")

    def has_job(self) -> bool:
        """Whether libvirt is doing something long to it, as a copy of its disk."""
        return self._call(_has_job, False, "see what is done to the guest")

    def job_succeeded(self) -> bool:
        """Whether the last such thing ended well."""
        flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED

        def ask(domain: Any) -> bool:
            if not domain.isActive():
                return False
            return bool(domain.jobStats(flags).get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED)

        return self._call(ask, False, "see what was done to the guest")

    def end_job(self) -> None:
        """Break off what is being done to it; fine when nothing is."""

        def abort(domain: Any) -> None:
            if _has_job(domain):
                _abort_job(domain)

        self._call(abort, None, "end what is done to the guest")

    def _call(self, operation: Callable[[Any], T], missing: T, doing: str) -> T:
        def on_connection(conn: Any) -> T:
            try:
                return operation(conn.lookupByUUIDString(self.uuid))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                return missing

        return self._connection.call(on_connection, doing)


def all_guests(connection: Connection) -> dict[str, int]:
    """uuid -> power state of every domain that carries our metadata."""

    def ask(conn: Any) -> dict[str, int]:
        stats = conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
        asleep = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
        saved = {domain.UUIDString() for domain in asleep}
        return {
            uuid: _power_state(values["state.state"], values["state.reason"], uuid in saved)
            for uuid, domain, values in ((d.UUIDString(), d, values) for d, values in stats)
            if _is_ours(domain)
        }

    return connection.call(ask, "list the guests")


def _power_state_of(domain: Any) -> int:
    state, reason = domain.state()
    ended = state == libvirt.VIR_DOMAIN_SHUTOFF
    return _power_state(state, reason, ended and bool(domain.hasManagedSaveImage()))


def _power_state(state: int, reason: int, saved: bool) -> int:
    """`saved`: its memory lies on the host's disk. libvirtd forgets that as a reason."""
    if state == libvirt.VIR_DOMAIN_SHUTOFF and saved:
        return states.POWER_SUSPENDED
    if state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED:
        return states.CRASHED
    return _POWER_STATES.get(state, states.NOSTATE)


def _abort_when(domain: Any, done: threading.Event, given_up: Callable[[], bool]) -> None:
    while not done.wait(_ASK_SECONDS):
        if given_up():
            _abort_job(domain)  # again, if it had not begun yet


def _abort_job(domain: Any) -> None:
    with contextlib.suppress(libvirt.libvirtError):  # it has just ended
        domain.abortJob()


def _has_job(domain: Any) -> bool:
    try:
        return bool(domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
    except libvirt.libvirtError:
        if domain.isActive():
            raise
        return False


def _is_ours(domain: Any) -> bool:
    try:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
    except libvirt.libvirtError:
        return False  # another's, or gone this moment
    return True


def _create(domain: Any) -> None:
    try:
        domain.create()
    except libvirt.libvirtError:
        if not domain.isActive():
            raise


def _tolerant(operation: Callable[[Any], Any]) -> Callable[[Any], None]:
    """`operation`, for which it is fine when the guest has ended meanwhile."""

    def attempt(domain: Any) -> None:
        try:
            operation(domain)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
                raise

    return attempt


def _flags(live: bool, config: bool) -> int:
    return int((_LIVE if live else 0) | (_CONFIG if config else 0))

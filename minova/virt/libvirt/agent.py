"""What the QEMU guest agent does in a running guest: passwords, file systems, the clock.

Whether there is one is the guest's affair, and so is what it answers: every
question has a deadline, and only that it was done is believed. While a
guest's file systems are frozen, a note in its folder says so, and whoever
finds it thaws them:

    frozen        the guest's agent was asked to freeze
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import libvirt

from minova.common import errors
from minova.model import guest_agent, states
from minova.model.instance import Instance
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.guest import Guest

LOG = logging.getLogger(__name__)
NOTE = "frozen"
# Seconds. Whatever the question is, libvirt first asks for five whether the agent listens.
_PASSWORD, _FREEZE, _THAW, _CLOCK = 20, 60, 10, 5
_PATIENCE = 30.0
_ASK_AGAIN = 1.0
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


def set_password(guest: Guest, instance: Instance, password: str) -> None:
    """See `Driver.set_password`."""
    guest_agent.require(instance)
    if not guest.is_running():
        raise errors.Conflict(f"The guest of server {instance.uuid} does not run; start it.")
    user = guest_agent.administrator(instance)
    _ask(
        guest,
        lambda domain: domain.setUserPassword(user, password, 0),
        _PASSWORD,
        f"set the password of {user}",
    )


def set_clock(guest: Guest, instance: Instance) -> None:
    """Tell a guest that has stood still what time it is, if it has an agent that listens."""

    def tell(domain: Any) -> None:
        seconds, nseconds = divmod(time.time_ns(), 10**9)
        domain.setTime({"seconds": seconds, "nseconds": nseconds}, 0)

    if guest_agent.is_there(instance):
        try:
            _ask(guest, tell, _CLOCK, "set the clock")
        except errors.MinovaError as error:
            LOG.info("instance %s: its clock is not set: %s", instance.uuid, error.message)


def shut_down(guest: Guest, *, reboot: bool = False) -> None:
    """Have it shut down or reboot from inside; nothing when it has no agent that listens.

    Returns when it has, or has said no, or after a minute.
    """
    flag = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
    if reboot:
        flag = libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT

    def ask(domain: Any) -> None:
        (domain.reboot if reboot else domain.shutdownFlags)(flag)

    try:
        _ask(guest, ask, _CLOCK, "shut down")
    except errors.MinovaError as error:
        LOG.info("instance %s: %s", guest.uuid, error.message)


@contextmanager
def frozen(
    guest: Guest, folder: InstanceFolder, instance: Instance, cancelled: Callable[[], bool]
) -> Iterator[None]:
    """The block sees file systems that are whole on the disks, if the guest's agent can do that.

    errors.Conflict when it cannot, and the image says that it must.
    """
    thaw_left(guest, folder, cancelled)
    try:
        try:
            _freeze(guest, folder, instance)
        except errors.MinovaError as error:
            guest_agent.allow_unfrozen(instance, error.message)
            LOG.info("instance %s: no file system is frozen: %s", guest.uuid, error.message)
        yield
    finally:
        thaw_left(guest, folder, cancelled)


def thaw_left(
    guest: Guest,
    folder: InstanceFolder,
    cancelled: Callable[[], bool] = lambda: False,
    patience: float = _PATIENCE,
) -> None:
    """Thaw what is noted to be frozen. When the guest's agent does not, the note stays."""
    note = folder / NOTE
    end = time.monotonic() + patience
    while note.exists() and not cancelled():
        try:
            if guest.is_running():
                _ask(guest, lambda domain: domain.fsThaw(), _THAW, "thaw its file systems")
            note.unlink(missing_ok=True)
        except errors.MinovaError as error:
            if time.monotonic() > end:
                LOG.error("instance %s stays frozen, reboot it hard: %s", guest.uuid, error.message)
                return
            time.sleep(_ASK_AGAIN)  # an agent tells nobody that it listens again


def _freeze(guest: Guest, folder: InstanceFolder, instance: Instance) -> None:
    guest_agent.require(instance)
    if guest.power_state() != states.RUNNING:
        raise errors.Conflict(f"The guest of server {instance.uuid} stands still.")
    note, began = folder / NOTE, time.monotonic()
    if note.exists():
        raise errors.Conflict(f"The guest of server {instance.uuid} was frozen before.")
    note.touch()
    try:
        _ask(guest, lambda domain: domain.fsFreeze(), _FREEZE, "freeze its file systems")
    except errors.MinovaError:
        if time.monotonic() < began + _FREEZE:
            note.unlink()  # otherwise it may still do it
        raise


def _ask(guest: Guest, question: Callable[[Any], object], seconds: int, doing: str) -> None:
    """Have the agent answer `question(domain)` within `seconds`.

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
            LOG.warning("instance %s: the guest agent: %s", guest.uuid, error)
            if code in _REFUSED:
                raise errors.Conflict(
                    f"The guest agent of server {guest.uuid} could not {doing}."
                ) from error
            raise errors.NotSupported(
                f"The guest agent of server {guest.uuid} does not answer, so it could not "
                f"{doing}; see that qemu-guest-agent runs in the server."
            ) from error

    guest.ask(ask, doing)

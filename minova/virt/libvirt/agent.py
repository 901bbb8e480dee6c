"""What the QEMU guest agent does in a running guest: passwords, file systems, the clock.

Whether there is one is the guest's affair, and so is what it answers: every
question has a deadline, and only that it was done is believed. While a
guest's file systems are frozen, a note in its folder says so, and whoever
finds it thaws them:

    frozen        the guest's agent was asked to freeze
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from minova.common import errors
from minova.model import guest_agent, states
from minova.model.instance import Instance
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain.element import Element
from minova.virt.libvirt.domain.guest_agent import CHANNEL
from minova.virt.libvirt.guest import REBOOT_INSIDE, SHUTDOWN_INSIDE, Guest
from minova.virt.libvirt.watch import Watch

LOG = logging.getLogger(__name__)
NOTE = "frozen"
# Seconds. Whatever the question is, libvirt first asks for five whether the agent listens.
_PASSWORD, _FREEZE, _THAW, _CLOCK = 10, 60, 10, 5
# A guest that started less than this ago may still boot, and its agent has so long to come. All
# that a password takes is less than a minute, for which HTTP clients wait.
_BOOTING, _BOOT_WAIT = 120.0, 40.0
_PATIENCE = 30.0
_ASK_AGAIN = 1.0


def set_password(
    guest: Guest, watch: Watch, instance: Instance, password: str, cancelled: Callable[[], bool]
) -> None:
    """See `Driver.set_password`."""
    guest_agent.require(instance)
    if not guest.is_running():
        raise errors.Conflict(f"The guest of server {instance.uuid} does not run; start it.")
    if watch.age(guest.uuid) < _BOOTING:
        watch.wait(guest.uuid, lambda: _has_come(guest), _BOOT_WAIT, cancelled=cancelled)
    user = guest_agent.administrator(instance)
    guest.ask_agent(
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
            guest.ask_agent(tell, _CLOCK, "set the clock")
        except errors.MinovaError as error:
            LOG.info("instance %s: its clock is not set: %s", instance.uuid, error.message)


def shut_down(guest: Guest, wanted: Callable[[], bool], *, reboot: bool) -> None:
    """Have it shut down or reboot from inside, if it has an agent that listens, and it is `wanted`.

    Returns when it has, or has said no, or after a minute.
    """

    def ask(domain: Any) -> None:
        if not wanted():
            return
        if reboot:
            domain.reboot(REBOOT_INSIDE)
        else:
            domain.shutdownFlags(SHUTDOWN_INSIDE)

    try:
        if _channel(guest) is not None:
            guest.ask_agent(ask, _CLOCK, "shut down")
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


def thaw_predecessors(guests: Iterable[tuple[Guest, InstanceFolder]]) -> None:
    """Thaw what a predecessor of this process has left frozen, without waiting for the guests."""
    for guest, folder in guests:
        if (folder / NOTE).exists():
            threading.Thread(
                target=thaw_left, args=(guest, folder), name="guest-thaw", daemon=True
            ).start()


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
                guest.ask_agent(lambda domain: domain.fsThaw(), _THAW, "thaw its file systems")
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
        guest.ask_agent(lambda domain: domain.fsFreeze(), _FREEZE, "freeze its file systems")
    except errors.MinovaError:
        if time.monotonic() < began + _FREEZE:
            note.unlink()  # otherwise it may still do it
        raise


def _channel(guest: Guest) -> Element | None:
    """What libvirt tells of the running guest's channel to its agent."""
    xml = guest.xml(live=True)
    found = ElementTree.fromstring(xml).findall("devices/channel/target") if xml else ()
    return next((target for target in found if target.get("name") == CHANNEL), None)


def _has_come(guest: Guest) -> bool:
    """Whether somebody in the guest has opened the channel, or never will."""
    channel = _channel(guest)
    return channel is None or channel.get("state") == "connected"

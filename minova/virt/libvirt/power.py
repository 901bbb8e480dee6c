"""Stopping and rebooting guests: politely first, and never longer than asked."""

import logging
import time
from collections.abc import Callable

from minova.model import states
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

LOG = logging.getLogger(__name__)
# A press of the power button is lost on a guest that has not booted yet.
_PRESS_AGAIN = 10.0


def stop(guest: Guest, watch: Watch, timeout: float) -> None:
    """Shut down by ACPI, hard after `timeout` seconds or when the guest cannot react."""
    if timeout > 0 and guest.power_state() == states.RUNNING:
        stopped = _press(guest.shutdown, guest, watch, lambda: not guest.is_running(), timeout)
        if not stopped:
            LOG.info("instance %s: guest did not shut down in %s s", guest.uuid, timeout)
    if guest.is_running() or guest.power_state() == states.POWER_SUSPENDED:
        guest.kill()


def soft_reboot(guest: Guest, watch: Watch, timeout: float) -> bool:
    """Have the guest shut down and start again; False when it did not within `timeout` seconds."""
    if guest.power_state() != states.RUNNING:
        return False
    before = watch.resets(guest.uuid)
    return _press(guest.reboot, guest, watch, lambda: watch.resets(guest.uuid) > before, timeout)


def _press(
    button: Callable[[], None],
    guest: Guest,
    watch: Watch,
    done: Callable[[], bool],
    timeout: float,
) -> bool:
    """Press `button` until `done`, or until `timeout` seconds are over."""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        button()
        if watch.wait(guest.uuid, done, min(_PRESS_AGAIN, left)):
            return True
    return done()

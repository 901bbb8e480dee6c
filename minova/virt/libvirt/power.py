"""Stopping and rebooting guests: politely first, and never longer than asked."""

import logging
import time
from collections.abc import Callable

from minova.model import states
from minova.virt.driver import never
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

LOG = logging.getLogger(__name__)
# A press of the power button is lost on a guest that has not booted yet.
_PRESS_AGAIN = 10.0


def stop(guest: Guest, watch: Watch, timeout: float, cancelled: Callable[[], bool] = never) -> None:
    """Shut down by ACPI, hard after `timeout` seconds or when the guest cannot react.

    Raises errors.Conflict when `cancelled` says so meanwhile.
    """
    if timeout > 0 and guest.power_state() == states.RUNNING:

        def has_ended() -> bool:
            return not guest.is_running()

        stopped = _press(guest.shutdown, guest, watch, has_ended, timeout, cancelled)
        if not stopped:
            LOG.info("instance %s: guest did not shut down in %s s", guest.uuid, timeout)
    if guest.is_running() or guest.power_state() == states.POWER_SUSPENDED:
        guest.kill()


def soft_reboot(
    guest: Guest, watch: Watch, timeout: float, cancelled: Callable[[], bool] = never
) -> bool:
    """Have the guest shut down and start again; False when it did not within `timeout` seconds.

    Raises errors.Conflict when `cancelled` says so meanwhile.
    """
    if guest.power_state() != states.RUNNING:
        return False
    before = watch.resets(guest.uuid)

    def is_back() -> bool:
        return watch.resets(guest.uuid) > before

    return _press(guest.reboot, guest, watch, is_back, timeout, cancelled)


def _press(
    button: Callable[[], None],
    guest: Guest,
    watch: Watch,
    done: Callable[[], bool],
    timeout: float,
    cancelled: Callable[[], bool],
) -> bool:
    """Press `button` until `done`, or until `timeout` seconds are over."""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        button()
        if watch.wait(guest.uuid, done, min(_PRESS_AGAIN, left), cancelled=cancelled):
            return True
    return done()

"""Stopping and rebooting guests: politely first, and never longer than asked.

The power button comes first, as for any machine; its agent is asked where that does nothing.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable

from minova.model import states
from minova.virt.driver import never
from minova.virt.libvirt import agent
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

        asks = functools.partial(agent.shut_down, guest, reboot=False)
        stopped = _press(guest.shutdown, asks, guest, watch, has_ended, timeout, cancelled)
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

    asks = functools.partial(agent.shut_down, guest, reboot=True)
    return _press(guest.reboot, asks, guest, watch, is_back, timeout, cancelled)


def _press(
    button: Callable[[], None],
    asks: Callable[[Callable[[], bool]], None],
    guest: Guest,
    watch: Watch,
    done: Callable[[], bool],
    timeout: float,
    cancelled: Callable[[], bool],
) -> bool:
    """Press `button` until `done`, or until `timeout` seconds are over.

    A guest to which the button says nothing is asked by its agent besides.
    Of that we do not wait for the end: `asks` is told when it is not wanted
    any more.
    """
    end = time.monotonic() + timeout
    over = threading.Event()
    asking: threading.Thread | None = None

    def wanted() -> bool:
        return not over.is_set()

    try:
        while (left := end - time.monotonic()) > 0:
            button()
            if watch.wait(guest.uuid, done, min(_PRESS_AGAIN, left), cancelled=cancelled):
                return True
            if asking is None or not asking.is_alive():
                asking = threading.Thread(
                    target=asks, args=(wanted,), name="guest-agent", daemon=True
                )
                asking.start()
    finally:
        over.set()
    return done()

"""Guests that stand still: paused in memory, or suspended to a file of the host's disk."""

import time
from collections.abc import Callable

from minova.common import errors
from minova.model import states
from minova.model.instance import Instance
from minova.virt.libvirt import agent
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

# A guest of 64 GiB on a slow disk is written by then.
_SAVE_SECONDS = 1200.0


def pause(guest: Guest, watch: Watch) -> None:
    """See `Driver.pause`."""
    _bring(guest, watch, states.POWER_PAUSED, guest.pause)


def unpause(guest: Guest, watch: Watch, instance: Instance) -> None:
    """See `Driver.unpause`."""
    _bring(guest, watch, states.RUNNING, guest.unpause)
    agent.set_clock(guest, instance)


def suspend(guest: Guest, watch: Watch, cancelled: Callable[[], bool]) -> None:
    """See `Driver.suspend`."""
    end = time.monotonic() + _SAVE_SECONDS

    def given_up() -> bool:
        return cancelled() or time.monotonic() > end

    if guest.power_state() != states.POWER_SUSPENDED or guest.is_running():
        _bring(guest, watch, states.POWER_SUSPENDED, lambda: guest.save(given_up))


def resume(guest: Guest, watch: Watch, instance: Instance) -> None:
    """See `Driver.resume`."""
    if guest.power_state() == states.NOSTATE:
        raise errors.NotFound(resource="Guest", id=guest.uuid)
    with watch.expecting(guest.uuid, states.RUNNING):
        if guest.is_running():
            guest.unpause()
        else:
            guest.start()
    agent.set_clock(guest, instance)


def _bring(guest: Guest, watch: Watch, power_state: int, act: Callable[[], None]) -> None:
    if not guest.is_running():
        raise errors.Conflict(f"The guest of server {guest.uuid} does not run; start it.")
    with watch.expecting(guest.uuid, power_state):
        act()

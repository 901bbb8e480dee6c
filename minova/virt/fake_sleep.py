"""Fake guests that stand still: paused, or suspended to their host's disk."""

from collections.abc import Callable

from minova.common import errors
from minova.model import states
from minova.model.instance import Instance
from minova.virt.fake_host import ENDED, FakeHost


def pause(host: FakeHost, instance: Instance) -> None:
    """See `Driver.pause`."""
    _go(host, instance, states.POWER_PAUSED)


def unpause(host: FakeHost, instance: Instance) -> None:
    """See `Driver.unpause`."""
    _go(host, instance, states.RUNNING)


def suspend(host: FakeHost, instance: Instance, cancelled: Callable[[], bool]) -> None:
    """See `Driver.suspend`."""
    if cancelled():
        raise errors.Unavailable(f"The suspend of server {instance.uuid} was broken off.")
    with host.lock:
        if host.existing(instance.uuid).power_state != states.POWER_SUSPENDED:
            _go(host, instance, states.POWER_SUSPENDED)


def resume(host: FakeHost, instance: Instance) -> None:
    """See `Driver.resume`."""
    with host.lock:
        guest = host.existing(instance.uuid)
        if guest.power_state in (states.SHUTDOWN, states.CRASHED):
            guest.boot()
        guest.power_state = states.RUNNING


def _go(host: FakeHost, instance: Instance, power_state: int) -> None:
    with host.lock:
        guest = host.existing(instance.uuid)
        if guest.power_state in ENDED:
            raise errors.Conflict(f"The guest of server {instance.uuid} does not run; start it.")
        guest.power_state = power_state

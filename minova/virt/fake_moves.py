"""Fake guests that change their size or host: the old one is kept until the move is confirmed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minova.common import errors
from minova.model import states
from minova.model.instance import VIF, Flavor, Instance
from minova.virt import sizes
from minova.virt.fake_host import ENDED, FakeGuest, FakeHost

_STOP_SECONDS = 60


def leave(
    host: FakeHost,
    instance: Instance,
    migration_id: str,
    flavor: Flavor,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """See `Driver.migrate_out`."""
    sizes.check_resize(instance, flavor)
    host.press(instance.uuid, _STOP_SECONDS, cancelled)
    with host.lock:
        guest = host.existing(instance.uuid)
        guest.power_state = states.SHUTDOWN
        if cancelled():
            raise errors.Conflict("The server is being deleted; its disk is not kept.")
        if migration_id not in guest.aside:
            guest.aside = {migration_id: replace(guest, aside={})}
    return {}


def arrive(host: FakeHost, instance: Instance, vifs: list[VIF], *, start: bool) -> None:
    """See `Driver.migrate_in`."""
    with host.lock:
        uuid = instance.uuid
        guest = host.guests.setdefault(uuid, FakeGuest(uuid, instance.domain_name, disks=True))
        guest.root_gb = max(guest.root_gb, instance.flavor.root_gb)
        _go_on(guest, instance, vifs, start)


def confirm(host: FakeHost, instance: Instance, migration_id: str) -> None:
    """See `Driver.confirm_migration`."""
    with host.lock:
        guest = host.guests.get(instance.uuid)
        if guest is not None:
            guest.aside.pop(migration_id, None)


def revert(
    host: FakeHost, instance: Instance, migration_id: str, vifs: list[VIF], *, start: bool
) -> None:
    """See `Driver.revert_migration`."""
    with host.lock:
        guest = host.existing(instance.uuid)
        kept = guest.aside.pop(migration_id, None)
        if kept is not None:
            guest.power_state, guest.root_gb = states.SHUTDOWN, kept.root_gb
        _go_on(guest, instance, vifs, start)


def _go_on(guest: FakeGuest, instance: Instance, vifs: list[VIF], start: bool) -> None:
    volumes = [device for device in instance.block_devices if device.volume_id]
    guest.vifs = list(vifs)
    guest.volumes = {str(d.volume_id): d.device_name or "" for d in volumes}
    if not start:
        guest.power_state = states.SHUTDOWN
    elif guest.power_state in ENDED:
        guest.boot()

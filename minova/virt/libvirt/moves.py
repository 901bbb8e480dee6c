"""Guests that change their size: stopped, their disks kept, and defined anew."""

from collections.abc import Callable

from minova.model import states
from minova.model.instance import Flavor, Instance
from minova.virt import sizes
from minova.virt.libvirt import kept_disks, power
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

# A guest that does not react to its power button by then is stopped hard.
_STOP_SECONDS = 60


def leave(
    guest: Guest,
    watch: Watch,
    folder: InstanceFolder,
    instance: Instance,
    migration_id: str,
    flavor: Flavor,
    cancelled: Callable[[], bool],
) -> None:
    """See `Driver.migrate_out`."""
    sizes.check_resize(instance, flavor)
    with watch.expecting(guest.uuid, states.SHUTDOWN):
        power.stop(guest, watch, _STOP_SECONDS, cancelled)
    kept_disks.keep(folder, migration_id, cancelled)


def arrive(
    guest: Guest,
    watch: Watch,
    folder: InstanceFolder,
    instance: Instance,
    xml: Callable[[], str],
    *,
    start: bool,
) -> None:
    """See `Driver.migrate_in`. `xml` describes the guest once its disks are there."""
    if not guest.is_running():
        kept_disks.fit(folder, instance)
    _go_on(guest, watch, xml, start)


def revert(
    guest: Guest,
    watch: Watch,
    folder: InstanceFolder,
    instance: Instance,
    migration_id: str,
    xml: Callable[[], str],
    *,
    start: bool,
) -> None:
    """See `Driver.revert_migration`. `xml` describes the guest once its disks are there."""
    if kept_disks.is_kept(folder, migration_id):
        with watch.expecting(guest.uuid, states.SHUTDOWN):
            guest.kill()
        kept_disks.put_back(folder, migration_id)
        kept_disks.fit(folder, instance)
    _go_on(guest, watch, xml, start)


def _go_on(guest: Guest, watch: Watch, xml: Callable[[], str], start: bool) -> None:
    if guest.is_running():
        return
    if not start:
        guest.redefine(xml())
        return
    with watch.expecting(guest.uuid, states.RUNNING):
        guest.start_new(xml())

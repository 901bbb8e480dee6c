"""Plugging volumes into guests and out of them, running or not."""

import time
from collections.abc import Callable
from xml.etree import ElementTree

from minova.common import errors
from minova.model import device_names
from minova.model.instance import BlockDevice, Instance
from minova.virt.driver import never
from minova.virt.libvirt.domain import disk_plan
from minova.virt.libvirt.domain import disks as disk_xml
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

# A guest that is still booting misses the request, so it is repeated.
_ASK_AGAIN = 10.0
_DEADLINE = 60.0


def attach(guest: Guest, instance: Instance, device: BlockDevice) -> str:
    """Plug it in; the name it has (`/dev/vdb`). Idempotent. See `Driver.attach_volume`."""
    if not device.volume_id:
        raise errors.Invalid(f"Block device {device.id} names no volume.")
    doing = f"attach volume {device.volume_id}"
    config, live = guest.xml(live=False), guest.xml(live=True)
    if config is None:
        raise errors.NotFound(resource="Guest", id=instance.uuid)
    bus = device_names.bus_of(device, device_names.usual_bus(instance.image_properties))
    target = _target_of(config, device.volume_id) or _target_of(live, device.volume_id)
    if target is None:
        taken = {*_targets(config), *_targets(live)}
        target = device_names.choose(device.device_name, taken, bus)
    xml = _xml(device, target, bus)
    wanted = {
        "live": live is not None and _target_of(live, device.volume_id) is None,
        "config": _target_of(config, device.volume_id) is None,
    }
    if any(wanted.values()):
        guest.attach(xml, **wanted, doing=doing)
    return f"/dev/{target}"


def detach(
    guest: Guest,
    watch: Watch,
    instance: Instance,
    device: BlockDevice,
    cancelled: Callable[[], bool] = never,
) -> None:
    """Unplug it and wait until the guest has let go. See `Driver.detach_volume`.

    It leaves the definition last: while a guest holds on to the volume, the
    definition says so too.
    """
    volume = device.volume_id or ""
    doing = f"detach volume {volume}"

    def has_let_go() -> bool:
        return _disk_of(guest.xml(live=True), volume) is None

    end = time.monotonic() + _DEADLINE
    while (disk := _disk_of(guest.xml(live=True), volume)) is not None:
        left = end - time.monotonic()
        if left <= 0:
            raise errors.Conflict(
                f"Server {instance.uuid} does not let go of volume {volume}; unmount it inside "
                "the server, or stop the server, and detach it again."
            )
        guest.detach(disk, live=True, doing=doing)
        watch.wait(guest.uuid, has_let_go, min(_ASK_AGAIN, left), cancelled=cancelled)
    disk = _disk_of(guest.xml(live=False), volume)
    if disk is not None:
        guest.detach(disk, live=False, doing=doing)


def _xml(device: BlockDevice, target: str, bus: str) -> str:
    element = disk_xml.element(disk_plan.volume_disk(device, target, bus))
    return ElementTree.tostring(element, encoding="unicode")


def _targets(xml: str | None) -> dict[str, ElementTree.Element]:
    """Name in the guest -> `<disk>`."""
    if xml is None:
        return {}
    found = {}
    for disk in ElementTree.fromstring(xml).findall("devices/disk"):
        target = disk.find("target")
        if target is not None:
            found[target.get("dev", "")] = disk
    return found


def _target_of(xml: str | None, volume_id: str) -> str | None:
    for name, disk in _targets(xml).items():
        if disk.findtext("serial") == volume_id:
            return name
    return None


def _disk_of(xml: str | None, volume_id: str) -> str | None:
    target = _target_of(xml, volume_id)
    if target is None:
        return None
    return ElementTree.tostring(_targets(xml)[target], encoding="unicode")

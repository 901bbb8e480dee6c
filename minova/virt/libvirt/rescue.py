"""Rescue: a guest boots another image, its own disks beside it.

Plainly, the rescue disk takes the root disk's place and the root disk comes
second; the other disks stay away. Where the rescue image says which device
or bus it wants (see `model.rescue_devices`), every disk keeps its place, and
the rescue disk comes last and is booted.

What the guest was before stands in its folder until it is that again:

    disk.rescue          the rescue disk, an overlay on the cached image
    disk.config.rescue   the config drive it has meanwhile
    before-rescue.xml    the definition to go back to
"""

import string
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from oslo_config import cfg

from minova.common import errors
from minova.model import device_names, rescue_devices
from minova.model.instance import VIF
from minova.model.rescue_devices import Wanted
from minova.virt.driver import GuestFiles
from minova.virt.libvirt import configdrive, disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain import disks as disk_xml
from minova.virt.libvirt.domain import interfaces
from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import Q35, Disk
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.imagecache import Base

DISK, CONFIG, BEFORE = disks.RESCUE, "disk.config.rescue", "before-rescue.xml"
_FLOPPY = ("fda", "fdc")


def enter(
    guest: Guest,
    folder: InstanceFolder,
    defined: Callable[[], str],
    base: Base,
    properties: dict[str, Any],
    vifs: list[VIF],
    config_drive: GuestFiles | None,
) -> None:
    """Boot the guest, which has ended, from an overlay on `base`. Idempotent.

    `defined` makes its definition where libvirt has none; `properties` are
    those of the rescue image.
    """
    before = _before(guest, folder, defined)
    (folder / DISK).unlink(missing_ok=True)
    disks.make_overlay(folder / DISK, base)
    if config_drive is not None:
        configdrive.make(folder / CONFIG, config_drive)
    guest.redefine(definition(before, rescue_devices.wanted(properties), folder, vifs))
    guest.start()


def leave(guest: Guest, folder: InstanceFolder) -> None:
    """Define the guest, which has ended, as it was before its rescue. Idempotent."""
    before = folder / BEFORE
    if before.exists():
        guest.redefine(before.read_text())
        for name in (DISK, CONFIG, BEFORE):
            (folder / name).unlink(missing_ok=True)


def definition(before: str, wanted: Wanted | None, folder: InstanceFolder, vifs: list[VIF]) -> str:
    """The domain `before` with its rescue disk: `wanted`, or (None) in the root's place."""
    domain = ElementTree.fromstring(before)
    parent = devices(domain)
    present = parent.findall("disk")
    if not present:
        raise errors.Unavailable("The guest has no disk, so there is nothing to rescue.")
    root = min(present, key=_boot_order)
    for disk in present:
        _drop(disk, "boot")
        if _file(disk) == str(folder / disks.CONFIG):
            _swap_drive(disk, folder)
        elif wanted is None and disk is not root:
            parent.remove(disk)
    if wanted is None:
        parent.insert(list(parent).index(root), _before_root(domain, root, folder))
    else:
        parent.append(_beside(domain, wanted, folder))
    return interfaces.replaced(domain, vifs) or ElementTree.tostring(domain, encoding="unicode")


def _before(guest: Guest, folder: InstanceFolder, defined: Callable[[], str]) -> str:
    """The definition to go back to, kept in a file that is whole once it is there."""
    kept = folder / BEFORE
    if not kept.exists():
        part = kept.with_name(kept.name + ".part")
        part.touch(mode=0o600)
        part.write_text(guest.xml(live=False) or defined())
        part.rename(kept)
    return kept.read_text()


def _before_root(domain: Element, root: Element, folder: InstanceFolder) -> Element:
    """The rescue disk under the root's name; the root gets the next, on the same bus."""
    target = _target(root)
    name, bus = target.get("dev", ""), target.get("bus", device_names.VIRTIO)
    target.set("dev", _free(domain, name[:2]))
    _drop(root, "address")
    return _element(name, bus, folder)


def _beside(domain: Element, wanted: Wanted, folder: InstanceFolder) -> Element:
    if wanted.device == rescue_devices.FLOPPY:
        floppy = _element(*_FLOPPY, folder)
        floppy.set("device", "floppy")
        return floppy
    machine = domain.find("os/type")
    q35 = machine is not None and Q35 in machine.get("machine", "")
    bus = wanted.bus or disk_xml.CDROM_TARGET[q35][1]
    _have_controller(domain, bus)
    name = _free(domain, device_names.PREFIXES[bus])
    return _element(name, bus, folder, cdrom=wanted.device == rescue_devices.CDROM)


def _element(name: str, bus: str, folder: InstanceFolder, *, cdrom: bool = False) -> Element:
    return disk_xml.element(
        Disk(
            name,
            format="qcow2",
            path=str(folder / DISK),
            cache=cfg.CONF.libvirt.disk_cachemode,
            boot=1,
            bus=bus,
            cdrom=cdrom,
        )
    )


def _have_controller(domain: Element, bus: str) -> None:
    """libvirt's own choice for SCSI is old, and our guests have no USB."""
    parent = devices(domain)
    present = parent.findall(f"controller[@type='{bus}']")
    if bus == "scsi" and not present:
        add(parent, "controller", type=bus, model="virtio-scsi")
    if bus == "usb":
        for controller in present:
            if controller.get("model") == "none":
                controller.set("model", "qemu-xhci")


def _swap_drive(disk: Element, folder: InstanceFolder) -> None:
    """The config drive of the rescue, where there is one."""
    if (folder / CONFIG).exists():
        disk.find("source").set("file", str(folder / CONFIG))  # type: ignore[union-attr]


def _free(domain: Element, prefix: str) -> str:
    """The first name of a bus that no disk has."""
    taken = {_target(disk).get("dev") for disk in devices(domain).findall("disk")}
    for letter in string.ascii_lowercase:
        if f"{prefix}{letter}" not in taken:
            return f"{prefix}{letter}"
    raise errors.Invalid("The server has too many disks for one more; detach a volume.")


def _boot_order(disk: Element) -> int:
    boot = disk.find("boot")
    return 10**6 if boot is None else int(boot.get("order", "0"))


def _file(disk: Element) -> str | None:
    source = disk.find("source")
    return None if source is None else source.get("file")


def _target(disk: Element) -> Element:
    target = disk.find("target")
    return add(disk, "target") if target is None else target


def _drop(disk: Element, tag: str) -> None:
    for child in disk.findall(tag):
        disk.remove(child)

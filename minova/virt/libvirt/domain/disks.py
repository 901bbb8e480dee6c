"""Disks: local files, volumes over NBD, and the config drive as a CD-ROM.

The format is always given, so that QEMU never guesses it from what a guest
has written (CVE-2015-7548, CVE-2016-2140).
"""

import string
from dataclasses import replace
from xml.etree import ElementTree

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import Disk, DomainSpec

# The bus of CD-ROMs: cloud kernels have the IDE driver of `pc`, but none for q35's SATA.
CDROM_TARGET = {False: ("hda", "ide"), True: ("sda", "scsi")}


def build(spec: DomainSpec, domain: Element) -> None:
    taken = {disk.target for disk in spec.disks}
    for disk in spec.disks:
        if not disk.target:
            disk = _in_the_drive(disk, taken, q35=spec.is_q35)
        devices(domain).append(element(disk))


def _in_the_drive(disk: Disk, taken: set[str], *, q35: bool) -> Disk:
    """`disk` as the first CD-ROM that is free on the machine."""
    first, bus = CDROM_TARGET[q35]
    free = (f"{first[:2]}{letter}" for letter in string.ascii_lowercase)
    return replace(disk, target=next(name for name in free if name not in taken), bus=bus)


def element(disk: Disk) -> Element:
    """One `<disk>`, also for plugging it into a running guest."""
    top = ElementTree.Element(
        "disk",
        {"type": "file" if disk.path else "network", "device": "cdrom" if disk.cdrom else "disk"},
    )
    if disk.cdrom:
        add(top, "driver", name="qemu", type=disk.format)
    else:
        add(top, "driver", name="qemu", type=disk.format, cache=disk.cache, discard="unmap")
    _source(top, disk)
    add(top, "target", dev=disk.target, bus=disk.bus)
    if disk.cdrom or disk.readonly:
        add(top, "readonly")
    if disk.serial:
        add(top, "serial", disk.serial)
    if disk.limits:
        tune = add(top, "iotune")
        for name, value in disk.limits.items():
            add(tune, name, value)
    if disk.boot is not None:
        add(top, "boot", order=disk.boot)
    return top


def _source(top: Element, disk: Disk) -> None:
    if disk.path:
        add(top, "source", file=disk.path)
        return
    source = add(top, "source", protocol="nbd", name=disk.export)
    if disk.socket:
        add(source, "host", transport="unix", socket=disk.socket)
    else:
        add(source, "host", name=disk.host, port=disk.port)

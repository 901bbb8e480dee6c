"""The machine and what it boots from: the BIOS, then the disk marked in `disks`."""

from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    system = add(domain, "os")
    add(system, "type", "hvm", arch="x86_64", machine=spec.machine)
    add(system, "smbios", mode="sysinfo")

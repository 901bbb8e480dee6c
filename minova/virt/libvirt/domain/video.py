"""A screen, whose VNC server listens nowhere: libvirt hands connections to it (see `consoles`)."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec

WITH_RAM = ("vga", "vmvga", "qxl", "bochs")
KIB_PER_MIB = 1024


def build(spec: DomainSpec, domain: Element) -> None:
    parent = devices(domain)
    add(add(parent, "graphics", type="vnc"), "listen", type="none")
    kind = spec.hardware.video_model or "virtio"
    ram = spec.hardware.video_ram_mb if kind in WITH_RAM else None
    add(add(parent, "video"), "model", type=kind, vram=ram * KIB_PER_MIB if ram else None)

"""A screen, whose VNC server listens nowhere: libvirt hands connections to it (see `consoles`)."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    parent = devices(domain)
    add(add(parent, "graphics", type="vnc"), "listen", type="none")
    add(add(parent, "video"), "model", type="virtio")

"""A screen, seen over VNC from this host only: whoever shows it to users comes in between."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    parent = devices(domain)
    add(parent, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    add(add(parent, "video"), "model", type="virtio")

"""A watchdog, which does what the flavor or the image says when the guest hangs."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    if spec.hardware.watchdog:
        add(devices(domain), "watchdog", model="i6300esb", action=spec.hardware.watchdog)

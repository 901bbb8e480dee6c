"""A tablet, so that a screen's pointer is where the user's is."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    if spec.hardware.tablet_bus:
        add(devices(domain), "input", type="tablet", bus=spec.hardware.tablet_bus)

"""The balloon: it tells how much memory the guest uses."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec

STATS_PERIOD = 10


def build(spec: DomainSpec, domain: Element) -> None:
    balloon = add(devices(domain), "memballoon", model="virtio")
    add(balloon, "stats", period=STATS_PERIOD)

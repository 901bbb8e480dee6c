"""Entropy from the host, without which a small guest waits for its first ssh key."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    hardware = spec.hardware
    if not hardware.rng:
        return
    rng = add(devices(domain), "rng", model="virtio")
    if hardware.rng_bytes:
        # Milliseconds; a rate without a period is of one second.
        period = hardware.rng_period or 1000
        add(rng, "rate", bytes=hardware.rng_bytes, period=period)
    add(rng, "backend", "/dev/urandom", model="random")

"""Entropy from the host, without which a small guest waits for its first ssh key."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    rng = add(devices(domain), "rng", model="virtio")
    add(rng, "backend", "/dev/urandom", model="random")

"""How much memory the guest has."""

from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    add(domain, "memory", spec.memory_mb, unit="MiB")

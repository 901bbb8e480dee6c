"""What follows when the guest ends: a shutdown and a crash stop it, a reboot restarts it."""

from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    add(domain, "on_poweroff", "destroy")
    add(domain, "on_reboot", "restart")
    add(domain, "on_crash", "destroy")

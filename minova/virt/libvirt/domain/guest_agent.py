"""The channel of the QEMU guest agent, for images that say they have one."""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec

CHANNEL = "org.qemu.guest_agent.0"


def build(spec: DomainSpec, domain: Element) -> None:
    if spec.hardware.guest_agent:
        channel = add(devices(domain), "channel", type="unix")
        add(channel, "target", type="virtio", name=CHANNEL)

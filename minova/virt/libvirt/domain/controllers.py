"""Buses. `pc` has what we need; `q35` gets ports for hot-plug and a SCSI bus for CD-ROMs.

No USB: nothing of ours uses it, and it costs the BIOS time to look.
"""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec

HOT_PLUG_PORTS = 16


def build(spec: DomainSpec, domain: Element) -> None:
    parent = devices(domain)
    add(parent, "controller", type="usb", model="none")
    if not spec.is_q35:
        return
    add(parent, "controller", type="pci", model="pcie-root")
    for _ in range(HOT_PLUG_PORTS):
        add(parent, "controller", type="pci", model="pcie-root-port")
    add(parent, "controller", type="scsi", model="virtio-scsi")

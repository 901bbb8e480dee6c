"""Buses. `pc` has what we need; `q35` gets ports for hot-plug and a SCSI bus for CD-ROMs.

USB only for a guest that asks for a disk or a tablet on it: it costs the
BIOS time to look.
"""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec

HOT_PLUG_PORTS = 16
USB = "qemu-xhci"


def build(spec: DomainSpec, domain: Element) -> None:
    parent = devices(domain)
    usb = "usb" in (*spec.buses, spec.hardware.tablet_bus)
    add(parent, "controller", type="usb", model=USB if usb else "none")
    model = spec.hardware.scsi_model
    if not spec.is_q35:
        if "scsi" in spec.buses:
            add(parent, "controller", type="scsi", model=model)
        return
    add(parent, "controller", type="pci", model="pcie-root")
    for _ in range(HOT_PLUG_PORTS):
        add(parent, "controller", type="pci", model="pcie-root-port")
    add(parent, "controller", type="scsi", model=model)

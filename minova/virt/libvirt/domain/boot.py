"""The machine and what it boots from: BIOS or UEFI, then the disk marked in `disks`.

libvirt finds the UEFI firmware of the host (package ovmf) by its descriptors;
the guest's variables are a file of libvirt's, which goes with the domain.
"""

from minova.model.hardware import UEFI
from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec

BOOT_MENU_MS = 3000


def build(spec: DomainSpec, domain: Element) -> None:
    uefi = spec.hardware.firmware == UEFI
    system = add(domain, "os", firmware="efi" if uefi else None)
    add(system, "type", "hvm", arch="x86_64", machine=spec.machine)
    if uefi:
        # Secure boot would need q35 and SMM, and keys in the guest's variables.
        add(add(system, "firmware"), "feature", enabled="no", name="secure-boot")
    if spec.hardware.boot_menu:
        add(system, "bootmenu", enable="yes", timeout=BOOT_MENU_MS)
    add(system, "smbios", mode="sysinfo")

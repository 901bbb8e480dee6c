"""ACPI and APIC, and under emulation the size of QEMU's translation cache.

QEMU would let that cache grow to 1 GiB, several times the guest itself.
"""

from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    features = add(domain, "features")
    add(features, "acpi")
    add(features, "apic")
    if spec.virt_type == "qemu" and spec.tb_cache_mib:
        add(add(features, "tcg"), "tb-cache", spec.tb_cache_mib, unit="MiB")

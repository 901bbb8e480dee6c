"""What SMBIOS says of the machine. cloud-init knows an OpenStack guest by the product's name."""

from minova.version import VERSION
from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec

MANUFACTURER = "minova"
PRODUCT = "OpenStack Compute"


def build(spec: DomainSpec, domain: Element) -> None:
    system = add(add(domain, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", MANUFACTURER),
        ("product", PRODUCT),
        ("version", VERSION),
        ("serial", spec.uuid),
        ("uuid", spec.uuid),
        ("family", "Virtual Machine"),
    ):
        add(system, "entry", value, name=name)

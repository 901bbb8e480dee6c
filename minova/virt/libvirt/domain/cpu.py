"""How many CPUs the guest has, and which model it sees."""

from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    add(domain, "vcpu", spec.vcpus, placement="static")
    if spec.cpu_mode is not None:
        cpu = add(domain, "cpu", mode=spec.cpu_mode)
        # One socket per vCPU, as the flavor counts them.
        add(cpu, "topology", sockets=spec.vcpus, cores=1, threads=1)

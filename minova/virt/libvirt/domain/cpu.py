"""How many CPUs the guest has, which model it sees, and its share of the host's."""

from minova.model.hardware import Topology
from minova.virt.libvirt.domain.element import Element, add
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    add(domain, "vcpu", spec.vcpus, placement="static")
    tune = spec.hardware.cpu_tune
    if tune:
        limits = add(domain, "cputune")
        for name, value in tune.items():
            add(limits, name, value)
    wanted = spec.hardware.topology
    if spec.cpu_mode is not None or wanted is not None:
        cpu = add(domain, "cpu", mode=spec.cpu_mode)
        # One socket per vCPU, as the flavor counts them, unless it says otherwise.
        shape = wanted or Topology(spec.vcpus, 1, 1)
        add(cpu, "topology", sockets=shape.sockets, cores=shape.cores, threads=shape.threads)

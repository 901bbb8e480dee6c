"""The domain XML of an instance: step 15 of a launch.

`BUILDERS` is the table of contents. Each builder adds its topic to the
`<domain>` element; libvirt's order of sections is the order of the table.
"""

from collections.abc import Callable
from xml.etree import ElementTree

from minova.virt.libvirt.domain import (
    balloon,
    boot,
    clock,
    console,
    controllers,
    cpu,
    disks,
    features,
    guest_agent,
    identity,
    interfaces,
    lifecycle,
    memory,
    pointer,
    rng,
    sysinfo,
    video,
    watchdog,
)
from minova.virt.libvirt.domain.spec import DomainSpec

Element = ElementTree.Element
Builder = Callable[[DomainSpec, Element], None]

BUILDERS: tuple[Builder, ...] = (
    identity.build,
    memory.build,
    cpu.build,
    sysinfo.build,
    boot.build,
    features.build,
    clock.build,
    lifecycle.build,
    controllers.build,
    disks.build,
    interfaces.build,
    console.build,
    guest_agent.build,
    pointer.build,
    video.build,
    watchdog.build,
    balloon.build,
    rng.build,
)


def build(spec: DomainSpec) -> str:
    """The XML that defines `spec`."""
    domain = ElementTree.Element("domain", {"type": spec.virt_type})
    for builder in BUILDERS:
        builder(spec, domain)
    return ElementTree.tostring(domain, encoding="unicode")

"""Network interfaces: a tap on a bridge that stands, with its filter rules, before the tap does."""

from xml.etree import ElementTree

from minova.model.hardware import Hardware
from minova.model.instance import VIF
from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec

_USUAL = Hardware()


def build(spec: DomainSpec, domain: Element) -> None:
    for vif in spec.interfaces:
        devices(domain).append(element(vif, spec.hardware))


def element(vif: VIF, hardware: Hardware = _USUAL) -> Element:
    """One `<interface>`."""
    top = ElementTree.Element("interface", {"type": "bridge"})
    add(top, "mac", address=vif.mac_address)
    add(top, "source", bridge=vif.bridge)
    add(top, "target", dev=vif.tap)
    add(top, "model", type=hardware.vif_model)
    if hardware.vif_queues > 1 and hardware.vif_model == "virtio":
        add(top, "driver", name="vhost", queues=hardware.vif_queues)
    if vif.mtu:
        add(top, "mtu", size=vif.mtu)
    if hardware.bandwidth:
        bandwidth = add(top, "bandwidth")
        for direction, values in hardware.bandwidth.items():
            add(bandwidth, direction, **values)
    return top


def replaced(domain: Element, vifs: list[VIF], hardware: Hardware = _USUAL) -> str | None:
    """The XML of a defined `domain` with its interfaces those of `vifs`; None if they are."""
    parent = devices(domain)
    present = parent.findall("interface")
    if {_wiring(top) for top in present} == {_wiring(element(vif)) for vif in vifs}:
        return None
    for top in present:
        parent.remove(top)
    for vif in vifs:
        parent.append(element(vif, hardware))
    return ElementTree.tostring(domain, encoding="unicode")


def _wiring(top: Element) -> tuple[str | None, ...]:
    """What makes two interfaces the same: MAC, bridge, tap."""
    wanted = (("mac", "address"), ("source", "bridge"), ("target", "dev"))
    found = ((top.find(tag), name) for tag, name in wanted)
    return tuple(None if child is None else child.get(name) for child, name in found)

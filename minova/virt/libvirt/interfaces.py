"""Plugging interfaces into guests and out of them, running or not. A MAC names one."""

import time
from collections.abc import Callable
from xml.etree import ElementTree

from minova.common import errors
from minova.model.hardware import Hardware
from minova.model.instance import VIF, Instance
from minova.virt.driver import never
from minova.virt.libvirt.domain import interfaces as interface_xml
from minova.virt.libvirt.guest import Guest
from minova.virt.libvirt.watch import Watch

# A guest that is still booting misses the request, so it is repeated.
_ASK_AGAIN = 10.0
_DEADLINE = 60.0


def attach(guest: Guest, instance: Instance, vif: VIF, hardware: Hardware) -> None:
    """Plug it in; its bridge and filter are there. Idempotent. See `Driver.attach_interface`."""
    config, live = guest.xml(live=False), guest.xml(live=True)
    if config is None:
        raise errors.NotFound(resource="Guest", id=instance.uuid)
    wanted = {
        "live": live is not None and _of(live, vif) is None,
        "config": _of(config, vif) is None,
    }
    if any(wanted.values()):
        element = interface_xml.element(vif, hardware)
        xml = ElementTree.tostring(element, encoding="unicode")
        guest.attach(xml, **wanted, doing=f"attach interface {vif.port_id}")


def detach(
    guest: Guest,
    watch: Watch,
    instance: Instance,
    vif: VIF,
    cancelled: Callable[[], bool] = never,
) -> None:
    """Unplug it and wait until the guest has let go. See `Driver.detach_interface`."""
    doing = f"detach interface {vif.port_id}"

    def has_let_go() -> bool:
        return _of(guest.xml(live=True), vif) is None

    end = time.monotonic() + _DEADLINE
    while (plugged := _of(guest.xml(live=True), vif)) is not None:
        left = end - time.monotonic()
        if left <= 0:
            raise errors.Conflict(
                f"Server {instance.uuid} does not let go of interface {vif.port_id}; stop the "
                "server, and detach it again."
            )
        guest.detach(plugged, live=True, doing=doing)
        watch.wait(guest.uuid, has_let_go, min(_ASK_AGAIN, left), cancelled=cancelled)
    defined = _of(guest.xml(live=False), vif)
    if defined is not None:
        guest.detach(defined, live=False, doing=doing)


def _of(xml: str | None, vif: VIF) -> str | None:
    """The `<interface>` with the port's MAC."""
    if xml is None:
        return None
    for top in ElementTree.fromstring(xml).findall("devices/interface"):
        mac = top.find("mac")
        if mac is not None and mac.get("address", "").lower() == vif.mac_address.lower():
            return ElementTree.tostring(top, encoding="unicode")
    return None

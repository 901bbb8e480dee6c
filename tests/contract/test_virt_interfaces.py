"""Interfaces that are plugged into guests and out of them, running or not."""

from xml.etree import ElementTree

import pytest

from minova.common import errors
from tests.contract.virt_rig import BRIDGE, Rig
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]


def plugged(rig: Rig, instance, *, defined=False) -> list[str]:
    """The MACs a guest has, or (`defined`) will have at its next start."""
    if rig.is_fake:
        return [vif.mac_address for vif in rig.driver.host.guests[instance.uuid].vifs]
    option = ["--inactive"] if defined else []
    xml = rig.host.run("virsh", "dumpxml", *option, instance.uuid)
    found = ElementTree.fromstring(xml).findall("devices/interface/mac")
    return [mac.get("address") for mac in found]


def taps(rig: Rig) -> str:
    return "" if rig.is_fake else rig.host.run("ip", "-o", "link")


def test_an_interface_is_plugged_into_a_running_guest_and_out_again(rig: Rig) -> None:
    first, second = (nouns.vif_of(BRIDGE, number) for number in (31, 32))
    instance = rig.boot(vifs=[first])
    rig.line_count(instance, 1)
    for _ in range(2):
        rig.driver.attach_interface(instance, second)
        assert plugged(rig, instance) == [first.mac_address, second.mac_address]
    assert rig.is_fake or second.tap in taps(rig)
    assert plugged(rig, instance, defined=True) == [first.mac_address, second.mac_address]
    for _ in range(2):
        rig.driver.detach_interface(instance, second)
        assert plugged(rig, instance) == [first.mac_address]
    assert second.tap not in taps(rig)
    assert plugged(rig, instance, defined=True) == [first.mac_address]


def test_a_stopped_guest_has_the_interface_when_it_starts(rig: Rig) -> None:
    first, second = (nouns.vif_of(BRIDGE, number) for number in (33, 34))
    instance = rig.boot(vifs=[first])
    rig.driver.power_off(instance, timeout=0)
    rig.driver.attach_interface(instance, second)
    assert second.tap not in taps(rig)
    rig.driver.power_on(instance, [first, second])
    assert plugged(rig, instance) == [first.mac_address, second.mac_address]
    rig.driver.power_off(instance, timeout=0)
    rig.driver.detach_interface(instance, first)
    rig.driver.power_on(instance, [second])
    assert plugged(rig, instance) == [second.mac_address]


def test_a_guest_that_is_not_there_gets_no_interface(rig: Rig) -> None:
    absent = nouns.instance_of()
    with pytest.raises(errors.NotFound):
        rig.driver.attach_interface(absent, nouns.vif_of(BRIDGE, 35))
    rig.driver.detach_interface(absent, nouns.vif_of(BRIDGE, 35))

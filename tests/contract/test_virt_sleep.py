"""Pausing and suspending, as every virt driver promises it."""

import pytest

from minova.common import errors
from minova.model import states
from tests.contract.virt_rig import WAIT, Rig
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]


def test_a_paused_server_stands_still_and_goes_on(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    for _ in range(2):
        rig.driver.pause(instance)
        assert rig.driver.power_state(instance) == states.POWER_PAUSED
    assert rig.driver.instances() == {instance.uuid: states.POWER_PAUSED}
    for _ in range(2):
        rig.driver.unpause(instance)
        assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.line_count(instance, 1) == 1


def test_a_suspended_server_goes_on_where_it_was(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    for _ in range(2):
        rig.driver.suspend(instance)
        assert rig.driver.power_state(instance) == states.POWER_SUSPENDED
    assert rig.driver.instances() == {instance.uuid: states.POWER_SUSPENDED}
    for _ in range(2):
        rig.driver.resume(instance)
        assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.line_count(instance, 1) == 1
    rig.driver.power_off(instance)
    assert rig.driver.power_state(instance) == states.SHUTDOWN


def test_a_suspended_server_outlives_the_services_of_its_host(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.driver.suspend(instance)
    if not rig.is_fake:
        rig.host.kill_libvirtd()
        rig.host.start_libvirtd()
    rig = rig.restarted()
    assert rig.driver.instances() == {instance.uuid: states.POWER_SUSPENDED}
    rig.driver.resume(instance)
    assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.line_count(instance, 1) == 1


def test_a_suspend_is_broken_off_when_the_server_is_to_be_deleted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not rig.is_fake:
        monkeypatch.setattr("minova.virt.libvirt.guest._ASK_SECONDS", 0.005)
    instance = rig.boot()
    rig.line_count(instance, 1)
    with pytest.raises(errors.Unavailable):
        rig.driver.suspend(instance, lambda: True)
    assert rig.driver.power_state(instance) == states.RUNNING
    rig.driver.destroy(instance)


@pytest.mark.parametrize("way", ["pause", "suspend"])
def test_a_hard_reboot_wakes_a_server_from_the_start(rig: Rig, way: str) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    getattr(rig.driver, way)(instance)
    rig.driver.reboot(instance, [], hard=True)
    assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.line_count(instance, 2) == 2


@pytest.mark.parametrize("way", ["pause", "suspend"])
def test_a_sleeping_server_is_stopped_and_destroyed(rig: Rig, way: str) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    getattr(rig.driver, way)(instance)
    rig.driver.power_off(instance)
    assert rig.driver.power_state(instance) == states.SHUTDOWN
    rig.driver.power_on(instance, [])
    assert rig.line_count(instance, 2) == 2
    getattr(rig.driver, way)(instance)
    rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == [] and rig.driver.instances() == {}


@pytest.mark.parametrize("way", ["pause", "unpause", "suspend"])
def test_a_stopped_server_does_not_sleep(rig: Rig, way: str) -> None:
    instance = rig.boot()
    rig.driver.power_off(instance, timeout=0)
    with pytest.raises(errors.Conflict) as refusal:
        getattr(rig.driver, way)(instance)
    assert instance.uuid in refusal.value.message
    assert rig.driver.power_state(instance) == states.SHUTDOWN


@pytest.mark.parametrize("way", ["pause", "unpause", "suspend", "resume"])
def test_a_server_that_is_not_here_does_not_sleep(rig: Rig, way: str) -> None:
    with pytest.raises((errors.NotFound, errors.Conflict)):
        getattr(rig.driver, way)(nouns.instance_of())


def test_our_own_pauses_are_no_events(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    for way in ("pause", "unpause", "suspend", "resume"):
        getattr(rig.driver, way)(instance)
    rig.guest_stops(instance)
    event = rig.events.get(timeout=WAIT)
    assert (event.uuid, event.power_state) == (instance.uuid, states.SHUTDOWN)
    assert rig.events.empty()

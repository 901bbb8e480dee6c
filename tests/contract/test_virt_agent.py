"""What is asked of a guest itself: its password, a crash dump, what it has used."""

import pytest

from minova.common import errors
from minova.model import states
from minova.model.instance import Instance
from tests.contract.virt_rig import BRIDGE, Rig, volume
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]


def test_a_guest_without_an_agent_keeps_its_password(rig: Rig) -> None:
    instance = rig.boot()
    with pytest.raises(errors.Conflict, match="QEMU guest agent is not enabled"):
        rig.driver.set_password(instance, "secret")


def _boot(rig: Rig, **properties: str) -> Instance:
    """A server whose image says `properties`; its guest has no agent."""
    image = rig.image()
    instance = nouns.instance_of(image, image_properties=properties)
    rig.driver.make_disks(instance, image)
    rig.driver.spawn(instance, None, [], [], None)
    rig.line_count(instance, 1)
    return instance


def test_a_silent_agent_is_told_from_none(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    if not rig.is_fake:
        monkeypatch.setattr("minova.virt.libvirt.agent._BOOT_WAIT", 0.5)
    instance = _boot(rig, hw_qemu_guest_agent="yes")
    if rig.is_fake:  # whose agents always answer
        rig.driver.set_password(instance, "secret")
        assert b"secret" not in rig.driver.console_output(instance)
    else:
        with pytest.raises(errors.NotSupported, match="qemu-guest-agent runs"):
            rig.driver.set_password(instance, "secret")
    rig.driver.power_off(instance, timeout=0)
    with pytest.raises(errors.Conflict, match="does not run"):
        rig.driver.set_password(instance, "secret")


def test_nobody_waits_for_the_agent_of_a_server_that_is_taken_over(rig: Rig) -> None:
    instance = _boot(rig, hw_qemu_guest_agent="yes")
    if rig.is_fake:
        return  # its agents are there at once
    with pytest.raises(errors.Conflict, match="taken over"):
        rig.driver.set_password(instance, "secret", lambda: True)


def _copies(rig: Rig, instance: Instance) -> bool:
    with rig.driver.snapshot(instance, lambda: False) as disk:
        return disk.size > 0


def test_a_snapshot_does_without_an_agent_unless_the_image_says_no(rig: Rig) -> None:
    plain = _boot(rig, os_require_quiesce="yes")
    silent = _boot(rig, os_require_quiesce="yes", hw_qemu_guest_agent="yes")
    for instance, reason in ((plain, "not enabled"), (silent, "does not answer")):
        if rig.is_fake and instance is silent:
            assert _copies(rig, instance)
        else:
            with pytest.raises(errors.Conflict, match=f"os_require_quiesce.*{reason}"):
                _copies(rig, instance)
        rig.driver.pause(instance)
        with pytest.raises(errors.Conflict, match="os_require_quiesce"):
            _copies(rig, instance)
        rig.driver.unpause(instance)
        rig.driver.power_off(instance, timeout=0)
        assert _copies(rig, instance), "what has ended needs nobody to freeze it"
    assert _copies(rig, _boot(rig, hw_qemu_guest_agent="yes"))


def test_a_guest_with_a_silent_agent_sleeps_and_wakes(rig: Rig) -> None:
    instance = _boot(rig, hw_qemu_guest_agent="yes")
    for down, up in (("pause", "unpause"), ("suspend", "resume")):
        getattr(rig.driver, down)(instance)
        getattr(rig.driver, up)(instance)
        assert rig.driver.power_state(instance) == states.RUNNING


def test_a_crash_dump_is_asked_of_a_running_guest(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.driver.trigger_crash_dump(instance)
    assert rig.driver.power_state(instance) == states.RUNNING
    rig.driver.power_off(instance, timeout=0)
    with pytest.raises(errors.Conflict):
        rig.driver.trigger_crash_dump(instance)


def test_a_running_guest_has_diagnostics(rig: Rig) -> None:
    vif = nouns.vif_of(BRIDGE)
    image = rig.image()
    with volume(rig) as device:
        instance = nouns.instance_of(image, vifs=[vif], block_devices=[device])
        rig.driver.make_disks(instance, image)
        rig.driver.spawn(instance, image, [vif], [device], None)
        rig.line_count(instance, 1)
        found = rig.driver.diagnostics(instance)
        assert found.power_state == states.RUNNING
        assert found.memory_maximum == 64 and found.memory_used > 0
        (time,) = found.cpu_times
        assert time > 0
        (nic,) = found.nics
        assert (nic.name, nic.mac_address) == (vif.tap, vif.mac_address)
        assert [disk.name for disk in found.disks] == ["vda", "vdb"]
        assert found.disks[0].read_bytes >= 512 and found.disks[0].read_requests >= 1
        assert not found.config_drive
        rig.driver.destroy(instance)


def test_a_guest_that_does_not_run_has_no_diagnostics(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.power_off(instance, timeout=0)
    found = rig.driver.diagnostics(instance)
    assert (found.power_state, found.disks) == (states.SHUTDOWN, [])
    assert rig.driver.diagnostics(nouns.instance_of()).power_state == states.NOSTATE

"""Guests with other hardware than the usual one: it has to be what libvirt really starts."""

from dataclasses import replace
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from minova.model import states
from minova.model.instance import BlockDevice
from tests.contract.virt_rig import BRIDGE, Rig, volume
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]

OLD = {
    "hw_disk_bus": "ide",
    "hw_vif_model": "e1000",
    "hw_video_model": "vga",
    "hw_video_ram": "16",
    "hw_watchdog_action": "poweroff",
    "hw_boot_menu": "no",
}
SCSI = {
    "hw_disk_bus": "scsi",
    "hw_scsi_model": "virtio-scsi",
    "hw_pointer_model": "usbtablet",
    "hw_qemu_guest_agent": "yes",
    "hw_video_model": "none",
    "hw_cpu_cores": "2",
    "os_type": "windows",
}
SATA_Q35 = {"hw_machine_type": "q35", "hw_disk_bus": "sata", "hw_input_bus": "virtio"}
SPECS = {
    "hw_rng:rate_bytes": "4096",
    "hw_video:ram_max_mb": "32",
    "quota:disk_total_iops_sec": "5000",
}


@pytest.mark.parametrize("properties", [OLD, SCSI, SATA_Q35], ids=["old", "scsi", "sata-q35"])
def test_a_server_boots_on_the_hardware_its_image_asks_for(
    rig: Rig, properties: dict[str, str]
) -> None:
    flavor = replace(nouns.NANO, vcpus=2, extra_specs=SPECS)
    instance = _boot(rig, flavor=flavor, image_properties=properties)
    assert rig.line_count(instance, 1) == 1


def test_a_uefi_guest_leaves_no_variables_behind(rig: Rig) -> None:
    instance = _boot(rig, image_properties={"hw_firmware_type": "uefi"})
    assert rig.driver.power_state(instance) == states.RUNNING
    if not rig.is_fake:
        domain = ElementTree.fromstring(rig.host.run("virsh", "dumpxml", instance.domain_name))
        variables = domain.findtext("os/nvram")
        assert variables and rig.host.run("ls", variables)
    rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == []
    if not rig.is_fake:
        assert "gone" in rig.host.run("sh", "-c", f"ls {variables} || echo gone")


def test_blank_disks_of_the_launch_are_there_under_their_names(rig: Rig) -> None:
    devices = [
        _blank(volume_size_gb=1),
        _blank(volume_size_gb=2, guest_format="ext2"),
        _blank(volume_size_gb=16, guest_format="swap"),
    ]
    flavor = replace(nouns.NANO, ephemeral_gb=3, swap_mb=64)
    instance = _boot(rig, flavor=flavor, block_devices=devices)
    assert rig.line_count(instance, 1) == 1
    with volume(rig) as device:
        assert rig.driver.attach_volume(instance, device) == "/dev/vde"
    if not rig.is_fake:
        sizes = {
            path.name: path.stat().st_size
            for path in (rig.folder / "instances" / instance.uuid).glob("disk.*")
        }
        assert sizes == {
            "disk.eph0": 1024**3,
            "disk.eph1": 2 * 1024**3,
            "disk.swap": 16 * 1024**2,
        }


def test_a_volume_goes_onto_the_bus_of_its_server(rig: Rig) -> None:
    instance = _boot(rig, image_properties=SCSI)
    with volume(rig) as device:
        assert rig.driver.attach_volume(instance, device) == "/dev/sdb"
        rig.driver.power_off(instance, timeout=0)
        rig.driver.detach_volume(instance, device)


def _boot(rig: Rig, **values: object):
    image = rig.image()
    properties = values.pop("image_properties", {})
    image = replace(image, properties=properties)
    instance = nouns.instance_of(image, image_properties=properties, **values)
    rig.driver.make_disks(instance, image)
    rig.driver.spawn(instance, image, [nouns.vif_of(BRIDGE)], instance.block_devices, None)
    return instance


def _blank(**values: object) -> BlockDevice:
    return BlockDevice(id=str(uuid4()), source_type="blank", destination_type="local", **values)


def test_a_paused_server_takes_a_volume_and_has_it_after_a_restart(rig: Rig) -> None:
    instance = _boot(rig)
    rig.driver.pause(instance)
    with volume(rig) as device:
        assert rig.driver.attach_volume(instance, device) == "/dev/vdb"
        assert rig.driver.power_state(instance) == states.POWER_PAUSED
        rig.driver.power_off(instance, timeout=0)
        rig.driver.power_on(instance, [nouns.vif_of(BRIDGE)])
        assert rig.driver.attach_volume(instance, device) == "/dev/vdb"
        rig.driver.destroy(instance)

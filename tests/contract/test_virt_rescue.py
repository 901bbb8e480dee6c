"""Rescuing a server, as every virt driver promises it."""

import time
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from minova.common import errors
from minova.model import states
from minova.model.instance import ImageMeta, Instance
from minova.virt.driver import GuestFiles
from tests.contract.virt_rig import BRIDGE, WAIT, Rig, volume
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]


def rescue_image(rig: Rig, **properties: str) -> ImageMeta:
    source = nouns.Source(sector_guest.image("RESCUE"))
    rig.driver.cache_image(source)
    return replace(source.meta, properties=properties)


def said(rig: Rig, instance: Instance, word: str) -> int:
    return rig.driver.console_output(instance).count(word.encode())


def wait_for(rig: Rig, instance: Instance, rescues: int) -> None:
    word = "rescue system is up" if rig.is_fake else "RESCUE"
    end = time.monotonic() + WAIT
    while said(rig, instance, word) < rescues:
        assert time.monotonic() < end, "the rescue system does not boot"
        time.sleep(0.02)


def disks(rig: Rig, instance: Instance) -> list[tuple[str, str, str, str]]:
    """(device, name, file, boot order) of each disk of the libvirt domain."""
    xml = ElementTree.fromstring(rig.host.run("virsh", "dumpxml", instance.domain_name))
    found = []
    for disk in xml.findall("devices/disk"):
        source, boot = disk.find("source"), disk.find("boot")
        where = source.get("file") or source.get("name")
        order = "" if boot is None else boot.get("order")
        name = disk.find("target").get("dev")
        found.append((disk.get("device"), name, where.rpartition("/")[2], order))
    return found


def test_a_rescued_server_boots_another_image_and_then_its_own_again(rig: Rig) -> None:
    instance = rig.boot(vifs=[nouns.vif_of(BRIDGE)])
    rig.line_count(instance, 1)
    for attempt in (1, 2):  # the second as after a crash
        rig.driver.rescue(instance, rescue_image(rig), [nouns.vif_of(BRIDGE)], None)
        assert rig.driver.power_state(instance) == states.RUNNING
        wait_for(rig, instance, attempt)
    if not rig.is_fake:
        assert disks(rig, instance) == [
            ("disk", "vda", "disk.rescue", "1"),
            ("disk", "vdb", "disk", ""),
        ]
    for boots in (2, 3):
        rig.driver.unrescue(instance, [nouns.vif_of(BRIDGE)])
        assert rig.driver.power_state(instance) == states.RUNNING
        assert rig.line_count(instance, boots) == boots
    if not rig.is_fake:
        assert disks(rig, instance) == [("disk", "vda", "disk", "1")]
        left = {path.name for path in (rig.folder / "instances" / instance.uuid).iterdir()}
        assert left == {"disk", "console.log"}


def test_a_rescue_has_a_config_drive_of_its_own(rig: Rig) -> None:
    image = rig.image()
    instance = nouns.instance_of(image)
    rig.driver.make_disks(instance, image)
    drive = GuestFiles({"openstack/latest/meta_data.json": b"{}"})
    rig.driver.spawn(instance, image, [], [], drive)
    rig.driver.rescue(instance, rescue_image(rig), [], drive)
    if not rig.is_fake:
        config = [disk for disk in disks(rig, instance) if disk[0] == "cdrom"]
        assert config == [("cdrom", "hda", "disk.config.rescue", "")]
    rig.driver.unrescue(instance, [])
    if not rig.is_fake:
        assert [d[2] for d in disks(rig, instance)] == ["disk", "disk.config"]


@pytest.mark.parametrize(
    ("properties", "rescue_disk"),
    [
        ({"hw_rescue_bus": "scsi"}, ("disk", "sda", "disk.rescue", "1")),
        ({"hw_rescue_device": "cdrom"}, ("cdrom", "hda", "disk.rescue", "1")),
    ],
)
def test_a_stable_rescue_leaves_every_disk_in_its_place(rig: Rig, properties, rescue_disk) -> None:
    image = rig.image()
    with volume(rig) as device:
        instance = nouns.instance_of(image, block_devices=[device])
        rig.driver.make_disks(instance, image)
        rig.driver.spawn(instance, image, [], [device], None)
        rig.driver.rescue(instance, rescue_image(rig, **properties), [], None)
        assert rig.driver.power_state(instance) == states.RUNNING
        if not rig.is_fake:
            assert disks(rig, instance) == [
                ("disk", "vda", "disk", ""),
                ("disk", "vdb", f"volume-{device.volume_id}", ""),
                rescue_disk,
            ]
        rig.driver.unrescue(instance, [])
        if not rig.is_fake:
            assert len(disks(rig, instance)) == 2
        rig.driver.destroy(instance)


def test_a_rescue_device_there_is_not_is_refused(rig: Rig) -> None:
    instance = rig.boot()
    for properties in ({"hw_rescue_device": "tape"}, {"hw_rescue_bus": "xen"}):
        with pytest.raises(errors.Invalid):
            rig.driver.rescue(instance, rescue_image(rig, **properties), [], None)


def test_a_rescued_server_stays_rescued_when_its_host_starts_it(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.rescue(instance, rescue_image(rig), [], None)
    wait_for(rig, instance, 1)
    rig.driver.power_off(instance, timeout=0)
    rig.driver.power_on(replace(instance, vm_state=states.RESCUED), [])
    wait_for(rig, instance, 2)


def test_a_hard_reboot_gets_a_server_out_of_a_rescue_that_failed(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.driver.rescue(instance, rescue_image(rig), [], None)
    rig.driver.reboot(replace(instance, vm_state=states.ERROR), [], hard=True)
    assert rig.line_count(instance, 2) == 2
    if not rig.is_fake:
        assert disks(rig, instance) == [("disk", "vda", "disk", "1")]


def test_a_rescued_server_is_destroyed_whole(rig: Rig) -> None:
    instance = rig.boot()
    image = rescue_image(rig)
    rig.driver.rescue(instance, image, [], None)
    rig.driver.image_cache_sweep([], 0)
    if not rig.is_fake:  # the disks stand on them
        assert len(list((rig.folder / "instances" / "_base").glob("*.raw"))) == 2
    rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == [] and rig.driver.instances() == {}


def test_what_is_not_here_is_not_rescued(rig: Rig) -> None:
    with pytest.raises(errors.NotFound):
        rig.driver.rescue(nouns.instance_of(), rescue_image(rig), [], None)

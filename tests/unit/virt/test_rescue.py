"""The domain of a rescued guest: which disk comes where, without a guest."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from minova import conf
from minova.common import errors
from minova.model import rescue_devices
from minova.model.rescue_devices import Wanted
from minova.virt.libvirt import rescue
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain.element import add, devices

UUID = "8e7c1b3a-0f55-4d2c-9a55-3f6a2c1d0b9e"


@pytest.fixture(autouse=True)
def configured() -> None:
    conf.register()


def domain(folder: InstanceFolder, root: str, bus: str, machine: str = "pc-i440fx-7.2") -> str:
    """A domain with a root disk, a volume before it in the XML, and a config drive."""
    top = ElementTree.Element("domain")
    add(add(top, "os"), "type", "hvm", machine=machine)
    parent = devices(top)
    add(parent, "controller", type="usb", model="none")
    for device, name, its_bus, file, order in (
        ("disk", f"{root[:2]}c", bus, "volume", None),
        ("disk", root, bus, "disk", "1"),
        ("cdrom", "hdd", "ide", "disk.config", None),
    ):
        disk = add(parent, "disk", type="file", device=device)
        add(disk, "source", file=str(folder / file))
        add(disk, "target", dev=name, bus=its_bus)
        add(disk, "address", type="drive", unit=0)
        if order:
            add(disk, "boot", order=order)
    return ElementTree.tostring(top, encoding="unicode")


def disks(xml: str) -> list[tuple[str | None, ...]]:
    """(device, name, bus, file, whether it is booted) of each disk."""
    found = []
    for disk in ElementTree.fromstring(xml).findall("devices/disk"):
        target, file = disk.find("target"), disk.find("source").get("file")
        boots = disk.find("boot") is not None
        found.append((disk.get("device"), target.get("dev"), target.get("bus"), file, boots))
    return [(*disk[:3], disk[3].rpartition("/")[2], disk[4]) for disk in found]


@pytest.mark.parametrize(("root", "bus"), [("vda", "virtio"), ("hda", "ide"), ("sda", "scsi")])
def test_a_plain_rescue_takes_the_roots_place(tmp_path: Path, root: str, bus: str) -> None:
    folder = InstanceFolder(tmp_path, UUID)
    xml = rescue.definition(domain(folder, root, bus), None, folder, [])
    assert disks(xml) == [
        ("disk", root, bus, "disk.rescue", True),
        ("disk", f"{root[:2]}b", bus, "disk", False),
        ("cdrom", "hdd", "ide", "disk.config", False),
    ]
    moved = ElementTree.fromstring(xml).findall("devices/disk")[1]
    assert moved.find("address") is None


@pytest.mark.parametrize(
    ("properties", "machine", "expected"),
    [
        ({"hw_rescue_device": "disk"}, "pc", ("disk", "vdb", "virtio")),
        ({"hw_rescue_bus": "usb"}, "pc", ("disk", "sda", "usb")),
        ({"hw_rescue_device": "cdrom"}, "pc", ("cdrom", "hda", "ide")),
        ({"hw_rescue_device": "cdrom"}, "pc-q35-7.2", ("cdrom", "sda", "scsi")),
        ({"hw_rescue_device": "floppy"}, "pc", ("floppy", "fda", "fdc")),
    ],
)
def test_a_stable_rescue_comes_last(tmp_path: Path, properties, machine, expected) -> None:
    folder = InstanceFolder(tmp_path, UUID)
    wanted = rescue_devices.wanted(properties)
    xml = rescue.definition(domain(folder, "vda", "virtio", machine), wanted, folder, [])
    *others, last = disks(xml)
    assert [disk[3] for disk in others] == ["volume", "disk", "disk.config"]
    assert not any(disk[4] for disk in others)
    assert last == (*expected, "disk.rescue", True)
    models = {
        c.get("type"): c.get("model")
        for c in ElementTree.fromstring(xml).findall("devices/controller")
    }
    assert models["usb"] == ("qemu-xhci" if expected[2] == "usb" else "none")
    assert models.get("scsi") == ("virtio-scsi" if expected[2] == "scsi" else None)


def test_the_rescue_has_its_own_config_drive_when_there_is_one(tmp_path: Path) -> None:
    folder = InstanceFolder(tmp_path, UUID)
    folder.make()
    (folder / rescue.CONFIG).touch()
    xml = rescue.definition(domain(folder, "vda", "virtio"), None, folder, [])
    assert disks(xml)[2][3] == "disk.config.rescue"


def test_images_ask_for_a_device_or_for_nothing() -> None:
    assert rescue_devices.wanted({}) is None
    assert rescue_devices.wanted({"hw_rescue_device": ""}) is None
    assert rescue_devices.wanted({"hw_rescue_bus": "ide"}) == Wanted("disk", "ide")
    for properties in (
        {"hw_rescue_device": "tape"},
        {"hw_rescue_bus": "xen"},
        {"hw_rescue_device": "cdrom", "hw_rescue_bus": "virtio"},
        {"hw_rescue_device": "floppy", "hw_rescue_bus": "ide"},
    ):
        with pytest.raises(errors.Invalid, match="rescue image"):
            rescue_devices.wanted(properties)

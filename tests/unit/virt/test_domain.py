"""Domain XML against golden files: a change of any is to be seen, and meant.

MINOVA_REGENERATE=1 pytest tests/unit/virt/test_domain.py    # then read the diff
"""

import datetime as dt
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from oslo_config import cfg

from minova import conf, version
from minova.common import errors
from minova.model.instance import BlockDevice, Flavor, ImageMeta, Instance
from minova.virt.libvirt import disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain import builder, interfaces, plan, sysinfo
from minova.virt.libvirt.domain.spec import Disk, DomainSpec
from tests.unit.virt import nouns

GOLDEN = Path(__file__).parents[2] / "data" / "domain"
UUID = "8e7c1b3a-0f55-4d2c-9a55-3f6a2c1d0b9e"
VOLUME = "5f3d8c1e-7a40-4a57-9b0d-0d4f0c3e2a11"
IMAGE = replace(nouns.image_of(b""), id="c3b5a0d2-64a1-4ab5-8c6e-2f3b1d0e9f77")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    conf.register()

    def configure(**libvirt: object) -> None:
        for name, value in libvirt.items():
            cfg.CONF.set_override(name, value, "libvirt")

    monkeypatch.setattr(sysinfo, "VERSION", "1.2.3")
    assert version.VERSION
    configure(virt_type="qemu")
    yield configure
    for name in ("virt_type", "cpu_mode", "machine_type", "disk_cachemode"):
        cfg.CONF.clear_override(name, "libvirt")


def server(**changed: object) -> Instance:
    fixed = {
        "uuid": UUID,
        "id": 42,
        "name": "web <1> & co \x07",
        "created_at": dt.datetime(2026, 11, 21, 8, 30, tzinfo=dt.UTC),
        "image_id": IMAGE.id,
    }
    return nouns.instance_of(**{**fixed, **changed})


def volume(**changed: object) -> BlockDevice:
    return nouns.volume_of("/run/minova/volumes/v.sock", volume_id=VOLUME, **changed)


TUNED = {
    "hw:cpu_cores": "2",
    "hw:watchdog_action": "reset",
    "hw_rng:rate_bytes": "1024",
    "hw_rng:rate_period": "2000",
    "hw_video:ram_max_mb": "64",
    "quota:cpu_shares": "2048",
    "quota:cpu_period": "20000",
    "quota:cpu_quota": "10000",
    "quota:disk_read_bytes_sec": "1048576",
    "quota:disk_write_iops_sec": "100",
    "quota:vif_inbound_average": "1024",
    "quota:vif_inbound_peak": "2048",
    "quota:vif_outbound_average": "512",
}


def spec_of(
    instance: Instance,
    image: ImageMeta | None = IMAGE,
    block_devices: tuple[BlockDevice, ...] = (),
    interfaces: int = 1,
    config_drive: bool = False,
) -> DomainSpec:
    """The plan for files in a folder that a golden file can name."""
    folder = InstanceFolder(Path("/var/lib/minova/instances"), instance.uuid)
    vifs = [nouns.vif_of("br-9d83c053-b0", number) for number in range(1, interfaces + 1)]
    spec = plan.plan(instance, image, vifs, block_devices, folder)
    if config_drive:
        path = str(folder / disks.CONFIG)
        spec = replace(spec, disks=[*spec.disks, Disk("", path=path, cdrom=True)])
    return spec


def with_properties(**properties: str) -> ImageMeta:
    return replace(IMAGE, properties=properties)


CASES: dict[str, tuple[dict[str, object], Callable[[], DomainSpec]]] = {
    "plain-qemu": ({}, lambda: spec_of(server())),
    "plain-kvm": ({"virt_type": "kvm"}, lambda: spec_of(server())),
    "kvm-host-model-unsafe": (
        {"virt_type": "kvm", "cpu_mode": "host-model", "disk_cachemode": "unsafe"},
        lambda: spec_of(server(flavor=replace(nouns.NANO, vcpus=4, memory_mb=2048))),
    ),
    "no-network": ({}, lambda: spec_of(server(), interfaces=0)),
    "config-drive-two-networks": (
        {},
        lambda: spec_of(server(), interfaces=2, config_drive=True),
    ),
    "q35-config-drive": (
        {},
        lambda: spec_of(server(), with_properties(hw_machine_type="q35"), config_drive=True),
    ),
    "guest-agent": (
        {},
        lambda: spec_of(server(), with_properties(hw_qemu_guest_agent="yes")),
    ),
    "ephemeral-swap-volume": (
        {},
        lambda: spec_of(
            server(flavor=Flavor("9", "m1.disks", 1, 128, 10, ephemeral_gb=5, swap_mb=512)),
            block_devices=(volume(),),
        ),
    ),
    "boot-from-volume": (
        {},
        lambda: spec_of(server(image_id=None), None, (volume(boot_index=0),)),
    ),
    "every-hardware-setting": (
        {},
        lambda: spec_of(
            server(flavor=replace(nouns.NANO, vcpus=4, extra_specs=TUNED)),
            with_properties(
                hw_boot_menu="yes",
                hw_disk_bus="scsi",
                hw_scsi_model="lsilogic",
                hw_pointer_model="usbtablet",
                hw_qemu_guest_agent="yes",
                hw_vif_multiqueue_enabled="true",
                hw_video_model="vga",
                hw_video_ram="32",
                os_type="windows",
            ),
            block_devices=(volume(),),
            config_drive=True,
        ),
    ),
    "uefi-old-devices": (
        {},
        lambda: spec_of(
            server(flavor=replace(nouns.NANO, extra_specs={"hw_rng:allowed": "False"})),
            with_properties(
                hw_firmware_type="uefi",
                hw_disk_bus="ide",
                hw_vif_model="e1000",
                hw_video_model="none",
                hw_watchdog_action="pause",
                hw_input_bus="virtio",
            ),
            config_drive=True,
        ),
    ),
    "cdrom-and-usb-volumes": (
        {},
        lambda: spec_of(
            server(),
            block_devices=(
                volume(device_type="cdrom", boot_index=1),
                nouns.volume_of("/run/w.sock", volume_id=IMAGE.id, disk_bus="usb"),
            ),
        ),
    ),
    "read-only-volume-over-tcp": (
        {},
        lambda: spec_of(
            server(),
            block_devices=(
                volume(
                    device_name="/dev/vdf",
                    connection_info={
                        "driver_volume_type": "nbd",
                        "export": "v",
                        "host": "10.0.0.9",
                        "port": 10809,
                        "access_mode": "ro",
                    },
                ),
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_domain_is_what_the_golden_file_says(
    name: str, configured: Callable[..., None]
) -> None:
    options, make = CASES[name]
    configured(**options)
    element = ElementTree.fromstring(builder.build(make()))
    ElementTree.indent(element)
    xml = ElementTree.tostring(element, encoding="unicode") + "\n"
    file = GOLDEN / f"{name}.xml"
    if os.environ.get("MINOVA_REGENERATE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(xml)
    assert xml == file.read_text()


def test_every_golden_file_has_its_case() -> None:
    assert {file.stem for file in GOLDEN.glob("*.xml")} == set(CASES)


def test_every_builder_shows_in_a_golden_file(configured: Callable[..., None]) -> None:
    full = {name: make() for name, (_, make) in CASES.items()}
    for build in builder.BUILDERS:
        elements = [ElementTree.Element("domain") for _ in full]
        for spec, element in zip(full.values(), elements, strict=True):
            build(spec, element)
        assert any(len(element) for element in elements), build.__module__


def test_a_volume_without_connection_cannot_be_planned(configured: Callable[..., None]) -> None:
    with pytest.raises(errors.NotSupported):
        spec_of(server(), block_devices=(volume(connection_info=None),))


def test_interfaces_that_did_not_change_keep_the_definition(
    configured: Callable[..., None],
) -> None:
    domain = ElementTree.fromstring(builder.build(spec_of(server())))
    same = nouns.vif_of("br-9d83c053-b0", 1)
    assert interfaces.replaced(domain, [same]) is None
    moved = interfaces.replaced(domain, [replace(same, bridge="br-other")])
    assert moved is not None and "br-other" in moved and "br-9d83c053-b0" not in moved

"""What image properties and extra specs make of a guest, and what is refused before the launch."""

from dataclasses import replace

import pytest

from minova.common import errors
from minova.model import hardware
from minova.model.hardware import Topology
from tests.unit.virt import nouns


def flavor(vcpus: int = 1, **specs: str):
    named = {key.replace("__", ":"): value for key, value in specs.items()}
    return replace(nouns.NANO, vcpus=vcpus, extra_specs=named)


@pytest.mark.parametrize(
    ("specs", "properties", "word"),
    [
        ({"hw__cpu_policy": "dedicated"}, {}, "hw:cpu_policy=dedicated"),
        ({"hw__numa_nodes": "2"}, {}, "hw:numa_nodes=2"),
        ({"hw__numa_cpus.0": "0"}, {}, "NUMA"),
        ({"hw__mem_page_size": "large"}, {}, "hw:mem_page_size=large"),
        ({"os__secure_boot": "required"}, {}, "os:secure_boot"),
        ({}, {"hw_cpu_policy": "dedicated"}, "hw_cpu_policy"),
        ({}, {"hw_numa_nodes": "1"}, "hw_numa_nodes"),
        ({}, {"hw_disk_bus": "xen"}, "virtio, scsi"),
        ({}, {"hw_vif_model": "netfront"}, "e1000"),
        ({}, {"hw_firmware_type": "coreboot"}, "bios, uefi"),
        ({}, {"hw_boot_menu": "maybe"}, "yes or no"),
        ({}, {"hw_video_ram": "many"}, "number"),
        ({}, {"hw_video_ram": "16"}, "video memory 16 is higher"),
        ({"hw_video__ram_max_mb": "8"}, {"hw_video_ram": "16"}, "by flavor 8"),
        ({"hw__cpu_max_cores": "2"}, {"hw_cpu_cores": "4"}, "flavor allows 2"),
    ],
)
def test_what_no_host_can_give_is_refused(specs, properties, word) -> None:
    with pytest.raises(errors.Invalid, match=word):
        hardware.check(flavor(4, **specs), properties)


def test_what_says_nothing_about_the_guest_is_fine() -> None:
    specs = {"hw__cpu_policy": "shared", "trait__X": "required", "mine__x": "y"}
    hardware.check(flavor(**specs), {"os_distro": "debian", "hw_cpu_policy": "shared"})


@pytest.mark.parametrize(
    ("vcpus", "specs", "properties", "shape"),
    [
        (4, {}, {}, None),
        (4, {"hw__cpu_cores": "2"}, {}, Topology(2, 2, 1)),
        (4, {"hw__cpu_sockets": "1"}, {}, Topology(1, 4, 1)),
        (4, {}, {"hw_cpu_threads": "2"}, Topology(2, 1, 2)),
        (4, {"hw__cpu_cores": "4"}, {"hw_cpu_cores": "2"}, Topology(1, 4, 1)),
        (4, {"hw__cpu_max_sockets": "2"}, {}, Topology(2, 2, 1)),
        (3, {"hw__cpu_cores": "2"}, {}, Topology(3, 1, 1)),
    ],
)
def test_cpus_are_arranged_as_the_flavor_then_the_image_prefers(
    vcpus, specs, properties, shape
) -> None:
    assert hardware.of(flavor(vcpus, **specs), properties).topology == shape


def test_an_arrangement_that_cannot_be_is_refused() -> None:
    specs = {"hw__cpu_max_sockets": "1", "hw__cpu_max_cores": "1", "hw__cpu_max_threads": "1"}
    with pytest.raises(errors.Invalid, match="1:1:1 are impossible to satisfy for vcpus count 2"):
        hardware.check(flavor(2, **specs), {})


def test_the_images_watchdog_goes_before_the_flavors() -> None:
    ours = flavor(hw__watchdog_action="reset")
    assert hardware.of(ours, {}).watchdog == "reset"
    assert hardware.of(ours, {"hw_watchdog_action": "pause"}).watchdog == "pause"
    assert hardware.of(ours, {"hw_watchdog_action": "disabled"}).watchdog is None

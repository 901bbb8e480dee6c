import pytest

from minova.common import errors
from minova.model import device_names
from minova.model.instance import Flavor
from tests.unit.virt import nouns

BOTH = Flavor("1", "f", 1, 64, 1, ephemeral_gb=1, swap_mb=1)


def names(flavor, *wanted):
    volumes = [nouns.volume_of(device_name=name, boot_index=index) for name, index in wanted]
    return [device.device_name for device in device_names.assign(flavor, volumes)]


def test_volumes_come_after_the_local_disks() -> None:
    assert names(BOTH, (None, None), (None, None)) == ["/dev/vdd", "/dev/vde"]


def test_a_wanted_name_is_kept_unless_taken_or_foreign() -> None:
    wanted = (("/dev/vdf", None), ("vdf", None), ("/dev/sda", None), ("/dev/vda", None))
    assert names(nouns.NANO, *wanted) == ["/dev/vdf", "/dev/vdb", "/dev/vdc", "/dev/vdd"]


def test_the_boot_volume_is_the_root_whatever_was_wanted() -> None:
    assert names(nouns.NANO, ("/dev/vdb", None), ("/dev/vdz", 0)) == ["/dev/vdb", "/dev/vda"]


def test_what_is_no_volume_has_no_name() -> None:
    assert device_names.assign(nouns.NANO, [nouns.volume_of(destination_type="local")]) == []


def test_more_disks_than_names_is_a_clear_error() -> None:
    with pytest.raises(errors.Invalid, match="at most 26"):
        names(nouns.NANO, *[(None, None)] * 26)


def test_a_taken_name_is_a_conflict() -> None:
    with pytest.raises(errors.Conflict):
        device_names.choose("/dev/vdb", ["vda", "/dev/vdb"])
    assert device_names.choose("/dev/sdx", ["vda"]) == "vdb"

"""What every virt driver promises, tried on each: see `minova.virt.driver`."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from minova.common import errors
from minova.model import states
from minova.model.instance import Flavor
from minova.virt.driver import GuestFiles, Lifecycle, LifecycleEvent
from minova.virt.fake import FakeDriver
from tests.contract.virt_rig import BRIDGE, WAIT, Rig, volume
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]


def test_a_spawned_server_runs_and_talks(rig: Rig) -> None:
    instance = rig.boot(vifs=[nouns.vif_of(BRIDGE)])
    assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.driver.instances() == {instance.uuid: states.RUNNING}
    assert rig.line_count(instance, 1) == 1


def test_the_host_says_what_it_offers(rig: Rig) -> None:
    offered = rig.driver.resources()
    assert offered.hypervisor_hostname
    assert offered.vcpus >= 1
    assert offered.memory_mb >= 1024
    assert offered.disk_gb >= offered.disk_available_gb >= 1
    assert offered.cpu_info["arch"] == "x86_64"
    assert offered.accelerator and offered.accelerator_reason
    assert offered.supported


def test_destroy_leaves_nothing(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.destroy(instance)
    assert rig.driver.instances() == {}
    assert rig.driver.leftovers([]) == []
    assert rig.driver.power_state(instance) == states.NOSTATE
    assert rig.driver.console_output(instance) == b""


def test_destroy_of_what_is_not_there_is_fine(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.destroy(instance)
    rig.driver.destroy(instance)
    rig.driver.destroy(nouns.instance_of())


def test_destroy_of_a_half_built_server(rig: Rig) -> None:
    image = rig.image()
    instance = nouns.instance_of(image)
    rig.driver.make_disks(instance, image)
    assert rig.driver.leftovers([]) == [instance.uuid]
    assert rig.driver.leftovers([instance.uuid]) == []
    rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == []


def test_a_leftover_goes_by_its_uuid(rig: Rig) -> None:
    instance = rig.boot()
    assert rig.driver.leftovers(["another"]) == [instance.uuid]
    rig.driver.destroy_leftover(instance.uuid)
    assert rig.driver.leftovers([]) == []


def test_a_uuid_that_is_a_path_reaches_no_other_file(rig: Rig) -> None:
    with pytest.raises(ValueError):
        rig.driver.make_disks(nouns.instance_of(uuid="../../etc"), None)


def test_spawn_twice_is_one_guest(rig: Rig) -> None:
    instance = rig.boot()
    rig.boot(instance)
    assert rig.driver.instances() == {instance.uuid: states.RUNNING}


def test_spawn_that_fails_leaves_only_the_disks(rig: Rig) -> None:
    image = rig.image()
    instance = nouns.instance_of(image)
    if isinstance(rig.driver, FakeDriver):
        rig.driver.faults["spawn"] = errors.Unavailable("no")
    rig.driver.make_disks(instance, image)
    files = GuestFiles({"openstack/latest/meta_data.json": b"{}"})
    with pytest.raises(errors.Unavailable) as failure:
        rig.driver.spawn(instance, image, [nouns.vif_of("br-missing")], [], files)
    assert "/" not in failure.value.message
    assert rig.driver.instances() == {}
    if not rig.is_fake:
        left = sorted(p.name for p in (rig.folder / "instances" / instance.uuid).iterdir())
        assert left == ["disk"]


def test_power_off_and_on_keeps_the_console_log(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.driver.power_off(instance)
    assert rig.driver.power_state(instance) == states.SHUTDOWN
    assert rig.driver.instances() == {instance.uuid: states.SHUTDOWN}
    rig.driver.power_on(instance, [])
    assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.line_count(instance, 2) == 2


def test_power_off_and_on_may_be_repeated(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.power_on(instance, [])
    assert rig.line_count(instance, 1) == 1
    rig.driver.power_off(instance, timeout=0)
    rig.driver.power_off(instance, timeout=0)
    assert rig.driver.power_state(instance) == states.SHUTDOWN
    rig.driver.power_off(nouns.instance_of())


def test_power_on_of_what_was_never_built_is_not_found(rig: Rig) -> None:
    with pytest.raises(errors.NotFound):
        rig.driver.power_on(nouns.instance_of(), [])


@pytest.mark.parametrize("hard", [False, True])
def test_a_reboot_boots_again(rig: Rig, hard: bool) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.driver.reboot(instance, [], hard=hard, timeout=10)
    assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.line_count(instance, 2) >= 2


def test_hard_reboot_of_a_stopped_server_starts_it(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.power_off(instance, timeout=0)
    rig.driver.reboot(instance, [], hard=True)
    assert rig.driver.power_state(instance) == states.RUNNING


def test_a_guest_that_stops_by_itself_is_reported(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.guest_stops(instance)
    event = rig.events.get(timeout=WAIT)
    assert event == LifecycleEvent(instance.uuid, Lifecycle.STOPPED, states.SHUTDOWN)
    assert rig.driver.power_state(instance) == states.SHUTDOWN


def test_what_we_do_ourselves_is_no_event(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig.driver.reboot(instance, [], hard=True)
    rig.line_count(instance, 2)
    rig.driver.power_off(instance)
    rig.driver.power_on(instance, [])
    rig.driver.destroy(instance)
    other = rig.boot()
    rig.line_count(other, 1)
    rig.guest_stops(other)
    assert rig.events.get(timeout=WAIT).uuid == other.uuid
    assert rig.events.empty()


def test_guests_outlive_the_compute_service(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    rig = rig.restarted()
    assert rig.driver.instances() == {instance.uuid: states.RUNNING}
    assert rig.line_count(instance, 1) == 1
    rig.guest_stops(instance)
    assert rig.events.get(timeout=WAIT).uuid == instance.uuid


def test_an_image_is_downloaded_once(rig: Rig) -> None:
    data = sector_guest.image("ONCE")
    sources = [nouns.Source(data) for _ in range(4)]
    threads = [threading.Thread(target=rig.driver.cache_image, args=(s,)) for s in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sum(source.reads for source in sources) == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"os_hash_value": "0" * 128}, "checksum"),
        ({"size": 17}, "larger"),
        ({"size": 10**9}, "bytes instead"),
        ({"disk_format": "qcow2"}, "not qcow2"),
        ({"disk_format": "vmdk"}, "vmdk"),
        ({"disk_format": None}, "disk format"),
        ({"os_hash_value": None, "checksum": None}, "no checksum"),
        ({"os_hash_value": "../../../etc/passwd"}, "not a checksum"),
    ],
)
def test_an_image_that_is_not_what_it_should_be_is_refused(
    rig: Rig, change: dict[str, object], word: str
) -> None:
    source = nouns.Source(sector_guest.image("BAD"))
    source.meta = replace(source.meta, **change)
    with pytest.raises(errors.Invalid) as refusal:
        rig.driver.cache_image(source)
    assert word in refusal.value.message
    good = nouns.Source(source.data)
    rig.driver.cache_image(good)
    assert good.reads == 1


def test_cve_2015_5163_an_image_with_a_backing_file_is_refused(rig: Rig, tmp_path: Path) -> None:
    data = nouns.qcow2(tmp_path, "64M", "-u", "-F", "raw", "-b", "/etc/passwd")
    with pytest.raises(errors.Invalid, match="backing file"):
        rig.driver.cache_image(nouns.Source(data, nouns.image_of(data, "qcow2")))


def test_cve_2024_32498_an_image_with_a_data_file_is_refused(rig: Rig, tmp_path: Path) -> None:
    data_file = tmp_path / "outside.raw"
    data = nouns.qcow2(tmp_path, "64M", "-o", f"data_file={data_file},data_file_raw=on")
    with pytest.raises(errors.Invalid, match="data file"):
        rig.driver.cache_image(nouns.Source(data, nouns.image_of(data, "qcow2")))


def test_cve_2024_40767_raw_that_is_really_qcow2_is_refused(rig: Rig, tmp_path: Path) -> None:
    data = nouns.qcow2(tmp_path, "64M")
    with pytest.raises(errors.Invalid, match="qcow2, not raw"):
        rig.driver.cache_image(nouns.Source(data, nouns.image_of(data, "raw")))


def test_cve_2013_2096_an_image_larger_than_the_flavor_is_refused(rig: Rig, tmp_path: Path) -> None:
    data = nouns.qcow2(tmp_path, "5G")
    image = nouns.image_of(data, "qcow2")
    rig.driver.cache_image(nouns.Source(data, image))
    instance = nouns.instance_of(image)
    with pytest.raises(errors.Invalid, match=r"5 GiB.*m1\.nano"):
        rig.driver.make_disks(instance, image)
    assert rig.driver.leftovers([]) == []
    any_size = Flavor(id="2", name="m1.any", vcpus=1, memory_mb=64, root_gb=0)
    rig.driver.make_disks(nouns.instance_of(image, any_size), image)


def test_an_image_id_that_is_a_path_is_refused_or_harmless(rig: Rig) -> None:
    source = nouns.Source(b"x" * 4096)
    source.meta = replace(source.meta, id="../../escaped")
    if rig.is_fake:
        return
    with pytest.raises(errors.Invalid):
        rig.driver.cache_image(source)


def test_disks_of_an_image_that_left_the_cache_say_so(rig: Rig) -> None:
    image = nouns.image_of(b"never cached")
    with pytest.raises(errors.Unavailable):
        rig.driver.make_disks(nouns.instance_of(image), image)


def test_the_cache_forgets_what_nobody_uses(rig: Rig) -> None:
    used, unused = (nouns.Source(sector_guest.image(word)) for word in ("USED", "UNUSED"))
    for source in (used, unused):
        rig.driver.cache_image(source)
    assert rig.driver.image_cache_sweep([], min_age=3600) == []
    gone = rig.driver.image_cache_sweep([used.meta.id], min_age=0)
    assert unused.meta.id in gone and used.meta.id not in gone
    for source in (used, unused):
        rig.driver.cache_image(source)
    assert (used.reads, unused.reads) == (1, 2)


def test_the_cache_keeps_what_a_disk_stands_on(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.image_cache_sweep([], min_age=0)
    rig.driver.reboot(instance, [], hard=True)
    assert rig.line_count(instance, 1) >= 1


def test_the_console_log_is_cut_at_its_start(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    whole = rig.driver.console_output(instance)
    assert rig.driver.console_output(instance, 5) == whole[-5:]
    assert rig.driver.console_output(instance, 0) == b""


def test_a_volume_is_plugged_in_and_out(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    with volume(rig) as device:
        assert rig.driver.attach_volume(instance, device) == "/dev/vdb"
        assert rig.driver.attach_volume(instance, device) == "/dev/vdb"
        other = nouns.volume_of(rig.folder / "volume.sock", device_name="/dev/vdb")
        with pytest.raises(errors.Conflict, match="/dev/vdb"):
            rig.driver.attach_volume(instance, other)
        rig.driver.detach_volume(instance, device)
        rig.driver.detach_volume(instance, device)
        named = replace(device, device_name="/dev/vdf")
        assert rig.driver.attach_volume(instance, named) == "/dev/vdf"
        rig.driver.reboot(instance, [], hard=True)
        rig.line_count(instance, 2)
        assert rig.driver.attach_volume(instance, named) == "/dev/vdf"
        rig.driver.detach_volume(instance, named)


def test_a_volume_is_plugged_into_a_stopped_server(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.power_off(instance, timeout=0)
    started = rig.line_count(instance, 0)
    with volume(rig) as device:
        assert rig.driver.attach_volume(instance, device) == "/dev/vdb"
        rig.driver.power_on(instance, [])
        rig.line_count(instance, started + 1)
        rig.driver.detach_volume(instance, device)


def test_a_server_boots_from_a_volume(rig: Rig) -> None:
    with volume(rig, sector_guest.image("HELLO"), boot_index=0) as device:
        instance = nouns.instance_of(block_devices=[device])
        rig.driver.make_disks(instance, None)
        rig.driver.spawn(instance, None, [], [device], None)
        rig.line_count(instance, 1)
        rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == []


def test_a_volume_that_is_not_served_over_nbd_is_refused(rig: Rig) -> None:
    if rig.is_fake:
        return  # it has no wire to plug in
    instance = rig.boot()
    other = nouns.volume_of(connection_info={"driver_volume_type": "iscsi", "data": {}})
    with pytest.raises(errors.NotSupported, match="iscsi"):
        rig.driver.attach_volume(instance, other)

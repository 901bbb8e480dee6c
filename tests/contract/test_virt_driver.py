"""What every virt driver promises, tried on each: see `minova.virt.driver`.

libvirt runs on a private libvirtd with a guest of one boot sector, emulated,
so that a start takes half a second.
"""

import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from oslo_config import cfg

from minova import conf
from minova.common import errors
from minova.model import states
from minova.model.instance import VIF, BlockDevice, Flavor, ImageMeta, Instance
from minova.virt.driver import Driver, GuestFiles, Lifecycle, LifecycleEvent
from minova.virt.fake import FakeDriver, FakeHost
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.integration.private_libvirt"]
WAIT = 20.0
BRIDGE = "br-contract"


@dataclass
class Rig:
    """A driver with a host under it, and hands to reach past the driver."""

    driver: Driver
    events: "queue.Queue[LifecycleEvent]"
    host: object
    folder: Path

    @property
    def is_fake(self) -> bool:
        return isinstance(self.driver, FakeDriver)

    def restarted(self) -> "Rig":
        """The compute service again, on the same host."""
        self.driver.stop()
        fresh = make_driver(self.host)
        fresh.start(self.events.put)
        return replace(self, driver=fresh)

    def guest_stops(self, instance: Instance) -> None:
        """The guest ends without our asking."""
        if isinstance(self.driver, FakeDriver):
            self.driver.guest_stops(instance.uuid)
        else:
            self.host.run("virsh", "shutdown", instance.domain_name)

    def image(self, data: bytes | None = None) -> ImageMeta:
        """An image in the cache."""
        source = nouns.Source(data or sector_guest.image("HELLO"))
        self.driver.cache_image(source)
        return source.meta

    def boot(self, instance: Instance | None = None, vifs: list[VIF] | None = None) -> Instance:
        """A running server."""
        image = self.image()
        instance = instance or nouns.instance_of(image)
        self.driver.make_disks(instance, image)
        self.driver.spawn(instance, image, vifs or [], [], None)
        return instance

    def line_count(self, instance: Instance, at_least: int) -> int:
        """How often the guest's console said that it is up; waits until it has `at_least`."""
        word = b"boots" if self.is_fake else b"HELLO"
        end = time.monotonic() + WAIT
        while (count := self.driver.console_output(instance).count(word)) < at_least:
            assert time.monotonic() < end, "the console stays silent"
            time.sleep(0.02)  # a log file tells nobody when it grows
        return count


def make_driver(host: object) -> Driver:
    if isinstance(host, FakeHost):
        return FakeDriver(host)
    from minova.virt.libvirt.driver import LibvirtDriver

    return LibvirtDriver()


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.integration)])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    conf.register()
    host, folder = FakeHost(), tmp_path
    if request.param == "libvirt":
        host = request.getfixturevalue("private_libvirt")
        # Not tmp_path: QEMU's user has to reach it.
        folder = host.path / uuid4().hex
        folder.mkdir()
        with_bridge(host)
        cfg.CONF.set_override("connection_uri", host.uri, "libvirt")
        cfg.CONF.set_override("virt_type", "qemu", "libvirt")
        cfg.CONF.set_override("instances_path", str(folder / "instances"), "libvirt")
    cfg.CONF.set_override("state_path", str(folder))
    driver = make_driver(host)
    rig = Rig(driver, queue.Queue(), host, folder)
    driver.start(rig.events.put)
    yield rig
    cleaner = make_driver(host)
    cleaner.start(lambda event: None)
    for uuid in cleaner.leftovers([]):
        cleaner.destroy_leftover(uuid)
    cleaner.stop()
    driver.stop()
    cfg.CONF.reset()
    for name in ("connection_uri", "virt_type", "instances_path"):
        cfg.CONF.clear_override(name, "libvirt")
    cfg.CONF.clear_override("state_path")


def with_bridge(host) -> None:
    if BRIDGE not in host.run("ip", "-o", "link"):
        host.add_bridge(BRIDGE)


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


@contextmanager
def volume(rig: Rig, data: bytes = bytes(1024 * 1024), **changed: object) -> Iterator[BlockDevice]:
    """A volume, served over NBD as the volume service would."""
    socket = rig.folder / "volume.sock"
    device = nouns.volume_of(socket, **changed)
    if rig.is_fake:
        yield device
        return
    disk = rig.folder / "volume.raw"
    disk.write_bytes(data)
    export = f"volume-{device.volume_id}"
    server = subprocess.Popen(
        ["qemu-nbd", "-t", "-e", "8", "-x", export, "-f", "raw", "-k", str(socket), str(disk)]
    )
    try:
        end = time.monotonic() + WAIT
        while not socket.exists():
            assert time.monotonic() < end, "qemu-nbd does not serve"
            time.sleep(0.01)
        socket.chmod(0o777)
        yield device
    finally:
        server.terminate()
        server.wait(WAIT)

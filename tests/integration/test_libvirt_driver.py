"""The libvirt driver with real guests: under KVM, under emulation, and while libvirtd dies."""

import base64
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from oslo_config import cfg

from minova import conf
from minova.common import errors
from minova.model import guest_metadata, states
from minova.model.instance import Flavor, Instance
from minova.virt.driver import GuestFiles, Lifecycle, LifecycleEvent
from minova.virt.libvirt import connection, volumes
from minova.virt.libvirt.driver import LibvirtDriver
from minova.virt.libvirt.kvmprobe import Verdict
from tests.integration import sector_guest
from tests.unit.virt import nouns

if TYPE_CHECKING:
    from tests.integration.private_libvirt import PrivateLibvirt

pytest_plugins = ["tests.integration.private_libvirt"]
pytestmark = pytest.mark.integration

GUEST_IMAGE = Path(__file__).parents[2] / "build" / "guest" / "minova-guest.qcow2"
WAIT = 30.0
BOOT_WAIT = 120.0


class Rig:
    """A driver on the private host, and a way to read consoles."""

    def __init__(self, host: "PrivateLibvirt") -> None:
        self.host = host
        self.events: queue.Queue[LifecycleEvent] = queue.Queue()
        self.driver = LibvirtDriver(probe=lambda: Verdict(True, "a boot sector ran", 0.0))

    def boot(self, data: bytes, instance: Instance | None = None) -> Instance:
        source = nouns.Source(data)
        self.driver.cache_image(source)
        instance = instance or nouns.instance_of(source.meta)
        self.driver.make_disks(instance, source.meta)
        self.driver.spawn(instance, source.meta, [], [], None)
        return instance

    def wait_for_line(
        self, instance: Instance, words: bytes, seconds: float = WAIT, count: int = 1
    ) -> bytes:
        """The console once `words` stand in it `count` times."""
        end = time.monotonic() + seconds
        while (log := self.driver.console_output(instance)).count(words) < count:
            assert time.monotonic() < end, f"no {words!r} in {log[-2000:]!r}"
            time.sleep(0.05)  # a log file tells nobody when it grows
        return log

    def qemus(self, instance: Instance) -> int:
        """How many QEMU processes run for it."""
        found = subprocess.run(["pgrep", "-fc", f"uuid {instance.uuid}"], capture_output=True)
        return int(found.stdout)


@pytest.fixture
def make_rig(private_libvirt: "PrivateLibvirt") -> Iterator[Callable[..., Rig]]:
    with rigs(private_libvirt) as make:
        yield make


@contextmanager
def rigs(private_libvirt: "PrivateLibvirt") -> Iterator[Callable[..., Rig]]:
    """Makes rigs; all that is on them goes at the end."""
    conf.register()
    made: list[Rig] = []

    def make(**options: object) -> Rig:
        folder = private_libvirt.path / uuid4().hex
        folder.mkdir()
        cfg.CONF.set_override("state_path", str(folder))
        settings = {
            "virt_type": "qemu",
            "connection_uri": private_libvirt.uri,
            "instances_path": str(folder / "instances"),
            **options,
        }
        for name, value in settings.items():
            cfg.CONF.set_override(name, value, "libvirt")
        rig = Rig(private_libvirt)
        rig.driver.start(rig.events.put)
        made.append(rig)
        return rig

    yield make
    for rig in made:
        for uuid in rig.driver.leftovers([]):
            rig.driver.destroy_leftover(uuid)
        rig.driver.stop()
    cfg.CONF.clear_override("state_path")
    for name in ("virt_type", "connection_uri", "instances_path", "cpu_mode"):
        cfg.CONF.clear_override(name, "libvirt")


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="no /dev/kvm")
def test_a_kvm_guest_goes_through_the_whole_driver(make_rig: Callable[..., Rig]) -> None:
    # The CPU is QEMU's own: some hosts' KVM cannot even show a guest the host's.
    rig = make_rig(virt_type="kvm", cpu_mode="none")
    assert rig.driver.resources().accelerator == "kvm"
    instance = rig.boot(sector_guest.image("KVM-GUEST-OK", poweroff=True))
    xml = rig.host.run("virsh", "dumpxml", instance.domain_name)
    assert "<domain type='kvm'" in xml
    event = rig.events.get(timeout=WAIT)
    assert event == LifecycleEvent(instance.uuid, Lifecycle.STOPPED, states.SHUTDOWN)
    rig.wait_for_line(instance, b"KVM-GUEST-OK")
    rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == []
    assert rig.qemus(instance) == 0


@pytest.mark.skipif(not GUEST_IMAGE.exists(), reason="run tools/build-guest-image first")
@pytest.mark.slow
def test_the_guest_image_boots_reads_its_config_drive_and_obeys(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig()
    data = GUEST_IMAGE.read_bytes()
    source = nouns.Source(data, nouns.image_of(data, "qcow2"))
    script = "#!/bin/sh\nuntil [ -b /dev/vdb ]; do sleep 0.2; done\n"
    script += "echo VOLUME-IS $(cat /sys/block/vdb/serial)\n"
    instance = nouns.instance_of(
        source.meta,
        Flavor(id="1", name="m1.tiny", vcpus=1, memory_mb=128, root_gb=1),
        key_name="me",
        key_data="ssh-ed25519 AAAA me@there",
        user_data=base64.b64encode(script.encode()).decode(),
    )
    rig.driver.cache_image(source)
    rig.driver.make_disks(instance, source.meta)
    files = GuestFiles(guest_metadata.config_drive(instance, []))
    rig.driver.spawn(instance, source.meta, [], [], files)
    log = rig.wait_for_line(instance, b"metadata source=/dev/sr0", BOOT_WAIT)
    assert f"id={instance.uuid} hostname={instance.hostname} keys=1".encode() in log

    rig.wait_for_line(instance, b"user-data starts", BOOT_WAIT)
    with volume(rig) as device:
        rig.driver.attach_volume(instance, device)
        rig.wait_for_line(instance, f"VOLUME-IS {device.volume_id[:20]}".encode())
        rig.wait_for_line(instance, b"ready, interfaces", BOOT_WAIT)
        rig.driver.detach_volume(instance, device)

    rig.driver.reboot(instance, [], hard=False, timeout=60)
    rig.wait_for_line(instance, b"ready, interfaces", BOOT_WAIT, count=2)
    log = rig.wait_for_line(instance, b"power button, shutting down")
    assert log.count(b"user-data starts") == 1, "user-data runs once per instance"

    begin = time.monotonic()
    rig.driver.power_off(instance, timeout=60)
    assert rig.wait_for_line(instance, b"power button, shutting down", count=2)
    assert time.monotonic() - begin < 60, "it went down by itself"
    assert rig.events.empty()


class volume:
    """A volume over NBD whose socket QEMU's user may use."""

    def __init__(self, rig: Rig) -> None:
        folder = rig.host.path / uuid4().hex
        folder.mkdir()
        self._socket, self._disk = folder / "nbd.sock", folder / "disk.raw"
        self._device = nouns.volume_of(self._socket)

    def __enter__(self):
        with self._disk.open("wb") as file:
            file.truncate(8 * 1024 * 1024)
        export = f"volume-{self._device.volume_id}"
        command = ["qemu-nbd", "-t", "-x", export, "-f", "raw", "-k", str(self._socket)]
        self._server = subprocess.Popen([*command, str(self._disk)])
        end = time.monotonic() + WAIT
        while not self._socket.exists():
            assert time.monotonic() < end, "qemu-nbd does not serve"
            time.sleep(0.01)
        self._socket.chmod(0o777)
        return self._device

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait(WAIT)


def test_a_guest_that_ends_while_libvirtd_is_down_is_reported(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig()
    instance = rig.boot(sector_guest.image("HELLO"))
    rig.wait_for_line(instance, b"HELLO")
    rig.host.kill_libvirtd()
    pid = subprocess.check_output(["pgrep", "-f", f"uuid {instance.uuid}"], text=True)
    os.kill(int(pid), 9)
    rig.host.start_libvirtd()
    event = rig.events.get(timeout=WAIT)
    assert event.uuid == instance.uuid
    assert event.kind in (Lifecycle.STOPPED, Lifecycle.CRASHED)


def test_events_go_on_after_libvirtd_came_back(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    instance = rig.boot(sector_guest.image("HELLO"))
    rig.wait_for_line(instance, b"HELLO")
    rig.host.kill_libvirtd()
    rig.host.start_libvirtd()
    assert rig.driver.power_state(instance) == states.RUNNING
    rig.host.run("virsh", "shutdown", instance.domain_name)
    assert rig.events.get(timeout=WAIT).kind is Lifecycle.STOPPED


@pytest.mark.parametrize("delay", [0.02, 0.2])
def test_libvirtd_killed_in_the_middle_of_a_spawn(
    make_rig: Callable[..., Rig], delay: float
) -> None:
    rig = make_rig()
    source = nouns.Source(sector_guest.image("HELLO"))
    rig.driver.cache_image(source)
    instance = nouns.instance_of(source.meta)
    rig.driver.make_disks(instance, source.meta)
    spawning = threading.Thread(target=rig.driver.spawn, args=(instance, source.meta, [], [], None))
    spawning.start()
    time.sleep(delay)  # the moment of the kill is what this test is about
    rig.host.kill_libvirtd()
    rig.host.start_libvirtd()
    spawning.join(WAIT)
    assert rig.driver.power_state(instance) == states.RUNNING
    assert rig.qemus(instance) == 1
    rig.driver.destroy(instance)
    assert rig.qemus(instance) == 0
    assert rig.driver.leftovers([]) == []
    again = rig.boot(source.data)
    rig.wait_for_line(again, b"HELLO")


def test_without_virtlogd_the_launch_says_so(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    socket = rig.host.root / "run" / "virtlogd-sock"
    hidden = socket.rename(socket.with_suffix(".hidden"))
    try:
        with pytest.raises(errors.Unavailable, match="virtlogd"):
            rig.boot(sector_guest.image("HELLO"))
    finally:
        hidden.rename(socket)
    assert rig.driver.instances() == {}


def test_a_start_without_libvirt_says_so(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    with pytest.raises(errors.Unavailable, match="libvirtd is running"):
        make_rig(connection_uri="qemu+unix:///system?socket=/nonexistent")


def test_cve_2012_3361_an_overlay_never_shows_another_projects_blocks(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig()
    first = rig.boot(sector_guest.image("FIRST"))
    second = rig.boot(sector_guest.image("SECOND"))
    disks = [rig.driver._folder(i.uuid) / "disk" for i in (first, second)]
    backing = [
        subprocess.check_output(["qemu-img", "info", "-U", "--output=json", str(disk)])
        for disk in disks
    ]
    assert backing[0] != backing[1]
    rig.wait_for_line(first, b"FIRST")
    assert b"FIRST" not in rig.wait_for_line(second, b"SECOND")


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_libvirt_accepts_every_kind_of_guest(make_rig: Callable[..., Rig], machine: str) -> None:
    rig = make_rig()
    flavor = Flavor(
        id="1", name="m1.all", vcpus=2, memory_mb=64, root_gb=1, ephemeral_gb=1, swap_mb=8
    )
    properties = {"hw_machine_type": machine, "hw_qemu_guest_agent": "yes"}
    data = sector_guest.image("HELLO")
    source = nouns.Source(data, nouns.image_of(data, properties=properties))
    rig.driver.cache_image(source)
    instance = nouns.instance_of(source.meta, flavor)
    rig.driver.make_disks(instance, source.meta)
    files = GuestFiles(guest_metadata.config_drive(instance, []))
    rig.driver.spawn(instance, source.meta, [], [], files)
    rig.wait_for_line(instance, b"HELLO")
    rig.driver.destroy(instance)


def test_a_guest_that_does_not_let_go_keeps_its_volume(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "_DEADLINE", 2.0)
    monkeypatch.setattr(volumes, "_ASK_AGAIN", 1.0)
    rig = make_rig()
    instance = rig.boot(sector_guest.image("HELLO", ejects=False))
    rig.wait_for_line(instance, b"HELLO")
    with volume(rig) as device:
        rig.driver.attach_volume(instance, device)
        with pytest.raises(errors.Conflict, match="unmount it inside the server"):
            rig.driver.detach_volume(instance, device)
        rig.driver.reboot(instance, [], hard=True)
        assert device.volume_id in rig.host.run("virsh", "dumpxml", instance.domain_name)
        rig.driver.power_off(instance, timeout=0)
        rig.driver.detach_volume(instance, device)
        assert device.volume_id not in rig.host.run("virsh", "dumpxml", instance.domain_name)

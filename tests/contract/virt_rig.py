"""The hands of the suites every virt driver passes: a driver, a host, a guest.

libvirt runs on a private libvirtd with a guest of one boot sector, emulated,
so that a start takes half a second. A suite names this file in its
`pytest_plugins`.
"""

import queue
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from oslo_config import cfg

from minova import conf
from minova.model.instance import VIF, BlockDevice, ImageMeta, Instance
from minova.virt.driver import Driver, LifecycleEvent
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

"""The driver that boots nothing: guests in memory, for tests and load tests.

It keeps the contract of the real one: images are read and verified, what
does not fit is refused, guests have a console and report what they do. Its
guests outlive the driver, as real ones outlive the compute service.

A test can make a method fail (`faults`) or wait (`holds`), and have a guest
act by itself (`guest_stops`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from oslo_config import cfg

from minova.common import errors
from minova.model import device_names, states, steps
from minova.model.diagnostics import Diagnostics
from minova.model.instance import VIF, BlockDevice, Flavor, ImageMeta, Instance
from minova.virt import (
    fake_agent,
    fake_console,
    fake_moves,
    fake_rescue,
    fake_sleep,
    qcow2,
    verified,
)
from minova.virt.driver import (
    DiskImage,
    GuestFiles,
    HostResources,
    ImageSource,
    Lifecycle,
    LifecycleEvent,
    never,
)
from minova.virt.fake_host import ENDED, CachedImage, FakeGuest, FakeHost, host_of

__all__ = ["FakeDriver", "FakeGuest", "FakeHost", "host_of"]

_HOLD_SECONDS = 60


class FakeDriver:
    """A `virt.driver.Driver` in memory.

    `host` is what it drives; by default one per host name and state path.
    """

    def __init__(self, host: FakeHost | None = None) -> None:
        self.host = host or host_of(f"{cfg.CONF.state_path}:{cfg.CONF.host}")
        self.faults: dict[str, Exception] = {}
        self.holds: dict[str, threading.Event] = {}
        self._on_event: Callable[[LifecycleEvent], None] | None = None

    def start(self, on_event: Callable[[LifecycleEvent], None]) -> None:
        self._enter("start")
        self._on_event = on_event

    def stop(self) -> None:
        self._on_event = None

    def resources(self) -> HostResources:
        self._enter("resources")
        return HostResources(
            hypervisor_hostname=cfg.CONF.host,
            hypervisor_type="fake",
            hypervisor_version=1000000,
            vcpus=256,
            memory_mb=1024 * 1024,
            disk_gb=16 * 1024,
            disk_available_gb=16 * 1024,
            cpu_info={
                "arch": "x86_64",
                "model": "fake",
                "vendor": "fake",
                "topology": {"sockets": 1, "cores": 256, "threads": 1},
                "features": [],
            },
            accelerator="fake",
            accelerator_reason="virt_driver=fake is configured; guests exist in memory only",
            supported=[["x86_64", "fake", "hvm"]],
        )

    def instances(self) -> dict[str, int]:
        self._enter("instances")
        with self.host.lock:
            return {
                guest.uuid: guest.power_state
                for guest in self.host.guests.values()
                if guest.power_state != states.NOSTATE
            }

    def power_state(self, instance: Instance) -> int:
        self._enter("power_state")
        guest = self.host.guests.get(instance.uuid)
        return states.NOSTATE if guest is None else guest.power_state

    def cache_image(self, source: ImageSource) -> None:
        self._enter("cache_image")
        key = _key(source.meta)
        with self.host.downloads:
            if key not in self.host.images:
                proven = verified.chunks(source)
                deque(proven, maxlen=0)
                self.host.images[key] = CachedImage(proven.virtual_size)
            self.host.images[key].ids[source.meta.id] = time.time()

    def make_disks(self, instance: Instance, image: ImageMeta | None) -> None:
        self._enter("make_disks")
        if image is not None and not instance.boots_from_volume:
            self._check_size(instance, image)
        with self.host.lock:
            guest = self._guest(instance)
            guest.disks, guest.root_gb = True, instance.flavor.root_gb

    def spawn(
        self,
        instance: Instance,
        image: ImageMeta | None,
        vifs: list[VIF],
        block_devices: list[BlockDevice],
        config_drive: GuestFiles | None,
        *,
        start: bool = True,
    ) -> None:
        with steps.step(15, instance=instance.uuid):
            bus = device_names.usual_bus(instance.image_properties)
            named = device_names.assign(instance.flavor, block_devices, bus)
            files = dict(config_drive.files) if config_drive is not None else {}
        with steps.step(16, instance=instance.uuid, accelerator="fake"):
            self._enter("spawn")
            with self.host.lock:
                guest = self._guest(instance)
                guest.vifs, guest.config_drive = list(vifs), files
                guest.volumes = {d.volume_id or d.id: d.device_name or "" for d in named}
                if start:
                    guest.boot()
                else:
                    guest.power_state = states.SHUTDOWN

    def clear(self, instance: Instance, *, keep_ephemeral: bool) -> None:
        self._enter("clear")
        self._forget(instance.uuid)

    def destroy(self, instance: Instance) -> None:
        self._enter("destroy")
        self._forget(instance.uuid)

    def power_off(
        self, instance: Instance, timeout: int = 60, cancelled: Callable[[], bool] = never
    ) -> None:
        self._enter("power_off")
        self.host.press(instance.uuid, timeout, cancelled)
        with self.host.lock:
            guest = self.host.guests.get(instance.uuid)
            if guest is None:
                return
            if guest.power_state == states.POWER_SUSPENDED:
                guest.power_state = states.SHUTDOWN
            if guest.power_state not in ENDED:
                guest.power_state = states.SHUTDOWN
                if timeout > 0:
                    guest.say("power button, shutting down")

    def power_on(self, instance: Instance, vifs: list[VIF]) -> None:
        self._enter("power_on")
        with self.host.lock:
            guest = self.host.existing(instance.uuid)
            if guest.power_state in ENDED:
                self._boot(guest, instance, vifs)

    def reboot(
        self,
        instance: Instance,
        vifs: list[VIF],
        hard: bool,
        timeout: int = 60,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self._enter("reboot")
        self.host.press(instance.uuid, 0 if hard else timeout, cancelled)
        with self.host.lock:
            self._boot(self.host.existing(instance.uuid), instance, vifs)

    def pause(self, instance: Instance) -> None:
        self._enter("pause")
        fake_sleep.pause(self.host, instance)

    def unpause(self, instance: Instance) -> None:
        self._enter("unpause")
        fake_sleep.unpause(self.host, instance)

    def suspend(self, instance: Instance, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._enter("suspend")
        fake_sleep.suspend(self.host, instance, cancelled)

    def resume(self, instance: Instance) -> None:
        self._enter("resume")
        fake_sleep.resume(self.host, instance)

    def set_password(
        self, instance: Instance, password: str, cancelled: Callable[[], bool] = never
    ) -> None:
        self._enter("set_password")
        fake_agent.set_password(self.host, instance, password)

    def trigger_crash_dump(self, instance: Instance) -> None:
        self._enter("trigger_crash_dump")
        fake_agent.trigger_crash_dump(self.host, instance)

    def diagnostics(self, instance: Instance) -> Diagnostics:
        self._enter("diagnostics")
        return fake_agent.diagnostics(self.host, instance)

    def rescue(
        self,
        instance: Instance,
        image: ImageMeta,
        vifs: list[VIF],
        config_drive: GuestFiles | None,
    ) -> None:
        self._enter("rescue")
        fake_rescue.rescue(self.host, instance, image, vifs, config_drive)

    def unrescue(self, instance: Instance, vifs: list[VIF]) -> None:
        self._enter("unrescue")
        fake_rescue.unrescue(self.host, instance, vifs)

    def migrate_out(
        self,
        instance: Instance,
        migration_id: str,
        flavor: Flavor,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        self._enter("migrate_out")
        return fake_moves.leave(self.host, instance, migration_id, flavor, cancelled)

    def migrate_in(
        self, instance: Instance, luggage: dict[str, Any], vifs: list[VIF], *, start: bool
    ) -> None:
        self._guest(instance)
        self._enter("migrate_in")
        fake_moves.arrive(self.host, instance, vifs, start=start)

    def confirm_migration(self, instance: Instance, migration_id: str) -> None:
        self._enter("confirm_migration")
        fake_moves.confirm(self.host, instance, migration_id)

    def revert_migration(
        self, instance: Instance, migration_id: str, vifs: list[VIF], *, start: bool
    ) -> None:
        self._enter("revert_migration")
        fake_moves.revert(self.host, instance, migration_id, vifs, start=start)

    def attach_volume(self, instance: Instance, device: BlockDevice) -> str:
        self._enter("attach_volume")
        if not device.volume_id:
            raise errors.Invalid(f"Block device {device.id} names no volume.")
        with self.host.lock:
            guest = self.host.existing(instance.uuid)
            if device.volume_id not in guest.volumes:
                bus = device_names.usual_bus(instance.image_properties)
                local = [d for d in instance.block_devices if not d.is_volume]
                taken = device_names.arrange(instance.flavor, local, bus).taken
                taken |= set(guest.volumes.values())
                own = device_names.bus_of(device, bus)
                name = device_names.choose(device.device_name, taken, own)
                guest.volumes[device.volume_id] = f"/dev/{name}"
            return guest.volumes[device.volume_id]

    def detach_volume(
        self, instance: Instance, device: BlockDevice, cancelled: Callable[[], bool] = never
    ) -> None:
        self._enter("detach_volume")
        with self.host.lock:
            guest = self.host.guests.get(instance.uuid)
            if guest is not None:
                guest.volumes.pop(device.volume_id or "", None)

    def attach_interface(self, instance: Instance, vif: VIF) -> None:
        self._enter("attach_interface")
        with self.host.lock:
            self.host.existing(instance.uuid).plug(vif)

    def detach_interface(
        self, instance: Instance, vif: VIF, cancelled: Callable[[], bool] = never
    ) -> None:
        self._enter("detach_interface")
        with self.host.lock:
            guest = self.host.guests.get(instance.uuid)
            if guest is not None:
                guest.unplug(vif)

    @contextmanager
    def snapshot(self, instance: Instance, cancelled: Callable[[], bool]) -> Iterator[DiskImage]:
        self._enter("snapshot")
        guest = self.host.existing(instance.uuid)
        if instance.boots_from_volume:
            raise errors.NotFound(resource="Disk of server", id=instance.uuid)
        if cancelled():
            raise errors.Conflict("The server is being deleted; its disk is not copied any more.")
        fake_agent.freeze(self.host, instance)
        size = (instance.flavor.root_gb or 1) * 1024**3
        data = qcow2.empty(size, f"disk of {guest.uuid}".encode())
        yield DiskImage(len(data), lambda: iter((data,)))

    def console_output(self, instance: Instance, max_bytes: int = 102400) -> bytes:
        self._enter("console_output")
        guest = self.host.guests.get(instance.uuid)
        return b"" if guest is None or max_bytes <= 0 else guest.console[-max_bytes:]

    def open_console(self, instance: Instance, protocol: str) -> int:
        self._enter("open_console")
        return fake_console.open_console(self.host, instance.uuid, protocol)

    def image_cache_sweep(self, in_use: Iterable[str], min_age: int) -> list[str]:
        self._enter("image_cache_sweep")
        kept, oldest = set(in_use), time.time() - min_age
        gone = []
        with self.host.downloads:
            for key, image in list(self.host.images.items()):
                stale = [i for i, used in image.ids.items() if i not in kept and used <= oldest]
                for image_id in stale:
                    del image.ids[image_id]
                gone += stale
                if not image.ids:
                    del self.host.images[key]
        return sorted(gone)

    def leftovers(self, known: Iterable[str]) -> list[str]:
        self._enter("leftovers")
        with self.host.lock:
            return sorted(set(self.host.guests) - set(known))

    def destroy_leftover(self, uuid: str) -> None:
        self._enter("destroy_leftover")
        self._forget(uuid)

    def guest_stops(self, uuid: str) -> None:
        """The guest shuts down by itself; compute hears of it."""
        with self.host.lock:
            self.host.guests[uuid].power_state = states.SHUTDOWN
        if self._on_event is not None:
            self._on_event(LifecycleEvent(uuid, Lifecycle.STOPPED, states.SHUTDOWN))

    def _enter(self, method: str) -> None:
        """Wait or fail here, if a test says so."""
        if (hold := self.holds.get(method)) is not None:
            hold.wait(_HOLD_SECONDS)
        if (fault := self.faults.get(method)) is not None:
            raise fault

    def _check_size(self, instance: Instance, image: ImageMeta) -> None:
        cached = self.host.images.get(_key(image))
        if cached is None:
            raise errors.Unavailable(f"Image {image.id} has gone from the host's cache; try again.")
        verified.check_size(instance, image, cached.virtual_size)

    def _guest(self, instance: Instance) -> FakeGuest:
        uuid = str(UUID(instance.uuid))
        return self.host.guests.setdefault(uuid, FakeGuest(uuid, instance.domain_name))

    def _boot(self, guest: FakeGuest, instance: Instance, vifs: list[VIF]) -> None:
        guest.vifs = list(vifs)
        if instance.vm_state != states.RESCUED:
            fake_rescue.leave(guest)
        guest.boot()

    def _forget(self, uuid: str) -> None:
        with self.host.lock:
            self.host.guests.pop(uuid, None)


def _key(image: ImageMeta) -> tuple[str, str]:
    return verified.digest_of(image)[1], verified.disk_format(image)

"""The driver that boots real guests: what compute asks, in the order in which a guest lives.

Each method is short, because each subject has its own file: images and disks
(`imagecache`, `disks`, `configdrive`), the domain XML (`domain/`), one
running domain (`guest`), stopping (`power`), volumes (`volumes`), events
(`watch`), and the connection under them all (`connection`).
"""

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from oslo_config import cfg

from minova.common import errors
from minova.common.undo import Undo
from minova.model import hardware, states, steps
from minova.model.diagnostics import Diagnostics
from minova.model.instance import VIF, BlockDevice, Flavor, ImageMeta, Instance
from minova.virt import verified
from minova.virt.driver import (
    DiskImage,
    GuestFiles,
    HostResources,
    ImageSource,
    LifecycleEvent,
    never,
)
from minova.virt.libvirt import (
    agent,
    configdrive,
    consolelog,
    consoles,
    disks,
    inside,
    kept_disks,
    moves,
    power,
    rescue,
    resources,
    sleep,
    snapshots,
    volumes,
)
from minova.virt.libvirt import interfaces as plugging
from minova.virt.libvirt.connection import Connection
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain import builder, interfaces, plan
from minova.virt.libvirt.guest import Guest, all_guests
from minova.virt.libvirt.imagecache import ImageCache
from minova.virt.libvirt.kvmprobe import Verdict
from minova.virt.libvirt.watch import Watch

LOG = logging.getLogger(__name__)
CACHE = "_base"


class LibvirtDriver:
    """A `virt.driver.Driver` on libvirt and QEMU.

    `probe` replaces the proof that KVM works, for tests on machines whose
    KVM runs a boot sector but no ordinary kernel.
    """

    def __init__(self, probe: Callable[[], Verdict] | None = None) -> None:
        conf = cfg.CONF.libvirt
        self._probe = probe
        self._instances = Path(conf.instances_path)
        self._cache = ImageCache(self._instances / CACHE)
        self._watch = Watch(lambda uuid: self._guest(uuid).power_state())
        self._connection = Connection(conf.connection_uri, self._watch)
        self._accelerator_reason = ""

    def start(self, on_event: Callable[[LifecycleEvent], None]) -> None:
        conf = cfg.CONF.libvirt
        self._accelerator_reason = resources.prove_accelerator(self._probe)
        for folder in (self._instances, self._instances / CACHE):
            disks.passable(folder)
        self._connection.open()
        try:
            self._connection.check_domain_type(conf.virt_type, conf.machine_type)
            self._watch.start(on_event, self.instances())
        except errors.MinovaError:
            self._connection.close()
            raise
        here = disks.instance_uuids(self._instances)
        agent.thaw_predecessors((self._guest(uuid), self._folder(uuid)) for uuid in here)

    def stop(self) -> None:
        self._watch.stop()
        self._connection.close()

    def resources(self) -> HostResources:
        facts = self._connection.facts()
        return resources.describe(facts, self._instances, self._accelerator_reason)

    def instances(self) -> dict[str, int]:
        return all_guests(self._connection)

    def power_state(self, instance: Instance) -> int:
        return self._guest(instance.uuid).power_state()

    def cache_image(self, source: ImageSource) -> None:
        self._cache.fetch(source)

    def make_disks(self, instance: Instance, image: ImageMeta | None) -> None:
        folder = self._folder(instance.uuid)
        base = None
        if image is not None and not instance.boots_from_volume:
            base = self._cache.base(image)
            verified.check_size(instance, image, base.virtual_size)
        folder.make()
        if base is not None:
            disks.make_root(folder, instance, base)
        disks.make_local(folder, instance)

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
        guest, folder = self._guest(instance.uuid), self._folder(instance.uuid)
        with Undo() as undo:
            with steps.step(15, instance=instance.uuid):
                undo.push(self._unspawn, instance)
                folder.make()
                if config_drive is not None:
                    configdrive.make(folder / disks.CONFIG, config_drive)
                xml = self._xml(instance, image, vifs, block_devices)
            with steps.step(16, instance=instance.uuid, accelerator=self._accelerator()):
                if start:
                    with self._watch.expecting(instance.uuid, states.RUNNING):
                        guest.start_new(xml)
                else:
                    with self._watch.expecting(instance.uuid, states.SHUTDOWN):
                        guest.redefine(xml)
            undo.clear()

    def clear(self, instance: Instance, *, keep_ephemeral: bool) -> None:
        self._forget(instance.uuid)
        self._folder(instance.uuid).clear((disks.EPHEMERAL,) if keep_ephemeral else ())

    def destroy(self, instance: Instance) -> None:
        self.destroy_leftover(instance.uuid)

    def power_off(
        self, instance: Instance, timeout: int = 60, cancelled: Callable[[], bool] = never
    ) -> None:
        with self._watch.expecting(instance.uuid, states.SHUTDOWN):
            power.stop(self._guest(instance.uuid), self._watch, timeout, cancelled)

    def power_on(self, instance: Instance, vifs: list[VIF]) -> None:
        guest = self._guest(instance.uuid)
        with self._watch.expecting(instance.uuid, states.RUNNING):
            if not guest.is_running():
                self._start_with(guest, instance, vifs)

    def reboot(
        self,
        instance: Instance,
        vifs: list[VIF],
        hard: bool,
        timeout: int = 60,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        guest = self._guest(instance.uuid)
        with self._watch.expecting(instance.uuid, states.RUNNING):
            if not hard and power.soft_reboot(guest, self._watch, timeout, cancelled):
                return
            guest.kill()
            self._start_with(guest, instance, vifs)

    def pause(self, instance: Instance) -> None:
        sleep.pause(self._guest(instance.uuid), self._watch)

    def unpause(self, instance: Instance) -> None:
        sleep.unpause(self._guest(instance.uuid), self._watch, instance)

    def suspend(self, instance: Instance, cancelled: Callable[[], bool] = lambda: False) -> None:
        sleep.suspend(self._guest(instance.uuid), self._watch, cancelled)

    def resume(self, instance: Instance) -> None:
        sleep.resume(self._guest(instance.uuid), self._watch, instance)

    def set_password(
        self, instance: Instance, password: str, cancelled: Callable[[], bool] = never
    ) -> None:
        agent.set_password(self._guest(instance.uuid), self._watch, instance, password, cancelled)

    def trigger_crash_dump(self, instance: Instance) -> None:
        inside.trigger_crash_dump(self._guest(instance.uuid), instance)

    def diagnostics(self, instance: Instance) -> Diagnostics:
        folder = self._folder(instance.uuid)
        return inside.diagnostics(self._guest(instance.uuid), folder, instance)

    def rescue(
        self,
        instance: Instance,
        image: ImageMeta,
        vifs: list[VIF],
        config_drive: GuestFiles | None,
    ) -> None:
        guest, folder = self._guest(instance.uuid), self._existing_folder(instance.uuid)
        xml = functools.partial(self._xml, instance, None, vifs, instance.block_devices)
        with self._watch.expecting(instance.uuid, states.RUNNING):
            guest.kill()
            base = self._cache.base(image)
            rescue.enter(guest, folder, xml, base, image.properties, vifs, config_drive)

    def unrescue(self, instance: Instance, vifs: list[VIF]) -> None:
        guest = self._guest(instance.uuid)
        with self._watch.expecting(instance.uuid, states.RUNNING):
            guest.kill()
            rescue.leave(guest, self._folder(instance.uuid))
            self._start_with(guest, instance, vifs)

    def migrate_out(
        self,
        instance: Instance,
        migration_id: str,
        flavor: Flavor,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        guest, folder = self._guest(instance.uuid), self._folder(instance.uuid)
        moves.leave(guest, self._watch, folder, instance, migration_id, flavor, cancelled)
        return {}

    def migrate_in(
        self, instance: Instance, luggage: dict[str, Any], vifs: list[VIF], *, start: bool
    ) -> None:
        guest, folder = self._guest(instance.uuid), self._folder(instance.uuid)
        xml = functools.partial(self._xml, instance, None, vifs, instance.block_devices)
        moves.arrive(guest, self._watch, folder, instance, xml, start=start)

    def confirm_migration(self, instance: Instance, migration_id: str) -> None:
        kept_disks.forget(self._folder(instance.uuid))

    def revert_migration(
        self, instance: Instance, migration_id: str, vifs: list[VIF], *, start: bool
    ) -> None:
        guest, folder = self._guest(instance.uuid), self._folder(instance.uuid)
        xml = functools.partial(self._xml, instance, None, vifs, instance.block_devices)
        moves.revert(guest, self._watch, folder, instance, migration_id, xml, start=start)

    def attach_volume(self, instance: Instance, device: BlockDevice) -> str:
        return volumes.attach(self._guest(instance.uuid), instance, device)

    def detach_volume(
        self, instance: Instance, device: BlockDevice, cancelled: Callable[[], bool] = never
    ) -> None:
        volumes.detach(self._guest(instance.uuid), self._watch, instance, device, cancelled)

    def attach_interface(self, instance: Instance, vif: VIF) -> None:
        wanted = hardware.of(instance.flavor, instance.image_properties)
        plugging.attach(self._guest(instance.uuid), instance, vif, wanted)

    def detach_interface(
        self, instance: Instance, vif: VIF, cancelled: Callable[[], bool] = never
    ) -> None:
        plugging.detach(self._guest(instance.uuid), self._watch, instance, vif, cancelled)

    def snapshot(
        self, instance: Instance, cancelled: Callable[[], bool]
    ) -> AbstractContextManager[DiskImage]:
        guest, folder = self._guest(instance.uuid), self._folder(instance.uuid)
        return snapshots.taken(guest, self._watch, folder, instance, cancelled)

    def console_output(self, instance: Instance, max_bytes: int = 102400) -> bytes:
        return consolelog.tail(self._folder(instance.uuid) / disks.CONSOLE, max_bytes)

    def open_console(self, instance: Instance, protocol: str) -> int:
        return consoles.open_console(self._guest(instance.uuid), protocol)

    def image_cache_sweep(self, in_use: Iterable[str], min_age: int) -> list[str]:
        return self._cache.sweep(in_use, min_age, lambda: disks.backing_files(self._instances))

    def leftovers(self, known: Iterable[str]) -> list[str]:
        here = {*self.instances(), *disks.instance_uuids(self._instances)}
        return sorted(here - set(known))

    def destroy_leftover(self, uuid: str) -> None:
        self._forget(uuid)
        self._folder(uuid).remove()

    def _guest(self, uuid: str) -> Guest:
        return Guest(self._connection, uuid)

    def _folder(self, uuid: str) -> InstanceFolder:
        return InstanceFolder(self._instances, uuid)

    def _existing_folder(self, uuid: str) -> InstanceFolder:
        folder = self._folder(uuid)
        if not folder.path.exists():
            raise errors.NotFound(resource="Guest", id=uuid)
        return folder

    def _accelerator(self) -> str:
        return resources.ACCELERATORS[cfg.CONF.libvirt.virt_type]

    def _xml(
        self,
        instance: Instance,
        image: ImageMeta | None,
        vifs: Sequence[VIF],
        block_devices: Sequence[BlockDevice],
    ) -> str:
        folder = self._folder(instance.uuid)
        return builder.build(plan.plan(instance, image, vifs, block_devices, folder))

    def _forget(self, uuid: str) -> None:
        """No domain, and nothing more to be heard of it."""
        with self._watch.expecting(uuid, states.NOSTATE):
            self._guest(uuid).forget()
        self._watch.forget(uuid)

    def _unspawn(self, instance: Instance) -> None:
        """Undo `spawn`: no domain, no config drive, no console log."""
        self._forget(instance.uuid)
        folder = self._folder(instance.uuid)
        for name in (disks.CONFIG, disks.CONSOLE):
            (folder / name).unlink(missing_ok=True)

    def _start_with(self, guest: Guest, instance: Instance, vifs: list[VIF]) -> None:
        """Start a guest that has ended, on the interfaces it has now."""
        if instance.vm_state != states.RESCUED:
            rescue.leave(guest, self._folder(instance.uuid))
        defined = guest.xml(live=False)
        if defined is None:
            # The domain is gone (the host was reinstalled, say), its disks are not.
            self._existing_folder(instance.uuid)
            guest.start_new(self._xml(instance, None, vifs, instance.block_devices))
            return
        wanted = hardware.of(instance.flavor, instance.image_properties)
        changed = interfaces.replaced(ElementTree.fromstring(defined), vifs, wanted)
        if changed is not None:
            guest.redefine(changed)
        guest.start()

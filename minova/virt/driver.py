"""The interface between nova-compute and what runs the guests.

Drivers know instances, disks and interfaces; they know neither the DB nor
RPC. `tests/contract/test_virt_driver.py` is the suite every driver passes.

Every method may be called again after a crash: making what exists or
destroying what does not is silently fine. A driver raises the errors of
`minova.common.errors`, with messages fit for users.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from minova.model.diagnostics import Diagnostics
from minova.model.instance import VIF, BlockDevice, Flavor, ImageMeta, Instance


@dataclass(frozen=True)
class HostResources:
    """What a host offers. Memory in MiB, disk in GiB.

    `accelerator` is `kvm` or `qemu (TCG)`, with `accelerator_reason` why.
    """

    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    vcpus: int
    memory_mb: int
    disk_gb: int
    disk_available_gb: int
    cpu_info: dict[str, Any] = field(default_factory=dict)
    accelerator: str = ""
    accelerator_reason: str = ""
    supported: list[list[str]] = field(default_factory=list)


class Lifecycle(Enum):
    """What happened to a guest without our asking."""

    STARTED = "started"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"
    CRASHED = "crashed"


@dataclass(frozen=True)
class LifecycleEvent:
    """`uuid` is the instance's; `power_state` is one of `model.states`."""

    uuid: str
    kind: Lifecycle
    power_state: int


@dataclass(frozen=True)
class GuestFiles:
    """What goes onto the config drive: path inside it -> content."""

    files: dict[str, bytes]


@dataclass(frozen=True)
class DiskImage:
    """A disk as a qcow2 file without a backing file: its bytes from the start, `size` of them."""

    size: int
    chunks: Callable[[], Iterator[bytes]]


class ImageSource(Protocol):
    """Where a driver gets an image's bytes from; made by compute."""

    meta: ImageMeta

    def chunks(self) -> Iterator[bytes]:
        """The image's bytes, from its start."""


def never() -> bool:
    """Of what nothing can take over."""
    return False


class Driver(Protocol):
    """A hypervisor host, as nova-compute uses it.

    Where a method waits for the guest, `cancelled` is asked now and then: when
    it says yes, nothing is waited for any longer, and that is errors.Conflict.
    """

    def start(self, on_event: Callable[[LifecycleEvent], None]) -> None:
        """Connect, prove the accelerator, and report events from now on.

        Raises errors.Unavailable with the reason when guests cannot run here.
        """

    def stop(self) -> None:
        """Disconnect. Guests keep running."""

    def resources(self) -> HostResources:
        """What the host offers now."""

    def instances(self) -> dict[str, int]:
        """The uuid and power state of every guest of ours on this host."""

    def power_state(self, instance: Instance) -> int:
        """One guest's power state; `states.NOSTATE` when there is none."""

    def cache_image(self, source: ImageSource) -> None:
        """Have the image in the cache: downloaded once, verified, inspected.

        Blocks while another process downloads it. Raises errors.Invalid when
        checksum or format are not what the image service said.
        """

    def make_disks(self, instance: Instance, image: ImageMeta | None) -> None:
        """The instance's local disks, on top of the cached image.

        Raises errors.Invalid when the image does not fit the flavor.
        """

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
        """Define the guest, and start it unless told not to. Its volumes are connected.

        Marks steps 15 and 16 of the launch. Leaves nothing behind on failure
        but the disks of `make_disks`.
        """

    def clear(self, instance: Instance, *, keep_ephemeral: bool) -> None:
        """Stop the guest hard and remove it with its disks, for a rebuild.

        The ephemeral disks stay with `keep_ephemeral`.
        """

    def destroy(self, instance: Instance) -> None:
        """Stop the guest hard and forget it: domain, disks, config drive, console log."""

    def power_off(
        self, instance: Instance, timeout: int = 60, cancelled: Callable[[], bool] = never
    ) -> None:
        """Shut down by ACPI, hard after `timeout` seconds (0: at once)."""

    def power_on(self, instance: Instance, vifs: list[VIF]) -> None:
        """Start a stopped guest."""

    def reboot(
        self,
        instance: Instance,
        vifs: list[VIF],
        hard: bool,
        timeout: int = 60,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        """Soft: ACPI, then hard if the guest has not reacted within `timeout` seconds."""

    def pause(self, instance: Instance) -> None:
        """Stop its CPUs; its memory stays. Raises errors.Conflict when the guest has ended."""

    def unpause(self, instance: Instance) -> None:
        """Let a paused guest go on, at the right time. Raises errors.Conflict when it has ended."""

    def suspend(self, instance: Instance, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Write its memory to the host's disk, where it outlives a reboot of the host.

        The guest is gone then, and its power state POWER_SUSPENDED. `cancelled`
        is asked now and then; when it says yes, the guest runs on and that is an
        error. Raises errors.Conflict when it had ended before.
        """

    def resume(self, instance: Instance) -> None:
        """Go on where `suspend` has stopped, at the right time; its volumes are connected."""

    def set_password(
        self, instance: Instance, password: str, cancelled: Callable[[], bool] = never
    ) -> None:
        """Have the guest's agent set the administrator's password, within a minute.

        A guest that has just started gets time to boot its agent.
        Raises errors.Conflict when the image names no agent, or it refuses, and
        errors.NotSupported when it does not answer.
        """

    def trigger_crash_dump(self, instance: Instance) -> None:
        """Send the guest an NMI. Raises errors.Conflict when it does not run."""

    def diagnostics(self, instance: Instance) -> Diagnostics:
        """What the guest has used since it was started."""

    def rescue(
        self,
        instance: Instance,
        image: ImageMeta,
        vifs: list[VIF],
        config_drive: GuestFiles | None,
    ) -> None:
        """Boot the cached `image`, the instance's own disks beside it.

        How they stand is in `virt.libvirt.rescue`. Ends a guest that runs.
        Raises errors.Invalid when the image asks for a device there is not,
        errors.NotFound when there is nothing to rescue.
        """

    def unrescue(self, instance: Instance, vifs: list[VIF]) -> None:
        """Boot its own disks again, and remove what the rescue had."""

    def migrate_out(
        self,
        instance: Instance,
        migration_id: str,
        flavor: Flavor,
        cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        """Stop the guest and keep its disks as they are, for a way back under `migration_id`.

        `instance` has its old flavor. Answers what another host needs to go
        on with it. Raises errors.Invalid, with the guest left alone, when
        `flavor` would make a disk smaller. `cancelled` is asked now and then;
        errors.Conflict when it says yes.
        """

    def migrate_in(
        self, instance: Instance, luggage: dict[str, Any], vifs: list[VIF], *, start: bool
    ) -> None:
        """Make the disks as large as the instance's (new) flavor says, and the guest anew.

        `luggage` is what `migrate_out` answered; the volumes are connected.
        """

    def confirm_migration(self, instance: Instance, migration_id: str) -> None:
        """Remove what `migrate_out` has kept; the guest is left alone."""

    def revert_migration(
        self, instance: Instance, migration_id: str, vifs: list[VIF], *, start: bool
    ) -> None:
        """Have the guest as it was before `migrate_out`, if it has come that far.

        `instance` has its old flavor; the volumes are connected.
        """

    def attach_volume(self, instance: Instance, device: BlockDevice) -> str:
        """Plug a connected volume into the guest, running or not; its name there (`/dev/vdb`).

        Raises errors.Conflict when the `device_name` asked for is taken.
        """

    def detach_volume(
        self, instance: Instance, device: BlockDevice, cancelled: Callable[[], bool] = never
    ) -> None:
        """Unplug it, and return when the guest has let go. Raises errors.Conflict if it won't."""

    def attach_interface(self, instance: Instance, vif: VIF) -> None:
        """Plug a bound port into the guest, running or not. errors.NotFound when there is none."""

    def detach_interface(
        self, instance: Instance, vif: VIF, cancelled: Callable[[], bool] = never
    ) -> None:
        """Unplug it, and return when the guest has let go. Raises errors.Conflict if it won't."""

    def snapshot(
        self, instance: Instance, cancelled: Callable[[], bool]
    ) -> AbstractContextManager[DiskImage]:
        """The root disk as it is at one moment, for the block; the guest goes on meanwhile.

        The guest's agent freezes its file systems for that moment, if there is
        one; errors.Conflict when it does not and the image says that it must
        (`os_require_quiesce`). Nothing is left after the block. `cancelled` is
        asked now and then; errors.Conflict when it says yes, errors.NotFound
        without a local root disk.
        """

    def console_output(self, instance: Instance, max_bytes: int = 102400) -> bytes:
        """The end of the guest's console log, across its restarts."""

    def open_console(self, instance: Instance, protocol: str) -> int:
        """A file descriptor of the guest's screen (`vnc`, RFB) or serial line (`serial`).

        The caller closes it; it ends when the guest does. errors.Conflict when the
        guest does not run, errors.NotFound or errors.Conflict when there is none.
        """

    def image_cache_sweep(self, in_use: Iterable[str], min_age: int) -> list[str]:
        """Remove cached images not in `in_use` and unused for `min_age` seconds; their ids."""

    def leftovers(self, known: Iterable[str]) -> list[str]:
        """Uuids with a domain or files here that are not in `known`."""

    def destroy_leftover(self, uuid: str) -> None:
        """Remove a guest and files of which only the uuid is known."""

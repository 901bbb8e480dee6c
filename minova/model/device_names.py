"""Which name each disk of a guest has: the root first, then the local disks, then volumes.

A name says the bus: `vdb` is virtio's, `sdb` that of SCSI, SATA and USB,
`hdb` IDE's. A guest's own kernel may count differently; the serial of a
volume (its id) is what never changes.
"""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minova.common import errors
from minova.model.instance import BlockDevice, Flavor

VIRTIO = "virtio"
# bus -> how the names of its disks begin
PREFIXES = {VIRTIO: "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
EPHEMERAL, SWAP = "ephemeral", "swap"
_PREFIX = "/dev/"
_LETTERS = string.ascii_lowercase
_IDE_LETTERS = _LETTERS[:4]


@dataclass(frozen=True)
class LocalDisk:
    """An empty disk that is a file of the host; `number` counts those of its `kind`.

    `id` is that of its block device, or the kind where only the flavor has it.
    """

    id: str
    kind: str
    number: int
    size_mb: int
    name: str
    bus: str
    format: str | None = None


@dataclass(frozen=True)
class Arrangement:
    """The names of a server's disks: `root` is `vda`; volumes have theirs as `/dev/vdb`."""

    root: str
    root_bus: str
    local: list[LocalDisk]
    volumes: list[BlockDevice]

    @property
    def taken(self) -> set[str]:
        """Every name in use, `vda`."""
        return {
            self.root,
            *(disk.name for disk in self.local),
            *(short(device.device_name) for device in self.volumes),
        }


def arrange(flavor: Flavor, devices: Sequence[BlockDevice], bus: str = VIRTIO) -> Arrangement:
    """The final names of all disks; `bus` is that of the disks which name none.

    The device with boot_index 0 is the root. What the launch said of
    ephemeral and swap disks goes before the flavor's. A wanted name is kept
    where it is one of its bus and free. Raises errors.Invalid when there are
    more disks than names.
    """
    root = next((device for device in devices if device.boot_index == 0), None)
    root_bus = bus_of(root, bus) if root is not None else bus
    names = _Names(f"{PREFIXES[root_bus]}a")
    blanks, implied = _blanks(flavor, devices)
    volumes = [device for device in devices if device.is_volume]
    for blank in implied:
        names.give(blank, bus)
    for wanting in (*blanks, *volumes):
        if wanting.is_boot_volume:
            names.known[wanting.id] = names.root
        else:
            names.keep(wanting, bus)
    for device in (*blanks, *volumes):
        names.give(device, bus)
    return Arrangement(
        root=names.root,
        root_bus=root_bus,
        local=_local([*blanks, *implied], names.known, bus),
        volumes=[replace(d, device_name=_PREFIX + names.known[d.id]) for d in volumes],
    )


def assign(flavor: Flavor, devices: Sequence[BlockDevice], bus: str = VIRTIO) -> list[BlockDevice]:
    """The volumes among `devices`, each with its final `device_name` (`/dev/vdb`)."""
    return arrange(flavor, devices, bus).volumes


def choose(wanted: str | None, taken: Iterable[str], bus: str = VIRTIO) -> str:
    """The name (`vdb`) for one more disk: the wanted one, if it is one of ours, or the next.

    Raises errors.Conflict when it is taken.
    """
    used = {short(name) for name in taken}
    name = short(wanted)
    if name in used:
        raise errors.Conflict(f"The device name {_PREFIX}{name} is taken; leave it out.")
    return name if _fits(name, bus) else next_free(used, bus)


def next_free(taken: Iterable[str], bus: str = VIRTIO) -> str:
    """The first name (`vdb`) that is not taken; errors.Invalid when all are."""
    used = {short(name) for name in taken}
    letters = _letters(bus)
    # The first is the root's, also before it has it.
    for letter in letters[1:] if bus == VIRTIO else letters:
        name = f"{PREFIXES[bus]}{letter}"
        if name not in used:
            return name
    raise errors.Invalid(f"A server can have at most {len(letters)} disks on its {bus} bus.")


def usual_bus(image_properties: Mapping[str, Any]) -> str:
    """The bus that the image asks its disks to be on; virtio unless it names one of ours."""
    named = str(image_properties.get("hw_disk_bus") or VIRTIO).lower()
    return named if named in PREFIXES else VIRTIO


def bus_of(device: BlockDevice, default: str = VIRTIO) -> str:
    """The bus a device is on: its own, that of CD-ROMs, or the `default` of its server."""
    if device.disk_bus:
        return device.disk_bus
    if device.device_type == "cdrom":
        return "scsi" if default == VIRTIO else default
    return default


def short(name: str | None) -> str:
    """`vdb` of `/dev/vdb`."""
    return (name or "").removeprefix(_PREFIX)


class _Names:
    """Names being given: device id -> `vdb`."""

    def __init__(self, root: str) -> None:
        self.root, self._taken = root, {root}
        self.known: dict[str, str] = {}

    def keep(self, device: BlockDevice, bus: str) -> None:
        """The wanted name, if it can be had."""
        name = short(device.device_name)
        if _fits(name, bus_of(device, bus)) and name not in self._taken:
            self._take(device, name)

    def give(self, device: BlockDevice, bus: str) -> None:
        """Any name, to what has none yet."""
        if device.id not in self.known:
            self._take(device, next_free(self._taken, bus_of(device, bus)))

    def _take(self, device: BlockDevice, name: str) -> None:
        self.known[device.id] = name
        self._taken.add(name)


def is_blank(device: BlockDevice) -> bool:
    """Whether it is an ephemeral or swap disk that the launch asked for."""
    return device.source_type == "blank" and not device.is_volume


def is_swap(device: BlockDevice) -> bool:
    return is_blank(device) and device.guest_format == SWAP


def _blanks(
    flavor: Flavor, devices: Sequence[BlockDevice]
) -> tuple[list[BlockDevice], list[BlockDevice]]:
    """The blank disks asked for, and those that the flavor has without a word."""
    ephemerals = [d for d in devices if is_blank(d) and not is_swap(d)]
    swaps = [d for d in devices if is_swap(d)]
    implied = []
    if flavor.ephemeral_gb and not ephemerals:
        implied.append(_implied(EPHEMERAL, flavor.ephemeral_gb))
    if flavor.swap_mb and not swaps:
        implied.append(_implied(SWAP, flavor.swap_mb))
    return [*ephemerals, *swaps], implied


def _implied(kind: str, size: int) -> BlockDevice:
    return BlockDevice(
        id=kind,
        source_type="blank",
        destination_type="local",
        guest_format=SWAP if kind == SWAP else None,
        volume_size_gb=size,
    )


def _local(devices: Sequence[BlockDevice], names: dict[str, str], bus: str) -> list[LocalDisk]:
    found: list[LocalDisk] = []
    for kind in (EPHEMERAL, SWAP):
        ours = [device for device in devices if is_swap(device) == (kind == SWAP)]
        for number, device in enumerate(ours):
            # A swap disk is measured in MiB, as the flavor's is.
            size = (device.volume_size_gb or 0) * (1 if kind == SWAP else 1024)
            found.append(
                LocalDisk(
                    id=device.id,
                    kind=kind,
                    number=number,
                    size_mb=size,
                    name=names[device.id],
                    bus=bus_of(device, bus),
                    format=None if kind == SWAP else device.guest_format,
                )
            )
    return found


def _letters(bus: str) -> str:
    return _IDE_LETTERS if bus == "ide" else _LETTERS


def _fits(name: str, bus: str) -> bool:
    return len(name) == 3 and name[:2] == PREFIXES[bus] and name[2] in _letters(bus)

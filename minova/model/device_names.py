"""Which name each disk of a guest has: `vda` the root, then the local disks, then volumes.

The names are virtio's. A guest's own kernel may count differently; the
serial of a volume (its id) is what never changes.
"""

import string
from collections.abc import Iterable, Sequence
from dataclasses import replace

from minova.common import errors
from minova.model.instance import BlockDevice, Flavor

ROOT = "vda"
_PREFIX = "/dev/"
_NAMES = tuple(f"vd{letter}" for letter in string.ascii_lowercase)


def local_disks(flavor: Flavor) -> dict[str, str]:
    """What of `ephemeral` and `swap` the flavor has -> its name."""
    wanted = (("ephemeral", flavor.ephemeral_gb), ("swap", flavor.swap_mb))
    present = [kind for kind, size in wanted if size]
    return dict(zip(present, _NAMES[1:], strict=False))


def assign(flavor: Flavor, devices: Sequence[BlockDevice]) -> list[BlockDevice]:
    """The volumes among `devices`, each with its final `device_name` (`/dev/vdb`).

    The boot volume is the root. A wanted name is kept where it is one of ours
    and free. Raises errors.Invalid when there are more than names.
    """
    volumes = [device for device in devices if device.is_volume]
    taken = {ROOT, *local_disks(flavor).values()}
    named: dict[str, str] = {}
    for device in volumes:
        name = ROOT if device.is_boot_volume else short(device.device_name)
        if device.is_boot_volume or (name in _NAMES and name not in taken):
            named[device.id] = name
            taken.add(name)
    for device in volumes:
        if device.id not in named:
            named[device.id] = next_free(taken)
            taken.add(named[device.id])
    return [replace(device, device_name=_PREFIX + named[device.id]) for device in volumes]


def choose(wanted: str | None, taken: Iterable[str]) -> str:
    """The name (`vdb`) for one more disk: the wanted one, if it is one of ours, or the next.

    Raises errors.Conflict when it is taken.
    """
    used = {short(name) for name in taken}
    name = short(wanted)
    if name in used:
        raise errors.Conflict(f"The device name {_PREFIX}{name} is taken; leave it out.")
    return name if name in _NAMES else next_free(used)


def next_free(taken: Iterable[str]) -> str:
    """The first name (`vdb`) that is not taken; errors.Invalid when all are."""
    used = {short(name) for name in taken}
    for name in _NAMES[1:]:
        if name not in used:
            return name
    raise errors.Invalid(f"A server can have at most {len(_NAMES)} disks.")


def short(name: str | None) -> str:
    """`vdb` of `/dev/vdb`."""
    return (name or "").removeprefix(_PREFIX)

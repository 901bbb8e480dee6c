"""How a rescue disk is plugged in: what a rescue image may ask for.

Source: the rescue chapter of nova's user guide, and the image properties
`hw_rescue_device` and `hw_rescue_bus`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minova.common import errors

DEVICE, BUS = "hw_rescue_device", "hw_rescue_bus"
DISK, CDROM, FLOPPY = "disk", "cdrom", "floppy"
# device -> the buses it can be on; the first is taken when none is asked for.
_BUSES: dict[str, tuple[str, ...]] = {
    DISK: ("virtio", "scsi", "sata", "ide", "usb"),
    CDROM: ("", "scsi", "sata", "ide", "usb"),
    FLOPPY: ("fdc",),
}


@dataclass(frozen=True)
class Wanted:
    """A rescue disk beside the others; `bus` "" is the machine's own for CD-ROMs."""

    device: str
    bus: str


def wanted(properties: Mapping[str, Any]) -> Wanted | None:
    """What the image asks for, or None when it asks for nothing: the rescue is plain.

    Raises errors.Invalid when it asks for what there is not.
    """
    if not (properties.get(DEVICE) or properties.get(BUS)):
        return None
    device = str(properties.get(DEVICE) or DISK)
    if device not in _BUSES:
        raise errors.Invalid(
            f"The rescue image's {DEVICE} {device[:64]!r} is none of {', '.join(_BUSES)}."
        )
    bus = str(properties.get(BUS) or _BUSES[device][0])
    if bus not in _BUSES[device]:
        buses = ", ".join(name for name in _BUSES[device] if name)
        raise errors.Invalid(
            f"The rescue image's {BUS} {bus[:64]!r} takes no {device}; it can be {buses}."
        )
    return Wanted(device, bus)

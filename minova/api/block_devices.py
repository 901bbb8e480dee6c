"""The block devices a launch asks for, read from its body and its image; nobody else is asked.

Both forms of the API end in `BlockDevice`s: `block_device_mapping` of the
first days, and `block_device_mapping_v2`. An image of a server that booted
from a volume brings devices of its own, which those of the body override.
Source: the compute API reference, and the guide to block device mapping of
nova 34.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oslo_config import cfg

from minova.api.validation import boolean, is_uuid
from minova.common import errors
from minova.model import device_names
from minova.model.instance import BlockDevice, Flavor, ImageMeta

WRONG = "Block Device Mapping is Invalid: "
_BOOT = (
    WRONG + "Boot sequence for the instance and image/block device mapping combination is "
    "not valid."
)
_ROOT_NAMES = ("vda", "sda", "hda")
# What an ephemeral disk can be formatted as; None leaves the choice to us.
_FORMATS = (None, "", "ext2", "ext3", "ext4")
_DEVICE_TYPES = (None, "", "disk", "cdrom")
Entry = dict[str, Any]


def read(wanted: dict[str, Any], image: ImageMeta | None, flavor: Flavor) -> list[BlockDevice]:
    """The devices, the one with boot_index 0 first; errors.Invalid in Nova's words."""
    if "block_device_mapping" in wanted and "block_device_mapping_v2" in wanted:
        raise errors.Invalid(
            "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    old = [_modern(entry) for entry in wanted.get("block_device_mapping") or []]
    entries = old or list(wanted.get("block_device_mapping_v2") or [])
    _check_names(entries, image)
    entries = _with_images_own(entries, image)
    devices = [_device(entry, image) for entry in entries if not boolean(entry.get("no_device"))]
    if old and image is None:
        devices = _first_boots(devices)
    devices = _with_root(devices, image)
    _check_tags(devices)
    return _check_local(devices, flavor)


def _modern(old: Entry) -> Entry:
    """A block_device_mapping entry of the first kind as one of v2."""
    name = device_names.short(old.get("device_name"))
    entry: Entry = {
        "device_name": old.get("device_name"),
        "delete_on_termination": old.get("delete_on_termination", False),
        "volume_size": old.get("volume_size"),
        "no_device": old.get("no_device"),
    }
    virtual = old.get("virtual_name")
    if virtual == "swap" or (virtual or "").startswith("ephemeral"):
        kind = "swap" if virtual == "swap" else None
        return {
            **entry,
            "source_type": "blank",
            "destination_type": "local",
            "guest_format": kind,
        }
    if not (old.get("snapshot_id") or old.get("volume_id") or boolean(old.get("no_device"))):
        raise errors.Invalid(WRONG + "Unrecognized legacy format.")
    source = "snapshot" if old.get("snapshot_id") else "volume"
    return {
        **entry,
        "source_type": source,
        "destination_type": "volume",
        "uuid": old.get("snapshot_id") or old.get("volume_id"),
        "boot_index": 0 if name in _ROOT_NAMES else None,
    }


def _check_names(entries: Sequence[Entry], image: ImageMeta | None) -> None:
    for entry in entries:
        name = device_names.short(entry.get("device_name"))
        if " " in name:
            raise errors.Invalid(WRONG + "Device name contains spaces.")
        to_volume = entry.get("destination_type") == "volume" and entry.get("boot_index") != 0
        if image is not None and to_volume and name == "vda":
            raise errors.Invalid(
                "The volume cannot be assigned the same device name as the root device vda"
            )


def _with_images_own(entries: list[Entry], image: ImageMeta | None) -> list[Entry]:
    """The body's devices and those the image says it consists of, without doubles."""
    own = _of_image(image)
    if any(_index(entry) == 0 for entry in own):
        # Clients name the image as the root themselves; the image knows better.
        entries = [e for e in entries if not (_index(e) == 0 and e.get("source_type") == "image")]
    names = {device_names.short(entry.get("device_name")) for entry in entries} - {""}
    kept = [e for e in own if device_names.short(e.get("device_name")) not in names]
    return [*kept, *entries]


def _of_image(image: ImageMeta | None) -> list[Entry]:
    said = (image.properties if image is not None else {}).get("block_device_mapping")
    if not said or image is None:
        return []
    try:
        entries = json.loads(said) if isinstance(said, str) else said
        if boolean(image.properties.get("bdm_v2", False)):
            return [_plain(entry) for entry in entries]
        return [_modern(entry) for entry in entries]
    except (ValueError, TypeError, AttributeError):
        raise errors.Invalid(
            f"Image {image.id} describes its block devices in a way that cannot be read."
        ) from None


def _plain(entry: Entry) -> Entry:
    """An image's entry has ids where the API has `uuid`."""
    source = entry.get("source_type") or "snapshot"
    return {
        **entry,
        "source_type": source,
        "uuid": entry.get("uuid") or entry.get(f"{source}_id"),
        "delete_on_termination": entry.get("delete_on_termination") or False,
    }


def _device(entry: Entry, image: ImageMeta | None) -> BlockDevice:
    source = entry["source_type"]
    destination = entry.get("destination_type") or ("volume" if source == "volume" else "local")
    reference = entry.get("uuid")
    _check_source(entry, source, destination, image)
    index = _index(entry)
    size = entry.get("volume_size")
    return BlockDevice(
        id=str(uuid.uuid4()),
        source_type=source,
        destination_type=destination,
        boot_index=None if index is None or index < 0 else index,
        volume_id=reference if source == "volume" else None,
        image_id=reference if source == "image" else None,
        snapshot_id=reference if source == "snapshot" else None,
        volume_size_gb=None if size in (None, "") else int(size),
        volume_type=entry.get("volume_type") or None,
        device_name=entry.get("device_name"),
        delete_on_termination=boolean(entry.get("delete_on_termination", False)),
        tag=entry.get("tag"),
        guest_format=entry.get("guest_format") or None,
        disk_bus=entry.get("disk_bus") or None,
        device_type=entry.get("device_type") or None,
    )


def _check_source(entry: Entry, source: str, destination: str, image: ImageMeta | None) -> None:
    reference = entry.get("uuid")
    if source == "blank" and reference:
        raise errors.Invalid(WRONG + "Invalid device UUID.")
    if source != "blank" and not reference:
        raise errors.Invalid(WRONG + "Missing device UUID.")
    if reference and not is_uuid(str(reference)):
        raise errors.Invalid(WRONG + f"failed to get {source} {str(reference)[:64]}.")
    if destination == "local":
        if source == "image" and (image is None or _index(entry) != 0):
            raise errors.Invalid(WRONG + "Mapping image to local is not supported.")
        if source == "image" and image is not None and reference != image.id:
            raise errors.Invalid(
                WRONG + "a local disk is made of the image of imageRef; name it in both."
            )
        if source in ("volume", "snapshot"):
            raise errors.Invalid(WRONG + f"Mapping {source} to local is not supported.")
        if entry.get("volume_type"):
            raise errors.Invalid(
                WRONG + "Specifying a volume_type with destination_type=local is not supported."
            )
    elif source == "volume" and entry.get("volume_type"):
        raise errors.Invalid(WRONG + "Specifying volume type to existing volume is not supported.")
    bus, kind = entry.get("disk_bus"), entry.get("device_type")
    if bus and bus not in device_names.PREFIXES:
        raise errors.Invalid(WRONG + f"The provided disk bus {bus[:64]} is not valid.")
    if kind not in _DEVICE_TYPES:
        raise errors.Invalid(
            WRONG + f"The device type {str(kind)[:64]} is not available; use disk or cdrom."
        )


def _first_boots(devices: list[BlockDevice]) -> list[BlockDevice]:
    """Of the old form, without an image, the first that can boot does."""
    if any(device.boot_index == 0 for device in devices):
        return devices
    first = next((d for d in devices if d.source_type != "blank"), None)
    return [replace(d, boot_index=0) if d is first else d for d in devices]


def _with_root(devices: list[BlockDevice], image: ImageMeta | None) -> list[BlockDevice]:
    """At most one device boots first; without a word of it, that is the image's local disk."""
    indexes = sorted(d.boot_index for d in devices if d.boot_index is not None)
    if indexes != list(range(len(indexes))):
        raise errors.Invalid(_BOOT)
    if indexes:
        first = [device for device in devices if device.boot_index == 0]
        if device_names.is_blank(first[0]):
            raise errors.Invalid(_BOOT)
        return [*first, *(device for device in devices if device.boot_index != 0)]
    if image is None:
        raise errors.Invalid(_BOOT if devices else "Invalid imageRef provided.")
    root = BlockDevice(
        id=str(uuid.uuid4()),
        source_type="image",
        destination_type="local",
        boot_index=0,
        image_id=image.id,
        delete_on_termination=True,
    )
    return [root, *devices]


def _check_tags(devices: Sequence[BlockDevice]) -> None:
    tags = [device.tag for device in devices if device.tag]
    if len(tags) != len(set(tags)):
        raise errors.Invalid(WRONG + "tags must be unique.")


def _check_local(devices: list[BlockDevice], flavor: Flavor) -> list[BlockDevice]:
    """The blank disks fit what the flavor has of each; their sizes are said from here on."""
    sized: list[BlockDevice] = []
    for device in devices:
        if not device_names.is_blank(device):
            sized.append(device)
            continue
        swap = device_names.is_swap(device)
        if not swap and device.guest_format not in _FORMATS:
            raise errors.Invalid(
                WRONG + f"an ephemeral disk cannot be formatted as {device.guest_format}; "
                "choose ext2, ext3 or ext4."
            )
        size = device.volume_size_gb or (flavor.swap_mb if swap else flavor.ephemeral_gb)
        if size:
            sized.append(replace(device, volume_size_gb=size))
        elif swap:
            raise errors.Invalid("Swap drive requested is larger than instance type allows.")
    swaps = [d.volume_size_gb or 0 for d in sized if device_names.is_swap(d)]
    ephemerals = [d.volume_size_gb or 0 for d in sized if device_names.is_blank(d)]
    if sum(ephemerals) - sum(swaps) > flavor.ephemeral_gb:
        raise errors.Invalid(
            "Ephemeral disks requested are larger than the instance type allows. If no size is "
            "given in one block device mapping, flavor ephemeral size will be used."
        )
    if len(swaps) > 1:
        raise errors.Invalid(WRONG + "More than one swap drive requested.")
    if sum(swaps) > flavor.swap_mb:
        raise errors.Invalid("Swap drive requested is larger than instance type allows.")
    most: int = cfg.CONF.api.max_local_block_devices
    if 0 <= most < sum(not d.is_volume for d in sized):
        raise errors.Invalid(WRONG + "You specified more local devices than the limit allows")
    return sized


def _index(entry: Entry) -> int | None:
    index = entry.get("boot_index")
    return None if index is None else int(index)

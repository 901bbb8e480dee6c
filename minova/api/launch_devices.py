"""The block devices of a launch: what it boots from, and the volumes beside."""

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from minova.api.validation import boolean, is_uuid
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.model import device_names
from minova.model.instance import BlockDevice, Flavor, ImageMeta, Instance

_WRONG = "Block Device Mapping is Invalid: "
_BOOT = (
    _WRONG + "Boot sequence for the instance and image/block device mapping combination is "
    "not valid."
)


@dataclass(frozen=True)
class Devices:
    """The checked devices; `image_properties` are those of a boot volume's image."""

    devices: list[BlockDevice]
    image_properties: dict[str, Any] = field(default_factory=dict)


def checked(
    wanted: dict[str, Any],
    image: ImageMeta | None,
    flavor: Flavor,
    volumes: VolumeClient,
    most: int,
) -> Devices:
    """The devices the body asks for; errors.Invalid in Nova's words."""
    if "block_device_mapping" in wanted and "block_device_mapping_v2" in wanted:
        raise errors.Invalid(
            "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    entries = wanted.get("block_device_mapping_v2") or [
        _modern(old) for old in wanted.get("block_device_mapping") or []
    ]
    devices = [_device(entry, image) for entry in entries if not boolean(entry.get("no_device"))]
    devices = _with_root(devices, image)
    if any(d.is_volume for d in devices) and most > 1:
        raise errors.Invalid(
            "Cannot attach one or more volumes to multiple instances; launch them one by one."
        )
    tags = [d.tag for d in devices if d.tag]
    if len(tags) != len(set(tags)):
        raise errors.Invalid(_WRONG + "tags must be unique.")
    properties = _check_volumes(devices, volumes)
    local = [replace(d, device_name="/dev/vda") for d in devices if not d.is_volume]
    return Devices([*local, *device_names.assign(flavor, devices)], properties)


def _modern(old: dict[str, Any]) -> dict[str, Any]:
    """A block_device_mapping entry of the first kind as one of v2."""
    name = (old.get("device_name") or "").removeprefix("/dev/")
    return {
        "source_type": "snapshot" if old.get("snapshot_id") else "volume",
        "destination_type": "volume",
        "uuid": old.get("snapshot_id") or old.get("volume_id"),
        "device_name": name or None,
        "boot_index": 0 if name in ("vda", "sda", "hda") else None,
        "delete_on_termination": old.get("delete_on_termination", False),
        "no_device": old.get("no_device"),
    }


def _device(entry: dict[str, Any], image: ImageMeta | None) -> BlockDevice:
    source = entry["source_type"]
    destination = entry.get("destination_type") or ("volume" if source == "volume" else "local")
    reference = entry.get("uuid")
    _check_kind(source, destination)
    if not reference or not is_uuid(reference):
        raise errors.Invalid(_WRONG + f"a {source} needs the uuid of one.")
    if source == "image" and (image is None or reference != image.id):
        raise errors.Invalid(
            _WRONG + "a local disk is made of the image of imageRef; name the same image in both."
        )
    index = entry.get("boot_index")
    return BlockDevice(
        id=str(uuid.uuid4()),
        source_type=source,
        destination_type=destination,
        boot_index=None if index is None or int(index) < 0 else int(index),
        volume_id=reference if source == "volume" else None,
        image_id=reference if source == "image" else None,
        device_name=entry.get("device_name"),
        delete_on_termination=boolean(entry.get("delete_on_termination", False)),
        tag=entry.get("tag"),
    )


def _check_kind(source: str, destination: str) -> None:
    if source == "volume" and destination != "volume":
        raise errors.Invalid(
            "Invalid input for field/attribute destination_type: a volume's is volume."
        )
    if (source, destination) in (("image", "local"), ("volume", "volume")):
        return
    if destination == "volume":
        raise errors.Invalid(
            _WRONG + f"this cloud makes no volume of a launch's {source}. Create the "
            "volume first, then name it with source_type volume."
        )
    raise errors.Invalid(
        _WRONG + f"a local disk of source_type {source} is not available on this cloud; choose a "
        "flavor with an ephemeral or swap disk."
    )


def _with_root(devices: list[BlockDevice], image: ImageMeta | None) -> list[BlockDevice]:
    """Exactly one device boots; without a word of it, that is the image's local disk."""
    roots = [d for d in devices if d.boot_index == 0]
    indexes = sorted(d.boot_index for d in devices if d.boot_index is not None)
    first = 0 if roots or image is None else 1
    if indexes != list(range(first, first + len(indexes))):
        raise errors.Invalid(_BOOT)
    if roots:
        if roots[0].is_volume and image is not None:
            raise errors.Invalid(_BOOT + " Leave out imageRef to boot from the volume.")
        return [*roots, *(d for d in devices if d.boot_index != 0)]
    if image is None:
        raise errors.Invalid(
            "Invalid imageRef provided. Name an image, or a volume with boot_index 0."
        )
    local = [d for d in devices if d.source_type == "image"]
    others = [d for d in devices if d.source_type != "image"]
    if len(local) > 1:
        raise errors.Invalid(_BOOT)
    root = (
        replace(local[0], boot_index=0)
        if local
        else BlockDevice(
            id=str(uuid.uuid4()),
            source_type="image",
            destination_type="local",
            boot_index=0,
            image_id=image.id,
            delete_on_termination=True,
        )
    )
    return [root, *others]


def _check_volumes(devices: list[BlockDevice], volumes: VolumeClient) -> dict[str, Any]:
    """Every volume is there and free; the image properties of the one it boots from."""
    ids = [d.volume_id for d in devices if d.is_volume]
    if len(ids) != len(set(ids)):
        raise errors.Invalid(_WRONG + "a volume may be listed only once.")
    properties: dict[str, Any] = {}
    for device in devices:
        if not device.is_volume:
            continue
        volume = get_volume(volumes, str(device.volume_id))
        if device.boot_index == 0:
            if str(volume.get("bootable", "true")).lower() != "true":
                raise errors.Invalid(f"Block Device {device.volume_id} is not bootable.")
            properties = dict(volume.get("volume_image_metadata") or {})
    return properties


def get_volume(volumes: VolumeClient, volume_id: str) -> dict[str, Any]:
    """A volume that is free to be attached; errors.Invalid."""
    try:
        volume = volumes.get(volume_id)
    except errors.NotFound:
        raise errors.Invalid(_WRONG + f"failed to get volume {volume_id}.") from None
    if volume.get("multiattach") and volume.get("status") == "in-use":
        raise errors.Conflict(
            f"Volume {volume_id} has 'multiattach' set, which is not supported for this instance."
        )
    if volume.get("status") != "available":
        raise errors.Invalid(
            f"Invalid volume: volume '{volume_id}' status must be 'available'. Currently in "
            f"'{volume.get('status')}'"
        )
    return volume


def reserved(ctxt: RequestContext, instance: Instance, undo: Undo) -> Instance:
    """`instance` with its volumes reserved, so that no other launch takes them meanwhile."""
    devices = []
    for device in instance.block_devices:
        if device.is_volume:
            attachment = reserve(ctxt, str(device.volume_id), instance.uuid)
            undo.push(VolumeClient().detach, attachment)
            device = replace(device, attachment_id=attachment)
        devices.append(device)
    # Several servers of one request share what was asked for, not the mapping's row.
    if instance.launch_index:
        devices = [replace(device, id=str(uuid.uuid4())) for device in devices]
    return replace(instance, block_devices=devices)


def reserve(ctxt: RequestContext, volume_id: str, server_id: str) -> str:
    """Reserve a volume with the caller's rights; the attachment's id. errors.Invalid."""
    try:
        return VolumeClient(ctxt).reserve(volume_id, server_id)
    except (errors.Conflict, errors.NotFound) as error:
        raise errors.Invalid(f"Invalid volume: {error.message}") from None

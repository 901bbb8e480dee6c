"""The volumes of a launch: checked, reserved, and made where it boots from a new one.

A volume that a launch makes is asked for here, with the caller's token,
because it becomes hers; the build waits until it is there. Until the launch
has entered the DB, whatever was reserved or made is given back on failure.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from minova.api import block_devices
from minova.api.block_devices import WRONG
from minova.api.microversions import Version
from minova.clients.image import ImageClient
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.model import device_names
from minova.model.instance import BlockDevice, Flavor, ImageMeta, Instance

GIB = 1024**3
_MULTIATTACH_SINCE = (2, 60)
_TWICE = "Cannot attach one or more volumes to multiple instances"


@dataclass(frozen=True)
class Devices:
    """The checked devices; `image_properties` are those of a boot volume's image."""

    devices: list[BlockDevice]
    image_properties: dict[str, Any] = field(default_factory=dict)

    @property
    def boots_from_volume(self) -> bool:
        return any(device.is_boot_volume for device in self.devices)

    @property
    def root_name(self) -> str | None:
        """`/dev/vda`."""
        return next((d.device_name for d in self.devices if d.boot_index == 0), None)


def checked(
    wanted: dict[str, Any],
    image: ImageMeta | None,
    flavor: Flavor,
    ctxt: RequestContext,
    most: int,
) -> Devices:
    """The devices the body asks for; errors.Invalid in Nova's words."""
    devices = block_devices.read(wanted, image, flavor)
    if most > 1 and any(d.volume_id for d in devices):
        raise errors.Invalid(_TWICE)
    ids = [d.volume_id for d in devices if d.volume_id]
    if len(ids) != len(set(ids)):
        raise errors.Invalid(WRONG + "a volume may be listed only once.")
    properties = dict(image.properties) if image is not None else {}
    if any(device.is_volume for device in devices):
        sources, found = _Sources(ctxt), []
        for device in devices:
            if device.is_volume:
                device, its_properties = sources.check(device, image, flavor)
                if device.boot_index == 0 and its_properties:
                    properties = its_properties
            found.append(device)
        devices = found
    return Devices(_named(flavor, devices, properties), properties)


def _named(
    flavor: Flavor, devices: list[BlockDevice], properties: dict[str, Any]
) -> list[BlockDevice]:
    """Every device with its name in the guest."""
    cdrom_bus = str(properties.get("hw_cdrom_bus") or "").lower()
    if cdrom_bus in device_names.PREFIXES:
        devices = [
            replace(d, disk_bus=cdrom_bus) if d.device_type == "cdrom" and not d.disk_bus else d
            for d in devices
        ]
    arranged = device_names.arrange(flavor, devices, device_names.usual_bus(properties))
    names = {device.id: device.device_name for device in arranged.volumes}
    names |= {disk.id: f"/dev/{disk.name}" for disk in arranged.local}
    root = f"/dev/{arranged.root}"
    return [replace(d, device_name=names.get(d.id, root)) for d in devices]


class _Sources:
    """What volumes are, or are made of, by what the services say to the caller."""

    def __init__(self, ctxt: RequestContext) -> None:
        self._volumes, self._images = VolumeClient(ctxt), ImageClient(ctxt)
        self._types: set[str] | None = None

    def check(
        self, device: BlockDevice, image: ImageMeta | None, flavor: Flavor
    ) -> tuple[BlockDevice, dict[str, Any]]:
        """The device with its size, and the image properties it has; errors.Invalid."""
        kinds: dict[str, Callable[..., tuple[BlockDevice, dict[str, Any]]]] = {
            "volume": self._volume,
            "snapshot": self._snapshot,
            "image": self._image,
            "blank": self._blank,
        }
        self._check_type(device.volume_type)
        return kinds[device.source_type](device, image, flavor)

    def _volume(
        self, device: BlockDevice, image: ImageMeta | None, flavor: Flavor
    ) -> tuple[BlockDevice, dict[str, Any]]:
        volume = get_volume(self._volumes, str(device.volume_id))
        if device.boot_index == 0 and str(volume.get("bootable", "true")).lower() != "true":
            raise errors.Invalid(f"Block Device {device.volume_id} is not bootable.")
        described = dict(volume.get("volume_image_metadata") or {})
        if device.boot_index == 0:
            _check_memory(flavor, described)
        return device, described

    def _snapshot(
        self, device: BlockDevice, image: ImageMeta | None, flavor: Flavor
    ) -> tuple[BlockDevice, dict[str, Any]]:
        wrong = errors.Invalid(WRONG + f"failed to get snapshot {device.snapshot_id}.")
        try:
            snapshot = self._volumes.snapshot(str(device.snapshot_id))
        except errors.NotFound:
            raise wrong from None
        if snapshot.get("status") != "available":
            raise wrong
        device = replace(device, volume_size_gb=device.volume_size_gb or int(snapshot["size"]))
        if device.boot_index != 0:
            return device, {}
        try:
            source = self._volumes.get(str(snapshot["volume_id"]))
        except errors.NotFound:
            return device, {}
        return device, dict(source.get("volume_image_metadata") or {})

    def _image(
        self, device: BlockDevice, image: ImageMeta | None, flavor: Flavor
    ) -> tuple[BlockDevice, dict[str, Any]]:
        if not device.volume_size_gb:
            raise errors.Invalid(
                "Images with destination_type 'volume' need to have a non-zero size specified"
            )
        if image is None or image.id != device.image_id:
            try:
                image = self._images.get(str(device.image_id))
            except errors.NotFound:
                raise errors.Invalid(WRONG + f"failed to get image {device.image_id}.") from None
        if image.status != "active":
            raise errors.Invalid(f"Image {image.id} is not active.")
        if device.volume_size_gb < image.min_disk_gb:
            raise errors.Invalid(
                "Volume is smaller than the minimum size specified in image metadata. "
                f"Volume size is {device.volume_size_gb * GIB} bytes, minimum size is "
                f"{image.min_disk_gb * GIB} bytes."
            )
        if device.boot_index == 0 and flavor.memory_mb < image.min_ram_mb:
            raise errors.Invalid("Flavor's memory is too small for requested image.")
        return device, dict(image.properties)

    def _blank(
        self, device: BlockDevice, image: ImageMeta | None, flavor: Flavor
    ) -> tuple[BlockDevice, dict[str, Any]]:
        if not device.volume_size_gb:
            raise errors.Invalid(
                "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size"
            )
        return device, {}

    def _check_type(self, name: str | None) -> None:
        if name is None:
            return
        if self._types is None:
            self._types = self._volumes.types()
        if name not in self._types:
            raise errors.Invalid(f"Volume type {name[:64]} could not be found.")


def _check_memory(flavor: Flavor, described: dict[str, Any]) -> None:
    least = str(described.get("min_ram") or "0")
    if least.isdecimal() and flavor.memory_mb < int(least):
        raise errors.Invalid("Flavor's memory is too small for requested image.")


def get_volume(
    volumes: VolumeClient, volume_id: str, version: Version | None = None
) -> dict[str, Any]:
    """A volume that is free to be attached; errors.Invalid.

    One of several servers at a time is nothing before 2.60, and a conflict
    from then on: no driver of ours can do it.
    """
    try:
        volume = volumes.get(volume_id)
    except errors.NotFound:
        raise errors.Invalid(WRONG + f"failed to get volume {volume_id}.") from None
    if volume.get("multiattach") and version is not None and version < _MULTIATTACH_SINCE:
        raise errors.Invalid(
            "Multiattach volumes are only supported starting with compute API version 2.60."
        )
    if volume.get("multiattach"):
        raise errors.Conflict(
            f"Volume {volume_id} has 'multiattach' set, which is not supported for this instance."
        )
    if volume.get("status") != "available":
        raise errors.Invalid(
            f"Invalid volume: volume '{volume_id}' status must be 'available'. Currently in "
            f"'{volume.get('status')}'"
        )
    return volume


def makes_volumes(instance: Instance) -> bool:
    """Whether the launch brings volumes of its own."""
    return any(d.is_volume and d.volume_id is None for d in instance.block_devices)


def reserved(ctxt: RequestContext, instance: Instance, undo: Undo) -> Instance:
    """`instance` with its volumes reserved, and those it brings along being made."""
    devices = []
    for device in instance.block_devices:
        if device.is_volume and device.volume_id is None:
            device = replace(device, volume_id=_make(ctxt, instance, device))
            undo.push(VolumeClient().discard, str(device.volume_id))
        elif device.is_volume:
            attachment = reserve(ctxt, str(device.volume_id), instance.uuid)
            undo.push(VolumeClient().detach, attachment)
            device = replace(device, attachment_id=attachment)
        devices.append(device)
    # Several servers of one request share what was asked for, not the mapping's row.
    if instance.launch_index:
        devices = [replace(device, id=str(uuid.uuid4())) for device in devices]
    return replace(instance, block_devices=devices)


def discard(instance: Instance) -> None:
    """Remove what `reserved` made for a server that the quota has no room for."""
    for device in instance.block_devices:
        if device.is_volume and device.source_type != "volume" and device.volume_id:
            VolumeClient().discard(device.volume_id)


def reserve(ctxt: RequestContext, volume_id: str, server_id: str) -> str:
    """Reserve a volume with the caller's rights; the attachment's id. errors.Invalid."""
    try:
        return VolumeClient(ctxt).reserve(volume_id, server_id)
    except (errors.Conflict, errors.NotFound) as error:
        raise errors.Invalid(f"Invalid volume: {error.message}") from None


def _make(ctxt: RequestContext, instance: Instance, device: BlockDevice) -> str:
    """Ask for the device's new volume; its id. errors.Forbidden beyond the quota."""
    blank = device.source_type == "blank"
    try:
        return VolumeClient(ctxt).create(
            size_gb=int(device.volume_size_gb or 0),
            name=f"{instance.uuid}-blank-vol" if blank else "",
            image_id=device.image_id,
            snapshot_id=device.snapshot_id,
            volume_type=device.volume_type,
            server_id=instance.uuid,
        )
    except errors.TooLarge as error:
        raise errors.QuotaExceeded(error.message) from None
    except errors.NotFound as error:
        raise errors.Invalid(error.message) from None

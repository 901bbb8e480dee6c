"""Which disks a domain has: files of the host, volumes, the config drive."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oslo_config import cfg

from minova.common import errors
from minova.model import device_names
from minova.model.hardware import Hardware
from minova.model.instance import BlockDevice, Instance
from minova.virt.libvirt import disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain.spec import Disk

# What else can have boot media, after the root: the order of boot_index.
_DEVICE_TYPES = (None, "", "disk", "cdrom")


def all_disks(
    instance: Instance,
    properties: dict[str, Any],
    block_devices: Sequence[BlockDevice],
    folder: InstanceFolder,
    machine: Hardware,
) -> list[Disk]:
    """Every disk of the domain, in the order of the XML; `properties` are the image's."""
    bus = device_names.usual_bus(properties)
    arranged = device_names.arrange(instance.flavor, block_devices, bus)
    found = [
        *(
            replace(disk, limits=machine.disk_limits)
            for disk in local_disks(arranged, block_devices, folder)
        ),
        *(_volume(device, bus) for device in arranged.volumes),
    ]
    return [*found, *config_drive(folder)]


def local_disks(
    arranged: device_names.Arrangement,
    block_devices: Sequence[BlockDevice],
    folder: InstanceFolder,
) -> list[Disk]:
    """The disks that are files of this host."""
    cache = cfg.CONF.libvirt.disk_cachemode
    found = []
    if not any(device.is_boot_volume for device in block_devices):
        root = Disk(
            arranged.root,
            format="qcow2",
            path=str(folder / disks.ROOT),
            cache=cache,
            boot=1,
            bus=arranged.root_bus,
        )
        found.append(root)
    for local in arranged.local:
        path = str(folder / disks.file_of(local))
        found.append(Disk(local.name, path=path, cache=cache, bus=local.bus))
    return found


def volume_disk(device: BlockDevice, target: str, bus: str = device_names.VIRTIO) -> Disk:
    """A volume as the disk `target`; errors.NotSupported when it is not served over NBD."""
    info = device.connection_info or {}
    kind = info.get("driver_volume_type")
    if kind != "nbd":
        raise errors.NotSupported(feature=f"Volume {device.volume_id}'s transport ({kind})")
    if device.device_type not in _DEVICE_TYPES:
        raise errors.NotSupported(
            feature=f"A volume as device type {device.device_type}; choose disk or cdrom: it"
        )
    # The volume service may answer flat, or with everything under `data`.
    data = info.get("data") or info
    return Disk(
        target,
        export=data["export"],
        socket=data.get("socket") or "",
        host=data.get("host") or "",
        port=int(data.get("port") or 0),
        serial=device.volume_id or "",
        cache="none",
        readonly=data.get("access_mode") == "ro",
        cdrom=device.device_type == "cdrom",
        bus=bus,
    )


def config_drive(folder: InstanceFolder) -> list[Disk]:
    """The config drive, if there is one."""
    path = folder / disks.CONFIG
    return [Disk("", path=str(path), cdrom=True)] if path.exists() else []


def _volume(device: BlockDevice, bus: str) -> Disk:
    disk = volume_disk(
        device, device_names.short(device.device_name), device_names.bus_of(device, bus)
    )
    if device.boot_index is None:
        return disk
    return replace(disk, boot=device.boot_index + 1)

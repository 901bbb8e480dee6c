"""From an instance to its `DomainSpec`: every decision about a domain, none of its XML."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oslo_config import cfg

from minova.common import errors
from minova.model import device_names
from minova.model.instance import VIF, BlockDevice, ImageMeta, Instance
from minova.virt.libvirt import disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain.spec import Disk, DomainSpec, Owner

_TRUE = ("yes", "true", "1", "on")
# [libvirt] cpu_mode=auto, by virt_type: under emulation the host's CPU cannot be passed through.
_AUTO_CPU = {"kvm": "host-passthrough", "qemu": None}


def plan(
    instance: Instance,
    image: ImageMeta | None,
    vifs: Sequence[VIF],
    block_devices: Sequence[BlockDevice],
    folder: InstanceFolder,
) -> DomainSpec:
    """The domain of `instance`. Which local disks it has is seen by its files."""
    conf = cfg.CONF.libvirt
    properties = dict(image.properties) if image is not None else instance.image_properties
    flavor = instance.flavor
    return DomainSpec(
        uuid=instance.uuid,
        name=instance.domain_name,
        owner=Owner(
            server_name=instance.name,
            flavor_name=flavor.name,
            flavor_memory_mb=flavor.memory_mb,
            flavor_vcpus=flavor.vcpus,
            project_id=instance.project_id,
            user_id=instance.user_id,
            image_id=instance.image_id,
            created_at=instance.created_at,
        ),
        virt_type=conf.virt_type,
        machine=machine_type(properties),
        memory_mb=flavor.memory_mb,
        vcpus=flavor.vcpus,
        cpu_mode=cpu_mode(conf.virt_type, conf.cpu_mode),
        tb_cache_mib=conf.tb_cache_mib,
        console_log=str(folder / disks.CONSOLE),
        disks=[
            *local_disks(instance, block_devices, folder),
            *volume_disks(instance, block_devices),
            *config_drive(folder),
        ],
        interfaces=list(vifs),
        guest_agent=_is_true(properties.get("hw_qemu_guest_agent")),
    )


def machine_type(properties: dict[str, Any]) -> str:
    """QEMU's machine: what the image asks for, else the configured one."""
    return str(properties.get("hw_machine_type") or cfg.CONF.libvirt.machine_type)


def cpu_mode(virt_type: str, configured: str) -> str | None:
    """The CPU's mode in domain XML; None for QEMU's default model."""
    if configured == "auto":
        return _AUTO_CPU[virt_type]
    return None if configured == "none" else configured


def local_disks(
    instance: Instance, block_devices: Sequence[BlockDevice], folder: InstanceFolder
) -> list[Disk]:
    """The disks that are files of this host."""
    cache = cfg.CONF.libvirt.disk_cachemode
    names = device_names.local_disks(instance.flavor)
    found = []
    if not any(device.is_boot_volume for device in block_devices):
        root = str(folder / disks.ROOT)
        found.append(Disk(device_names.ROOT, format="qcow2", path=root, cache=cache, boot=1))
    for kind, file in (("ephemeral", disks.EPHEMERAL), ("swap", disks.SWAP)):
        if kind in names:
            found.append(Disk(names[kind], path=str(folder / file), cache=cache))
    return found


def volume_disks(instance: Instance, block_devices: Sequence[BlockDevice]) -> list[Disk]:
    """The volumes, which have to be connected."""
    found = []
    for device in device_names.assign(instance.flavor, block_devices):
        disk = volume_disk(device, device_names.short(device.device_name))
        found.append(replace(disk, boot=1) if device.boot_index == 0 else disk)
    return found


def volume_disk(device: BlockDevice, target: str) -> Disk:
    """A volume as the disk `target`; errors.NotSupported when it is not served over NBD."""
    info = device.connection_info or {}
    kind = info.get("driver_volume_type")
    if kind != "nbd":
        raise errors.NotSupported(feature=f"Volume {device.volume_id}'s transport ({kind})")
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
    )


def config_drive(folder: InstanceFolder) -> list[Disk]:
    """The config drive, if there is one."""
    path = folder / disks.CONFIG
    return [Disk("", path=str(path), cdrom=True)] if path.exists() else []


def _is_true(value: Any) -> bool:
    return str(value).lower() in _TRUE

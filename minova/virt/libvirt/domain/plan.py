"""From an instance to its `DomainSpec`: every decision about a domain, none of its XML."""

from collections.abc import Sequence

from oslo_config import cfg

from minova.model import hardware
from minova.model.instance import VIF, BlockDevice, ImageMeta, Instance
from minova.virt.libvirt import disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.domain import disk_plan
from minova.virt.libvirt.domain.spec import DomainSpec, Owner

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
    machine = hardware.of(flavor, properties)
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
        machine=machine.machine or conf.machine_type,
        memory_mb=flavor.memory_mb,
        vcpus=flavor.vcpus,
        cpu_mode=cpu_mode(conf.virt_type, conf.cpu_mode),
        tb_cache_mib=conf.tb_cache_mib,
        console_log=str(folder / disks.CONSOLE),
        disks=disk_plan.all_disks(instance, properties, block_devices, folder, machine),
        interfaces=list(vifs),
        hardware=machine,
    )


def cpu_mode(virt_type: str, configured: str) -> str | None:
    """The CPU's mode in domain XML; None for QEMU's default model."""
    if configured == "auto":
        return _AUTO_CPU[virt_type]
    return None if configured == "none" else configured

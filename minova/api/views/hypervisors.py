"""Hypervisors as clients see them."""

import json
from typing import Any

import falcon
from oslo_config import cfg

from minova.db.hosts import ComputeNode, Service
from minova.model.instance import domain_name


def brief(req: falcon.Request, node: ComputeNode, service: Service) -> dict[str, Any]:
    """A hypervisor in a list."""
    return {
        "id": _id(req, node),
        "hypervisor_hostname": node.hypervisor_hostname,
        "state": "up" if service.is_up(cfg.CONF.compute.service_down_time) else "down",
        "status": "disabled" if service.disabled else "enabled",
    }


def full(req: falcon.Request, node: ComputeNode, service: Service) -> dict[str, Any]:
    """A hypervisor with all that this version tells of it."""
    version = req.context.version
    shown = {
        **brief(req, node, service),
        "hypervisor_type": _kind(node),
        "hypervisor_version": node.hypervisor_version,
        "host_ip": node.host_ip,
        "service": {
            "id": service.uuid if version >= (2, 53) else service.id,
            "host": service.host,
            "disabled_reason": service.disabled_reason,
        },
    }
    if version >= (2, 88):
        return {**shown, "uptime": uptime(node, service)}
    cpu_info = _cpu_info(node)
    return {
        **shown,
        **counters(node),
        "cpu_info": cpu_info if version >= (2, 28) else json.dumps(cpu_info),
    }


def _kind(node: ComputeNode) -> str:
    """`QEMU (kvm)`: from 2.88 on this is the only field that can tell how guests run."""
    accelerator = node.accelerator.removeprefix("qemu (").removesuffix(")")
    return f"{node.hypervisor_type} ({accelerator})" if accelerator else node.hypervisor_type


def _cpu_info(node: ComputeNode) -> dict[str, Any]:
    """What the CPU is, and how guests run on it: by KVM or emulated, and why."""
    return {
        **{key: value for key, value in node.cpu_info.items() if key != "uptime"},
        "accelerator": node.accelerator,
        "accelerator_reason": node.accelerator_reason,
    }


def counters(node: ComputeNode) -> dict[str, int]:
    """What a host has, and what of it is taken; `reserved` memory counts as used."""
    memory_used = node.memory_mb_used + node.reserved_memory_mb
    return {
        "vcpus": node.vcpus,
        "vcpus_used": node.vcpus_used,
        "memory_mb": node.memory_mb,
        "memory_mb_used": memory_used,
        "free_ram_mb": node.memory_mb - memory_used,
        "local_gb": node.disk_gb,
        "local_gb_used": node.disk_gb_used,
        "free_disk_gb": node.disk_gb - node.disk_gb_used,
        "disk_available_least": node.disk_available_gb,
        "current_workload": 0,
        "running_vms": node.running_vms,
    }


def uptime(node: ComputeNode, service: Service) -> str | None:
    """How long the host has been up, if its compute lives and reports it."""
    alive = service.is_up(cfg.CONF.compute.service_down_time)
    value = node.cpu_info.get("uptime") if alive else None
    return None if value is None else str(value)


def servers(there: list[tuple[int, str]]) -> list[dict[str, str]]:
    """A hypervisor's servers, of their ids and uuids; here `name` is the domain's."""
    return [{"uuid": uuid, "name": domain_name(number)} for number, uuid in there]


def _id(req: falcon.Request, node: ComputeNode) -> str | int:
    return node.uuid if req.context.version >= (2, 53) else node.id

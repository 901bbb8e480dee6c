"""The payloads of notifications: versioned objects, as Nova names and versions them.

Names, versions and fields are those of Nova's notification samples.
"""

import datetime as dt
from typing import Any

from minova.model import states
from minova.model.instance import Flavor, Instance

Json = dict[str, Any]

_POWER = {
    states.NOSTATE: "pending",
    states.RUNNING: "running",
    states.POWER_PAUSED: "paused",
    states.SHUTDOWN: "shutdown",
    states.CRASHED: "crashed",
    states.POWER_SUSPENDED: "suspended",
}
# Actions of model.states whose event is not called like them.
EVENTS = {
    "forceDelete": "delete",
    "softDelete": "soft_delete",
    "start": "power_on",
    "stop": "power_off",
    "reboot_hard": "reboot",
    "migrate": "resize",
    "confirmResize": "resize_confirm",
    "revertResize": "resize_revert",
    "live-migration": "live_migration",
    "createImage": "snapshot",
    "createBackup": "snapshot",
    "shelveOffload": "shelve_offload",
    "changePassword": "change_password",
    "attach_volume": "volume_attach",
    "detach_volume": "volume_detach",
    "swap_volume": "volume_swap",
    "attach_interface": "interface_attach",
    "detach_interface": "interface_detach",
    "addSecurityGroup": "add_security_group",
    "removeSecurityGroup": "remove_security_group",
    "resetState": "reset_state",
}


def event_of(action: str) -> str:
    """`instance.<name>` of an action of model.states."""
    return f"instance.{EVENTS.get(action, action)}"


def versioned(name: str, version: str, data: Json) -> Json:
    """A versioned object as it goes over the wire."""
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": version,
        "nova_object.data": data,
        "nova_object.changes": sorted(data),
    }


def stamp(time: dt.datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


def flavor(shown: Flavor, projects: list[str] | None = None) -> Json:
    """FlavorPayload. Without `projects`, who may use it is not told."""
    return versioned(
        "FlavorPayload",
        "1.4",
        {
            "flavorid": shown.id,
            "name": shown.name,
            "memory_mb": shown.memory_mb,
            "vcpus": shown.vcpus,
            "root_gb": shown.root_gb,
            "ephemeral_gb": shown.ephemeral_gb,
            "swap": shown.swap_mb,
            "rxtx_factor": shown.rxtx_factor,
            "vcpu_weight": 0,
            "disabled": shown.disabled,
            "is_public": shown.is_public,
            "extra_specs": shown.extra_specs,
            "projects": projects,
            "description": shown.description,
        },
    )


def action(instance: Instance, request: Json, fault: str | None = None) -> Json:
    """InstanceActionPayload; `request` has request_id, user_id and project_id of who asked."""
    data = {**_instance(instance, request), "fault": fault and exception(fault)}
    return versioned("InstanceActionPayload", "1.9", data)


def creation(instance: Instance, request: Json, fault: str | None = None) -> Json:
    """InstanceCreatePayload."""
    data = {
        **_instance(instance, request),
        "fault": fault and exception(fault),
        "keypairs": [],
        "tags": instance.tags,
        "trusted_image_certificates": None,
        "instance_name": instance.domain_name,
    }
    return versioned("InstanceCreatePayload", "1.13", data)


def update(instance: Instance, request: Json, before: tuple[str, str | None]) -> Json:
    """InstanceUpdatePayload; `before` are the vm_state and task_state it had."""
    change = {
        "old_state": before[0],
        "state": instance.vm_state,
        "old_task_state": before[1],
        "new_task_state": instance.task_state,
    }
    data = {
        **_instance(instance, request),
        "state_update": versioned("InstanceStateUpdatePayload", "1.0", change),
        "old_display_name": None,
        "tags": instance.tags,
    }
    return versioned("InstanceUpdatePayload", "2.1", data)


def exception(message: str) -> Json:
    """ExceptionPayload of why an action failed; where in the code is told to admins elsewhere."""
    data = {
        "module_name": None,
        "function_name": None,
        "exception": "MinovaError",
        "exception_message": message,
        "traceback": "",
    }
    return versioned("ExceptionPayload", "1.1", data)


def _instance(instance: Instance, request: Json) -> Json:
    return {
        "uuid": instance.uuid,
        "user_id": instance.user_id,
        "tenant_id": instance.project_id,
        "reservation_id": instance.reservation_id,
        "display_name": instance.name,
        "display_description": instance.description,
        "host_name": instance.hostname,
        "host": instance.host,
        "node": instance.node,
        "os_type": instance.image_properties.get("os_type"),
        "architecture": instance.image_properties.get("hw_architecture"),
        "availability_zone": instance.availability_zone or instance.requested_zone,
        "flavor": flavor(instance.flavor),
        "image_uuid": instance.image_id or "",
        "key_name": instance.key_name,
        "kernel_id": instance.image_properties.get("kernel_id") or "",
        "ramdisk_id": instance.image_properties.get("ramdisk_id") or "",
        "created_at": stamp(instance.created_at),
        "launched_at": stamp(instance.launched_at),
        "terminated_at": stamp(instance.terminated_at),
        "deleted_at": stamp(instance.deleted_at),
        "updated_at": stamp(instance.updated_at),
        "state": instance.vm_state,
        "power_state": _POWER.get(instance.power_state, "pending"),
        "task_state": instance.task_state,
        "progress": instance.progress,
        "ip_addresses": [_address(vif, fixed) for vif in instance.vifs for fixed in vif.fixed_ips],
        "block_devices": [_device(device) for device in instance.block_devices if device.is_volume],
        "metadata": instance.metadata,
        "locked": instance.locked,
        "locked_reason": instance.locked_reason,
        "auto_disk_config": instance.disk_config,
        "request_id": request.get("request_id"),
        "action_initiator_user": request.get("user_id"),
        "action_initiator_project": request.get("project_id"),
        "shares": [],
    }


def _address(vif: Any, fixed: Any) -> Json:
    data = {
        "label": vif.network_name,
        "mac": vif.mac_address,
        "meta": {},
        "port_uuid": vif.port_id,
        "version": fixed.ip_version,
        "address": fixed.address,
        "device_name": vif.tap,
    }
    return versioned("IpPayload", "1.0", data)


def _device(device: Any) -> Json:
    data = {
        "device_name": device.device_name,
        "boot_index": device.boot_index,
        "delete_on_termination": device.delete_on_termination,
        "volume_id": device.volume_id,
        "tag": device.tag,
    }
    return versioned("BlockDevicePayload", "1.0", data)

"""The payloads of notifications about servers: versioned objects, as Nova names and versions them.

Names, versions and fields are those of Nova's notification samples. Those of
other resources are in `model.notice_resources`.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minova.model import states
from minova.model.audit_period import Period
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


@dataclass(frozen=True)
class Done:
    """What is told of: to `instance`, asked for by `who` (request_id, user_id, project_id).

    `request` is that of the action's work, `fault` why it failed; `period` the
    one that is being audited.
    """

    instance: Instance
    who: Json
    period: Period
    request: Json = field(default_factory=dict)
    fault: str | None = None


def of_event(event: str, done: Done) -> Json | None:
    """The payload of `instance.<name>[.<phase>]`; None when there is nothing to tell."""
    return _KINDS.get(event.split(".")[1], action)(done)


def action(done: Done) -> Json:
    """InstanceActionPayload."""
    return versioned("InstanceActionPayload", "1.9", _action(done))


def _creation(done: Done) -> Json:
    instance = done.instance
    more = {
        "keypairs": [_key(instance)] if instance.key_data else [],
        "tags": instance.tags,
        "trusted_image_certificates": None,
        "instance_name": instance.domain_name,
    }
    return versioned("InstanceCreatePayload", "1.13", _action(done) | more)


def _key(instance: Instance) -> Json:
    public = str(instance.key_data)
    data = {
        "user_id": instance.user_id,
        "name": instance.key_name,
        "fingerprint": _fingerprint(public),
        "public_key": public,
        "type": "x509" if public.startswith("-----") else "ssh",
    }
    return versioned("KeypairPayload", "1.0", data)


def _fingerprint(public: str) -> str:
    """That of an SSH key, as `ssh-keygen -E md5` shows it; empty for anything else."""
    try:
        blob = base64.b64decode(public.split()[1], validate=True)
    except (IndexError, ValueError):
        return ""
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def exists(done: Done) -> Json:
    """InstanceExistsPayload: what there was in the period."""
    data = _instance(done) | {"audit_period": audit_period(done.period)}
    return versioned("InstanceExistsPayload", "2.1", data)


def _resize_prep(done: Done) -> Json:
    more = {"new_flavor": flavor(done.request["migration"].new_flavor)}
    return versioned("InstanceActionResizePrepPayload", "1.4", _action(done) | more)


def _rebuild(done: Done) -> Json:
    data = _action(done) | {"trusted_image_certificates": None}
    return versioned("InstanceActionRebuildPayload", "1.10", data)


def _rescue(done: Done) -> Json:
    data = _action(done) | {"rescue_image_ref": done.request.get("image_id")}
    return versioned("InstanceActionRescuePayload", "1.4", data)


def _snapshot(done: Done) -> Json | None:
    """None for the image of a server's volumes, which no host makes."""
    image_id = done.request.get("making_image")
    if image_id is None:
        return None
    data = _action(done) | {"snapshot_image_id": image_id}
    return versioned("InstanceActionSnapshotPayload", "1.10", data)


def _volume(done: Done) -> Json:
    data = _action(done) | {"volume_id": done.request.get("volume_id")}
    return versioned("InstanceActionVolumePayload", "1.7", data)


_KINDS: dict[str, Callable[[Done], Json | None]] = {
    "create": _creation,
    "exists": exists,
    "resize_prep": _resize_prep,
    "rebuild": _rebuild,
    "rebuild_scheduled": _rebuild,
    "rescue": _rescue,
    "snapshot": _snapshot,
    "volume_attach": _volume,
    "volume_detach": _volume,
}


def update(done: Done, before: tuple[str, str | None], old_name: str | None = None) -> Json:
    """InstanceUpdatePayload; `before` are the vm_state and task_state it had.

    `old_name` is the name it had, if that has changed.
    """
    change = {
        "old_state": before[0],
        "state": done.instance.vm_state,
        "old_task_state": before[1],
        "new_task_state": done.instance.task_state,
    }
    more = {
        "state_update": versioned("InstanceStateUpdatePayload", "1.0", change),
        "audit_period": audit_period(done.period),
        "old_display_name": old_name,
        "tags": done.instance.tags,
    }
    return versioned("InstanceUpdatePayload", "2.1", _instance(done) | more)


def audit_period(period: Period) -> Json:
    """AuditPeriodPayload."""
    data = {
        "audit_period_beginning": stamp(period[0]),
        "audit_period_ending": stamp(period[1]),
    }
    return versioned("AuditPeriodPayload", "1.0", data)


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


def _action(done: Done) -> Json:
    return _instance(done) | {"fault": done.fault and exception(done.fault)}


def _instance(done: Done) -> Json:
    instance, who = done.instance, done.who
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
        "request_id": who.get("request_id"),
        "action_initiator_user": who.get("user_id"),
        "action_initiator_project": who.get("project_id"),
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

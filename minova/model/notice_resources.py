"""The payloads of notifications about what is no server: services, server groups, scheduling."""

from typing import Any

from minova.model.instance import Instance
from minova.model.notices import Json, exception, flavor, stamp, versioned


def service(found: Any, version: int = 0) -> Json:
    """ServiceStatusPayload of a record of `db.hosts`."""
    fields = ("host", "binary", "disabled", "disabled_reason", "forced_down", "uuid")
    data = {
        **{name: getattr(found, name) for name in fields},
        "topic": found.binary.removeprefix("nova-"),
        "report_count": 0,
        "availability_zone": None,
        "last_seen_up": stamp(found.last_seen_at),
        "version": version,
    }
    return versioned("ServiceStatusPayload", "1.1", data)


def server_group(group: Any) -> Json:
    """ServerGroupPayload of a record of `db.server_groups`."""
    fields = ("uuid", "name", "user_id", "project_id", "members", "policy")
    data = {
        **{name: getattr(group, name) for name in fields},
        "policies": [group.policy],
        "hosts": None,
        "rules": {name: str(value) for name, value in group.rules.items()},
    }
    return versioned("ServerGroupPayload", "1.1", data)


def request_spec(instance: Instance, request: Json) -> Json:
    """RequestSpecPayload: what a host is sought for; `request` is that of the work."""
    host, node = request.get("requested_host"), request.get("requested_node")
    forced = bool(request.get("forced"))
    excluded = [str(name) for name in request.get("excluded", ()) if name]
    wanted = host or node
    data = {
        "instance_uuid": instance.uuid,
        "project_id": instance.project_id,
        "user_id": instance.user_id,
        "availability_zone": instance.requested_zone,
        "flavor": flavor(instance.flavor),
        "image": None,
        "numa_topology": None,
        "pci_requests": versioned(
            "InstancePCIRequestsPayload",
            "1.0",
            {"instance_uuid": instance.uuid, "requests": []},
        ),
        "num_instances": 1,
        "ignore_hosts": excluded or None,
        "force_hosts": [host] if forced and host else None,
        "force_nodes": [node] if forced and node else None,
        "instance_group": None,
        "retry": None,
        "requested_destination": _destination(host, node) if wanted and not forced else None,
        "scheduler_hints": {
            name: value if isinstance(value, list) else [value]
            for name, value in instance.scheduler_hints.items()
        },
        "security_groups": list(instance.security_group_names or []),
    }
    return versioned("RequestSpecPayload", "1.1", data)


def _destination(host: str | None, node: str | None) -> Json:
    data = {"host": host, "node": node, "cell": None, "aggregates": None}
    return versioned("DestinationPayload", "1.0", data)


def compute_task(instance: Instance, request: Json, message: str) -> Json:
    """ComputeTaskPayload: no host was found for it."""
    data = {
        "instance_uuid": instance.uuid,
        "request_spec": request_spec(instance, request),
        "state": instance.vm_state,
        "reason": exception(message),
    }
    return versioned("ComputeTaskPayload", "1.0", data)

"""Servers as clients see them, from 2.1 to the newest microversion."""

import functools
import hashlib
from typing import Any

import falcon
from oslo_config import cfg

from minova.api.access import Access
from minova.api.microversions import Version
from minova.api.views import flavors, links, times
from minova.db import hosts, server_groups
from minova.db.engine import Database
from minova.model.instance import VIF, Instance

_PROGRESS = ("ACTIVE", "BUILD", "DELETED", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")
Shown = dict[str, Any]


def brief(req: falcon.Request, uuid: str, name: str) -> Shown:
    """A server in GET /servers."""
    return {"id": uuid, "name": name, "links": links.of(req, f"servers/{uuid}")}


class View:
    """What one request may see of servers; asked once, used for each of them."""

    def __init__(self, access: Access, req: falcon.Request, host_status: bool = True) -> None:
        self._req, self._db = req, access.db
        self._version: Version = req.context.version
        self._attributes = access.allows(req, "os-extended-server-attributes")
        self._specs = access.allows(req, "os-flavor-extra-specs:index")
        self._statuses: dict[str, str] | None = None
        sees_hosts = host_status and self._version >= (2, 16)
        if sees_hosts and access.allows(req, "servers:show:host_status"):
            self._statuses = host_statuses(access.db)

    def full(self, instance: Instance, *, groups: bool) -> Shown:
        """A server in GET /servers/ID, or with `groups` False in GET /servers/detail."""
        shown = self._common(instance, groups=groups)
        shown["addresses"] = addresses(instance)
        shown.update(
            {
                "key_name": instance.key_name,
                "config_drive": "True" if instance.config_drive else "",
                "OS-EXT-AZ:availability_zone": _zone(instance),
                "OS-EXT-STS:task_state": instance.task_state,
                "OS-EXT-STS:vm_state": instance.vm_state,
                "OS-EXT-STS:power_state": instance.power_state,
                "OS-SRV-USG:launched_at": times.precise(instance.launched_at),
                "OS-SRV-USG:terminated_at": times.precise(instance.terminated_at),
                "os-extended-volumes:volumes_attached": self._volumes(instance),
            }
        )
        if instance.security_group_names:
            shown["security_groups"] = [{"name": n} for n in instance.security_group_names]
        if self._attributes:
            shown.update(self._extended(instance))
        if self._version >= (2, 90):
            shown["OS-EXT-SRV-ATTR:hostname"] = instance.hostname
        if self._version >= (2, 16) and self._statuses is not None:
            shown["host_status"] = self._statuses.get(instance.host, "") if instance.host else ""
        return shown

    def plain(self, instance: Instance) -> Shown:
        """What PUT /servers/ID answers before 2.75: less of it, and of its addresses."""
        return {**self._common(instance, groups=True), "addresses": short_addresses(instance)}

    def _common(self, instance: Instance, *, groups: bool) -> Shown:
        version = self._version
        status = instance.status
        shown: Shown = {
            **brief(self._req, instance.uuid, instance.name),
            "status": status,
            "tenant_id": instance.project_id,
            "user_id": instance.user_id,
            "metadata": instance.metadata,
            "hostId": host_id(instance.project_id, instance.host),
            "image": self._image(instance),
            "flavor": flavors.in_server(self._req, instance.flavor, specs=self._specs),
            "created": times.stamp(instance.created_at),
            "updated": times.stamp(instance.updated_at or instance.created_at),
            "accessIPv4": instance.access_ip_v4 or "",
            "accessIPv6": instance.access_ip_v6 or "",
            "OS-DCF:diskConfig": instance.disk_config,
        }
        if status in _PROGRESS:
            shown["progress"] = instance.progress
        if status in ("ERROR", "DELETED") and instance.fault is not None:
            shown["fault"] = self._fault(instance)
        if version >= (2, 71) and groups:
            shown["server_groups"] = self._groups(instance)
        for since, key, value in (
            ((2, 9), "locked", instance.locked),
            ((2, 19), "description", instance.description),
            ((2, 26), "tags", instance.tags),
            ((2, 63), "trusted_image_certificates", None),
            ((2, 73), "locked_reason", instance.locked_reason),
            ((2, 96), "pinned_availability_zone", instance.requested_zone),
            ((2, 100), "scheduler_hints", instance.scheduler_hints),
        ):
            if version >= since:
                shown[key] = value
        return shown

    def _image(self, instance: Instance) -> Shown | str:
        if not instance.image_id:
            return ""
        shown: Shown = {
            "id": instance.image_id,
            "links": links.bookmark(self._req, f"images/{instance.image_id}"),
        }
        if self._version >= (2, 98):
            shown["properties"] = {
                key: None if value is None else str(value)
                for key, value in instance.image_properties.items()
            }
        return shown

    def _groups(self, instance: Instance) -> list[str]:
        # Only who was launched with the hint can be in one; the others need no query.
        if "group" not in instance.scheduler_hints:
            return []
        group = server_groups.group_of(self._db, instance.uuid)
        return [] if group is None else [group]

    def _fault(self, instance: Instance) -> Shown:
        fault = instance.fault
        assert fault is not None
        shown: Shown = {
            "code": fault.code,
            "message": fault.message,
            "created": times.stamp(fault.created_at),
        }
        # Tracebacks and host names are for admins (CVE-2019-14433).
        if fault.details and self._attributes:
            shown["details"] = fault.details
        return shown

    def _volumes(self, instance: Instance) -> list[Shown]:
        found: list[Shown] = []
        for device in instance.block_devices:
            if device.is_volume and device.volume_id:
                entry: Shown = {"id": device.volume_id}
                if self._version >= (2, 3):
                    entry["delete_on_termination"] = device.delete_on_termination
                found.append(entry)
        return found

    def _extended(self, instance: Instance) -> Shown:
        shown: Shown = {
            "host": instance.host,
            "hypervisor_hostname": instance.node,
            "instance_name": instance.domain_name,
        }
        if self._version >= (2, 3):
            shown.update(
                {
                    "reservation_id": instance.reservation_id,
                    "launch_index": instance.launch_index,
                    "hostname": instance.hostname,
                    "kernel_id": instance.image_properties.get("kernel_id") or "",
                    "ramdisk_id": instance.image_properties.get("ramdisk_id") or "",
                    "root_device_name": instance.root_device_name,
                    "user_data": instance.user_data,
                }
            )
        return {f"OS-EXT-SRV-ATTR:{key}": value for key, value in shown.items()}


def addresses(instance: Instance) -> dict[str, list[Shown]]:
    """A server's addresses by the name of their network."""
    found: dict[str, list[Shown]] = {}
    for vif in instance.vifs:
        entries = found.setdefault(vif.network_name, [])
        for fixed in vif.fixed_ips:
            entries.append(_address(vif, fixed.ip_version, fixed.address, "fixed"))
            entries += (_address(vif, 4, other, "floating") for other in fixed.floating_ips)
    return found


def _address(vif: VIF, version: int, address: str, kind: str) -> Shown:
    return {
        "version": version,
        "addr": address,
        "OS-EXT-IPS:type": kind,
        "OS-EXT-IPS-MAC:mac_addr": vif.mac_address,
    }


def short_addresses(instance: Instance) -> dict[str, list[Shown]]:
    """As `addresses`, with no more than version and address."""
    return {
        network: [{"version": entry["version"], "addr": entry["addr"]} for entry in entries]
        for network, entries in addresses(instance).items()
    }


@functools.lru_cache(maxsize=4096)
def host_id(project_id: str, host: str | None) -> str:
    """The same for a project's servers on one host, and tells nothing else of the host."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""


def host_statuses(db: Database) -> dict[str, str]:
    """host → UP, DOWN, MAINTENANCE, by its nova-compute."""
    found = {}
    for service in hosts.services(db, binary="nova-compute"):
        if service.disabled:
            found[service.host] = "MAINTENANCE"
        else:
            up = service.is_up(cfg.CONF.compute.service_down_time)
            found[service.host] = "UP" if up else "DOWN"
    return found


def _zone(instance: Instance) -> str:
    if instance.host:
        default: str = cfg.CONF.api.default_availability_zone
        return instance.availability_zone or instance.requested_zone or default
    return instance.requested_zone or ""

"""Filters: each says of one host whether it will do, and if not, why.

A filter is a plain function; `FILTERS` gives each the name that
`[scheduler] enabled_filters` and operators know.
"""

import ipaddress
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from oslo_config import cfg

from minova.db import server_groups
from minova.db.server_groups import Placement
from minova.model import image_needs
from minova.model.instance import Instance
from minova.scheduler.host_state import HostState


@dataclass(frozen=True)
class Request:
    """What is to be placed: the instance and what the launch asked besides."""

    instance: Instance
    excluded: list[str]
    requested_host: str | None = None
    requested_node: str | None = None
    # An administrator's `zone:host:node` goes past the filters.
    forced: bool = False
    group: Placement | None = None
    # The servers that the hints name -> their hosts.
    neighbours: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        instance: Instance,
        request: dict[str, Any],
        group: Placement | None = None,
        neighbours: dict[str, str] | None = None,
    ) -> "Request":
        """From the request of a work in flight."""
        return cls(
            instance=instance,
            excluded=list(request.get("excluded", [])),
            requested_host=request.get("requested_host"),
            requested_node=request.get("requested_node"),
            forced=bool(request.get("forced")),
            group=group,
            neighbours=neighbours or {},
        )

    def named(self, hint: str) -> list[str]:
        """What a hint names, whether it is one or a list."""
        value = self.instance.scheduler_hints.get(hint)
        if value in (None, ""):
            return []
        return [str(one) for one in value] if isinstance(value, list) else [str(value)]


Filter = Callable[[HostState, Request], str | None]


def compute_filter(host: HostState, request: Request) -> str | None:
    """The host's nova-compute is enabled, up, and has not failed this launch before."""
    if host.service.disabled:
        return "disabled"
    if not host.service.is_up(cfg.CONF.compute.service_down_time):
        return "down"
    return "has failed this launch" if host.host in request.excluded else None


def availability_zone_filter(host: HostState, request: Request) -> str | None:
    """The host is in the requested zone and is the requested host."""
    zone = request.instance.requested_zone
    if zone and zone != host.availability_zone:
        return f"not in zone {zone}"
    if request.requested_host and request.requested_host != host.host:
        return f"not host {request.requested_host}"
    node = request.requested_node
    return f"not node {node}" if node and node != host.node.hypervisor_hostname else None


def resources_filter(host: HostState, request: Request) -> str | None:
    """The host has the flavor's vCPUs, memory and disk free."""
    flavor = request.instance.flavor
    table = (
        ("vCPUs", flavor.vcpus, host.free_vcpus),
        ("MiB of memory", flavor.memory_mb, host.free_memory_mb),
        ("GiB of disk", flavor.disk_gb, host.free_disk_gb),
    )
    for name, wanted, free in table:
        if wanted > free:
            return f"{free} {name} free, {wanted} wanted"
    return None


def image_properties_filter(host: HostState, request: Request) -> str | None:
    """The host runs the architecture and hypervisor type that the image asks for."""
    return image_needs.refusal(request.instance.image_properties, host.node.supported)


def compute_capabilities_filter(host: HostState, request: Request) -> str | None:
    """`capabilities:` extra specs of the flavor equal the host's own."""
    offered = {
        "hypervisor_type": host.node.hypervisor_type,
        "accelerator": host.node.accelerator,
        "hypervisor_hostname": host.node.hypervisor_hostname,
    }
    for key, wanted in request.instance.flavor.extra_specs.items():
        scope, _, name = key.partition(":")
        if scope == "capabilities" and offered.get(name) != wanted:
            return f"{name} is not {wanted}"
    return None


def aggregate_extra_specs_filter(host: HostState, request: Request) -> str | None:
    """`aggregate_instance_extra_specs:` of the flavor are metadata of the host's aggregates.

    A value may be `<in> part`, `<or> one <or> other`, or a number behind >=, <= or ==;
    an aggregate's value may be a list with commas. Source: Nova's scheduler reference.
    """
    for key, wanted in request.instance.flavor.extra_specs.items():
        scope, _, name = key.partition(":")
        if scope != "aggregate_instance_extra_specs":
            continue
        offered = {
            value.strip()
            for metadata in host.aggregates
            if name in metadata
            for value in metadata[name].split(",")
        }
        if not any(_meets(value, wanted) for value in offered):
            return f"no aggregate with {name} {wanted}"
    return None


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def _meets(offered: str, wanted: str) -> bool:
    word, _, rest = wanted.partition(" ")
    if word == "<or>":
        return offered in [choice.strip() for choice in rest.split("<or>")]
    if word == "<in>":
        return rest.strip() in offered
    if word in _COMPARE:
        try:
            return _COMPARE[word](float(offered), float(rest))
        except ValueError:
            return False
    return offered == wanted


def server_group_affinity_filter(host: HostState, request: Request) -> str | None:
    """The host is the one that the rest of an `affinity` group is on."""
    return _refused_by_group(host, request, server_groups.AFFINITY)


def server_group_anti_affinity_filter(host: HostState, request: Request) -> str | None:
    """The host has none, or not yet as many as may be, of an `anti-affinity` group."""
    return _refused_by_group(host, request, server_groups.ANTI_AFFINITY)


def _refused_by_group(host: HostState, request: Request, policy: str) -> str | None:
    group = request.group
    return group.refusal(host.host) if group is not None and group.policy == policy else None


def same_host_filter(host: HostState, request: Request) -> str | None:
    """The host has one of the servers of the hint `same_host`."""
    wanted = request.named("same_host")
    if not wanted or any(request.neighbours.get(uuid) == host.host for uuid in wanted):
        return None
    return "has none of the servers of the hint same_host"


def different_host_filter(host: HostState, request: Request) -> str | None:
    """The host has none of the servers of the hint `different_host`."""
    for uuid in request.named("different_host"):
        if request.neighbours.get(uuid) == host.host:
            return "has a server of the hint different_host"
    return None


def simple_cidr_affinity_filter(host: HostState, request: Request) -> str | None:
    """The host's address is near the hint `build_near_host_ip`: in its network of `cidr`."""
    for near in request.named("build_near_host_ip"):
        prefix = "".join(request.named("cidr")[:1]) or "/24"
        try:
            network = ipaddress.ip_network(near + prefix, strict=False)
            if ipaddress.ip_address(host.node.host_ip or "") in network:
                continue
        except ValueError:
            return f"has no address near {near}{prefix}"
        return f"not in {network}"
    return None


def forced_filter(host: HostState, request: Request) -> str | None:
    """All that is asked of a host an administrator has chosen: that it is the one, and up."""
    if request.requested_host and request.requested_host != host.host:
        return f"not host {request.requested_host}"
    node = request.requested_node
    if node and node != host.node.hypervisor_hostname:
        return f"not node {node}"
    return None if host.service.is_up(cfg.CONF.compute.service_down_time) else "down"


FILTERS: dict[str, Filter] = {
    "ComputeFilter": compute_filter,
    "AvailabilityZoneFilter": availability_zone_filter,
    "ResourcesFilter": resources_filter,
    "ImagePropertiesFilter": image_properties_filter,
    "ComputeCapabilitiesFilter": compute_capabilities_filter,
    "AggregateInstanceExtraSpecsFilter": aggregate_extra_specs_filter,
    "ServerGroupAffinityFilter": server_group_affinity_filter,
    "ServerGroupAntiAffinityFilter": server_group_anti_affinity_filter,
    "ForcedFilter": forced_filter,
    "SameHostFilter": same_host_filter,
    "DifferentHostFilter": different_host_filter,
    "SimpleCIDRAffinityFilter": simple_cidr_affinity_filter,
}

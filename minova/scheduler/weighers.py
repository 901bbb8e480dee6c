"""Weighers: which of the hosts that will do is best.

Each gives a raw number per host; the numbers are scaled to 0..1 over the
hosts at hand and multiplied by the weigher's configured factor.
"""

from collections.abc import Callable

from oslo_config import cfg

from minova.db import server_groups
from minova.scheduler.filters import Request
from minova.scheduler.host_state import HostState


def _of_group(host: HostState, request: Request, policy: str) -> int:
    """How many of the instance's server group are on the host, if it has this policy."""
    group = request.group
    return group.others[host.host] if group is not None and group.policy == policy else 0


Weigher = Callable[[HostState, Request], float]
WEIGHERS: dict[str, Weigher] = {
    "ram_weight_multiplier": lambda host, request: host.free_memory_mb,
    "cpu_weight_multiplier": lambda host, request: host.free_vcpus,
    "disk_weight_multiplier": lambda host, request: host.free_disk_gb,
    "soft_affinity_weight_multiplier": lambda host, request: _of_group(
        host, request, server_groups.SOFT_AFFINITY
    ),
    "soft_anti_affinity_weight_multiplier": lambda host, request: (
        -_of_group(host, request, server_groups.SOFT_ANTI_AFFINITY)
    ),
}


def best_first(hosts: list[HostState], request: Request) -> list[HostState]:
    """`hosts` by falling weight; equals keep their order."""
    weights = dict.fromkeys((host.host for host in hosts), 0.0)
    for option, raw in WEIGHERS.items():
        factor = getattr(cfg.CONF.scheduler, option)
        values = [raw(host, request) for host in hosts]
        low, spread = min(values, default=0), max(values, default=0) - min(values, default=0)
        for host, value in zip(hosts, values, strict=True):
            weights[host.host] += factor * ((value - low) / spread if spread else 0)
    return sorted(hosts, key=lambda host: -weights[host.host])

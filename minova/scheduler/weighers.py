"""Weighers: which of the hosts that will do is best.

Each gives a raw number per host; the numbers are scaled to 0..1 over the
hosts at hand and multiplied by the weigher's configured factor.
"""

from collections.abc import Callable

from oslo_config import cfg

from minova.scheduler.host_state import HostState

WEIGHERS: dict[str, Callable[[HostState], float]] = {
    "ram_weight_multiplier": lambda host: host.free_memory_mb,
    "cpu_weight_multiplier": lambda host: host.free_vcpus,
    "disk_weight_multiplier": lambda host: host.free_disk_gb,
}


def best_first(hosts: list[HostState]) -> list[HostState]:
    """`hosts` by falling weight; equals keep their order."""
    weights = dict.fromkeys((host.host for host in hosts), 0.0)
    for option, raw in WEIGHERS.items():
        factor = getattr(cfg.CONF.scheduler, option)
        values = [raw(host) for host in hosts]
        low, spread = min(values, default=0), max(values, default=0) - min(values, default=0)
        for host, value in zip(hosts, values, strict=True):
            weights[host.host] += factor * ((value - low) / spread if spread else 0)
    return sorted(hosts, key=lambda host: -weights[host.host])

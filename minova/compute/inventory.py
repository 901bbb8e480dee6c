"""What this host tells of itself: its resources and that it lives."""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

from oslo_config import cfg

from minova.common.context import service_context
from minova.conductor.rpcapi import ConductorAPI
from minova.virt.driver import Driver, HostResources


class Inventory:
    """Reports one host to the conductor."""

    def __init__(
        self, driver: Driver, conductor: ConductorAPI, host: str, incarnation: str
    ) -> None:
        self._driver, self._conductor = driver, conductor
        self._host, self._incarnation = host, incarnation

    def report(self) -> None:
        """Say that nova-compute lives and what the host offers now."""
        self._conductor.report_host(
            service_context(), self._host, self._incarnation, node_values(self._driver.resources())
        )


def node_values(resources: HostResources) -> dict[str, Any]:
    """The columns of the compute node: resources and, by ratio and reserve, limits."""
    conf = cfg.CONF
    values = dataclasses.asdict(resources)
    values["cpu_info"] = {**resources.cpu_info, "uptime": uptime()}
    values["accelerator_reason"] = resources.accelerator_reason[:255]
    values["reserved_memory_mb"] = conf.compute.reserved_host_memory_mb
    offers = (
        ("vcpus", conf.compute.reserved_host_cpus, conf.scheduler.cpu_allocation_ratio),
        ("memory_mb", conf.compute.reserved_host_memory_mb, conf.scheduler.ram_allocation_ratio),
        (
            "disk_gb",
            conf.compute.reserved_host_disk_mb // 1024,
            conf.scheduler.disk_allocation_ratio,
        ),
    )
    for name, reserved, ratio in offers:
        values[f"{name}_limit"] = max(0, int((values[name] - reserved) * ratio))
    return values


def uptime() -> str:
    """How long this host has been up, in the words of uptime(1), which clients take apart."""
    seconds = int(float(Path("/proc/uptime").read_text().split()[0]))
    days, rest = divmod(seconds, 86400)
    since = f"{days} days, " if days else ""
    since += f"{rest // 3600}:{rest % 3600 // 60:02d}"
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{time.strftime('%H:%M:%S')} up {since},  0 users,  load average: {load}"

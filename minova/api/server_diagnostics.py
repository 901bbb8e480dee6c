"""GET /servers/{server_id}/diagnostics: what a running server has used, for administrators."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.api.lifecycle import Lifecycle
from minova.common import errors
from minova.common.wsgi import Route
from minova.model import states
from minova.model.diagnostics import Diagnostics
from minova.model.instance import Instance, utcnow

_NORMALISED = (2, 48)
_MIB = 1024
# What clients know of; whatever drives our guests, it is of libvirt's kind.
_DRIVER, _OS = "libvirt", "linux"
_POWER_NAMES = {
    states.NOSTATE: "pending",
    states.RUNNING: "running",
    states.POWER_PAUSED: "paused",
    states.SHUTDOWN: "shutdown",
    states.CRASHED: "crashed",
    states.POWER_SUSPENDED: "suspended",
}


class ServerDiagnostics:
    """The handler of /servers/{server_id}/diagnostics."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access, self._lifecycle = access, lifecycle

    def routes(self) -> list[Route]:
        return [Route("GET", "/v2.1/servers/{server_id}/diagnostics", self.show)]

    def show(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/diagnostics"""
        instance = self._access.server(req, server_id, "os-server-diagnostics")
        found = self._lifecycle.diagnostics(req.context.ctxt, instance)
        if found.power_state != states.RUNNING:
            raise errors.Conflict(
                f"Cannot 'get_diagnostics' instance {instance.uuid} while it is in "
                f"power state {_POWER_NAMES[found.power_state]}"
            )
        if req.context.version < _NORMALISED:
            return _plain(found)
        return _normalised(found, instance)


def _plain(found: Diagnostics) -> dict[str, int]:
    """As libvirt's driver named it all before 2.48: memory in KiB, the rest per device."""
    told = {f"cpu{number}_time": time for number, time in enumerate(found.cpu_times)}
    told["memory"] = told["memory-actual"] = found.memory_maximum * _MIB
    told["memory-rss"] = found.memory_used * _MIB
    for disk in found.disks:
        told |= {
            f"{disk.name}_read": disk.read_bytes,
            f"{disk.name}_read_req": disk.read_requests,
            f"{disk.name}_write": disk.write_bytes,
            f"{disk.name}_write_req": disk.write_requests,
            f"{disk.name}_errors": -1 if disk.errors is None else disk.errors,
        }
    for nic in found.nics:
        for way in ("rx", "tx"):
            told[f"{nic.name}_{way}"] = getattr(nic, f"{way}_octets")
            for what in ("packets", "errors", "drop"):
                told[f"{nic.name}_{way}_{what}"] = getattr(nic, f"{way}_{what}")
    return told


def _normalised(found: Diagnostics, instance: Instance) -> dict[str, Any]:
    launched = instance.launched_at
    return {
        "state": _POWER_NAMES[found.power_state],
        "driver": _DRIVER,
        "hypervisor": found.hypervisor,
        "hypervisor_os": _OS,
        "uptime": None if launched is None else int((utcnow() - launched).total_seconds()),
        "config_drive": found.config_drive,
        "num_cpus": len(found.cpu_times),
        "num_nics": len(found.nics),
        "num_disks": len(found.disks),
        "memory_details": {"maximum": found.memory_maximum, "used": found.memory_used},
        "cpu_details": [
            {"id": number, "time": time, "utilisation": None}
            for number, time in enumerate(found.cpu_times)
        ],
        "nic_details": [
            {
                "mac_address": nic.mac_address,
                **{
                    f"{way}_{what}": getattr(nic, f"{way}_{what}")
                    for way in ("rx", "tx")
                    for what in ("octets", "packets", "errors", "drop")
                },
                "rx_rate": None,
                "tx_rate": None,
            }
            for nic in found.nics
        ],
        "disk_details": [
            {
                "read_bytes": disk.read_bytes,
                "read_requests": disk.read_requests,
                "write_bytes": disk.write_bytes,
                "write_requests": disk.write_requests,
                "errors_count": disk.errors,
            }
            for disk in found.disks
        ],
    }

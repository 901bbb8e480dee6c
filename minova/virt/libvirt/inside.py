"""What is done to a running guest as hardware would, and what it has used."""

from typing import Any

from oslo_config import cfg

from minova.common import errors
from minova.model import states
from minova.model.diagnostics import Diagnostics, DiskUse, Nic
from minova.model.instance import Instance
from minova.virt.libvirt import disks
from minova.virt.libvirt.disks import InstanceFolder
from minova.virt.libvirt.guest import Guest

_KIB = 1024


def trigger_crash_dump(guest: Guest, instance: Instance) -> None:
    """See `Driver.trigger_crash_dump`."""
    if not guest.is_running():
        raise errors.Conflict(f"The guest of server {instance.uuid} does not run; start it.")
    guest.inject_nmi()


def diagnostics(guest: Guest, folder: InstanceFolder, instance: Instance) -> Diagnostics:
    """See `Driver.diagnostics`."""
    power_state = guest.power_state()
    stats = guest.stats() if power_state == states.RUNNING else {}
    if not stats:
        return Diagnostics(power_state)
    macs = {vif.tap: vif.mac_address for vif in instance.vifs}
    return Diagnostics(
        power_state=power_state,
        hypervisor=cfg.CONF.libvirt.virt_type,
        config_drive=(folder / disks.CONFIG).exists(),
        memory_maximum=stats.get("balloon.maximum", 0) // _KIB,
        memory_used=stats.get("balloon.rss", stats.get("balloon.current", 0)) // _KIB,
        cpu_times=[cpu.get("time", 0) for cpu in _each(stats, "vcpu", "vcpu.maximum")],
        nics=[_nic(nic, macs) for nic in _each(stats, "net", "net.count")],
        disks=[_disk(disk) for disk in _each(stats, "block", "block.count")],
    )


def _each(stats: dict[str, Any], kind: str, count: str) -> list[dict[str, Any]]:
    """The values of `kind.0.*`, `kind.1.*`, … each under the rest of its name."""
    found = []
    for number in range(int(stats.get(count, 0))):
        prefix = f"{kind}.{number}."
        values = {k.removeprefix(prefix): v for k, v in stats.items() if k.startswith(prefix)}
        if values:
            found.append(values)
    return found


def _nic(values: dict[str, Any], macs: dict[str, str]) -> Nic:
    counted = {
        f"{way}_{ours}": int(values.get(f"{way}.{theirs}", 0))
        for way in ("rx", "tx")
        for ours, theirs in (
            ("octets", "bytes"),
            ("packets", "pkts"),
            ("errors", "errs"),
            ("drop", "drop"),
        )
    }
    name = str(values.get("name", ""))
    return Nic(name=name, mac_address=macs.get(name), **counted)


def _disk(values: dict[str, Any]) -> DiskUse:
    return DiskUse(
        name=str(values.get("name", "")),
        read_bytes=int(values.get("rd.bytes", 0)),
        read_requests=int(values.get("rd.reqs", 0)),
        write_bytes=int(values.get("wr.bytes", 0)),
        write_requests=int(values.get("wr.reqs", 0)),
    )

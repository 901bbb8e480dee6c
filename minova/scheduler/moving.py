"""Where a resize or a cold migration may go.

A move within a host needs room there for both sizes at once. Between hosts
the disks have to follow: libvirt's hosts share nothing, so their guests stay
where their disks are.
"""

from oslo_config import cfg

from minova.model import migration as migrations
from minova.model.migration import Migration
from minova.scheduler.host_state import HostState

# Hypervisors whose guests' disks can be taken to another host.
_TAKES_DISKS_ALONG = ("fake",)


def refusal(host: HostState, migration: Migration) -> str | None:
    """Why the instance cannot go to `host`, or None if it can."""
    if host.host == migration.source_compute:
        if cfg.CONF.compute.allow_resize_to_same_host:
            return None
        return "move: the server is there already"
    if host.node.hypervisor_type not in _TAKES_DISKS_ALONG:
        return "move: the server's disks cannot be taken there"
    return None


def preferred(hosts: list[HostState], migration: Migration) -> list[HostState]:
    """`hosts` in order; a migration goes to another host if there is one."""
    if migration.migration_type != migrations.COLD:
        return hosts
    return sorted(hosts, key=lambda host: host.host == migration.source_compute)

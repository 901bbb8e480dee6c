"""What the scheduler knows of a host while it decides."""

from dataclasses import dataclass, field

from oslo_config import cfg

from minova.db import aggregates, hosts
from minova.db.engine import Database


@dataclass(frozen=True)
class HostState:
    """A compute node with its service; free amounts include overcommitment."""

    node: hosts.ComputeNode
    service: hosts.Service
    availability_zone: str
    # The metadata of the aggregates it is in.
    aggregates: list[dict[str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.node.host

    @property
    def free_vcpus(self) -> int:
        return self.node.vcpus_limit - self.node.vcpus_used

    @property
    def free_memory_mb(self) -> int:
        return self.node.memory_mb_limit - self.node.memory_mb_used

    @property
    def free_disk_gb(self) -> int:
        return self.node.disk_gb_limit - self.node.disk_gb_used


def all_hosts(db: Database) -> list[HostState]:
    """Every host that has ever reported, up or not."""
    default = cfg.CONF.api.default_availability_zone
    known = aggregates.find(db)
    zones = aggregates.zones_in(known)
    return [
        HostState(
            node,
            service,
            zones.get(node.host, default),
            [each.metadata for each in known if node.host in each.hosts],
        )
        for node, service in hosts.nodes_with_services(db)
    ]

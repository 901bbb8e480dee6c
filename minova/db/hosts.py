"""Services and compute nodes: who lives, and what each host offers."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import notices, tables
from minova.db.engine import Database, retried
from minova.model.instance import utcnow

_services = tables.services
_nodes = tables.compute_nodes


@dataclass(frozen=True)
class Service:
    """A process that reports itself."""

    id: int
    uuid: str
    host: str
    binary: str
    incarnation: str | None
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    created_at: dt.datetime
    updated_at: dt.datetime | None
    last_seen_at: dt.datetime

    def is_up(self, down_time: float) -> bool:
        """Whether it has reported within `down_time` seconds and is not forced down."""
        age = (utcnow() - self.last_seen_at).total_seconds()
        return not self.forced_down and age <= down_time


@dataclass(frozen=True)
class ComputeNode:
    """A host's resources; memory in MiB, disk in GiB. `*_limit` include overcommitment."""

    id: int
    uuid: str
    host: str
    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str | None
    vcpus: int
    memory_mb: int
    disk_gb: int
    disk_available_gb: int
    vcpus_limit: int
    memory_mb_limit: int
    disk_gb_limit: int
    vcpus_used: int
    memory_mb_used: int
    disk_gb_used: int
    running_vms: int
    reserved_memory_mb: int
    cpu_info: dict[str, Any]
    accelerator: str
    accelerator_reason: str
    supported: list[list[str]]
    created_at: dt.datetime
    updated_at: dt.datetime | None


@retried
def report_service(db: Database, host: str, binary: str, incarnation: str) -> None:
    """A service says that it lives; the first time, it enters the list."""
    now = utcnow()
    with db.transaction() as connection:
        seen = connection.execute(
            _services.update()
            .where(_services.c.host == host, _services.c.binary == binary)
            .values(last_seen_at=now, incarnation=incarnation)
        )
        if not seen.rowcount:
            key = str(uuid.uuid4())
            connection.execute(
                _services.insert().values(
                    uuid=key,
                    host=host,
                    binary=binary,
                    incarnation=incarnation,
                    disabled=False,
                    forced_down=False,
                    created_at=now,
                    last_seen_at=now,
                )
            )
            row = connection.execute(_services.select().where(_services.c.uuid == key)).one()
            notices.new_service(connection, row)


def services(db: Database, *, host: str | None = None, binary: str | None = None) -> list[Service]:
    """All services, or those of a host or binary."""
    query = _services.select().order_by(_services.c.id)
    if host is not None:
        query = query.where(_services.c.host == host)
    if binary is not None:
        query = query.where(_services.c.binary == binary)
    with db.reading() as connection:
        return [Service(**row._mapping) for row in connection.execute(query)]


def service(db: Database, service_uuid: str) -> Service:
    """One service by its uuid; errors.NotFound."""
    query = _services.select().where(_services.c.uuid == service_uuid)
    with db.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise errors.NotFound(f"Service {service_uuid} could not be found.")
    return Service(**row._mapping)


@retried
def update_service(db: Database, service_uuid: str, **values: Any) -> None:
    """Enable, disable (with reason) or force down a service."""
    with db.transaction() as connection:
        connection.execute(
            _services.update()
            .where(_services.c.uuid == service_uuid)
            .values(updated_at=utcnow(), **values)
        )


@retried
def delete_service(db: Database, service_uuid: str) -> None:
    """Forget a service; of a nova-compute also its node, and its place in aggregates."""
    with db.transaction() as connection:
        row = connection.execute(_services.select().where(_services.c.uuid == service_uuid)).first()
        if row is None:
            return
        connection.execute(_services.delete().where(_services.c.id == row.id))
        if row.binary == "nova-compute":
            connection.execute(_nodes.delete().where(_nodes.c.host == row.host))
            in_aggregates = tables.aggregate_hosts
            connection.execute(in_aggregates.delete().where(in_aggregates.c.host == row.host))


@retried
def report_node(db: Database, host: str, **resources: Any) -> None:
    """What a host offers now; the counters of what is used stay with the claims."""
    now = utcnow()
    with db.transaction() as connection:
        known = connection.execute(
            _nodes.update().where(_nodes.c.host == host).values(updated_at=now, **resources)
        )
        if not known.rowcount:
            connection.execute(
                _nodes.insert().values(
                    uuid=str(uuid.uuid4()),
                    host=host,
                    vcpus_used=0,
                    memory_mb_used=0,
                    disk_gb_used=0,
                    running_vms=0,
                    created_at=now,
                    **resources,
                )
            )


def nodes(db: Database) -> list[ComputeNode]:
    """All compute nodes."""
    with db.reading() as connection:
        rows = connection.execute(_nodes.select().order_by(_nodes.c.id))
        return [ComputeNode(**row._mapping) for row in rows]


def nodes_with_services(db: Database) -> list[tuple[ComputeNode, Service]]:
    """Each compute node with its nova-compute service: what the scheduler looks at."""
    with db.reading() as connection:
        found = {
            row.host: Service(**row._mapping)
            for row in connection.execute(
                _services.select().where(_services.c.binary == "nova-compute")
            )
        }
        rows = connection.execute(sa.select(_nodes).order_by(_nodes.c.id)).all()
    return [(ComputeNode(**r._mapping), found[r.host]) for r in rows if r.host in found]

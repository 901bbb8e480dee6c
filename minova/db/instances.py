"""Instances: rows to dataclasses, and the plain reads and writes.

Changes of state go through `db.states`, never through here.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model import states
from minova.model.instance import BlockDevice, Fault, Instance, utcnow

_instances = tables.instances
_devices = tables.block_devices
_faults = tables.instance_faults
_NOT_IN_RECORD = {"flavor_id", "vcpus", "memory_mb"}


def insert(connection: sa.Connection, instance: Instance) -> Instance:
    """Add a new instance and its block devices; returns it with its `id`."""
    values = {
        name: value
        for name, value in vars(instance).items()
        if name not in ("id", "block_devices", "fault", "metadata")
    }
    values.update(
        metadata_=instance.metadata,
        flavor_id=instance.flavor.id,
        vcpus=instance.flavor.vcpus,
        memory_mb=instance.flavor.memory_mb,
    )
    key = connection.execute(_instances.insert(), values).inserted_primary_key
    for device in instance.block_devices:
        insert_device(connection, instance.uuid, device)
    return Instance(**{**vars(instance), "id": key[0] if key else 0})


def insert_device(connection: sa.Connection, uuid: str, device: BlockDevice) -> None:
    """Add a block device mapping; errors.DuplicateEntry if the device name is taken."""
    values = {"instance_uuid": uuid, "created_at": utcnow(), **vars(device)}
    connection.execute(_devices.insert(), values)


def get(db: Database, uuid: str, *, deleted: bool = False) -> Instance:
    """One instance, whole; errors.NotFound also for a deleted one unless `deleted`."""
    with db.reading() as connection:
        return get_on(connection, uuid, deleted=deleted)


# Built once: every poll of a client asks this.
_ANY_BY_UUID = _instances.select().where(_instances.c.uuid == sa.bindparam("uuid"))
_BY_UUID = _ANY_BY_UUID.where(_instances.c.deleted_at.is_(None))


def get_on(connection: sa.Connection, uuid: str, *, deleted: bool = False) -> Instance:
    """`get` on a connection one has."""
    row = connection.execute(_ANY_BY_UUID if deleted else _BY_UUID, {"uuid": uuid}).first()
    if row is None:
        raise errors.NotFound(f"Instance {uuid} could not be found.")
    return whole(connection, [row])[0]


def of_host(db: Database, host: str) -> list[Instance]:
    """All instances that live, or are being built, on `host`."""
    with db.reading() as connection:
        rows = connection.execute(
            _instances.select().where(_instances.c.host == host, _instances.c.deleted_at.is_(None))
        ).all()
        return whole(connection, rows)


def soft_deleted_before(db: Database, moment: dt.datetime) -> list[str]:
    """The idle instances that were deleted before `moment` and are kept; longest ago first."""
    kept = _instances.c.soft_deleted_at
    query = sa.select(_instances.c.uuid).where(
        _instances.c.vm_state == states.SOFT_DELETED,
        _instances.c.task_state.is_(None),
        _instances.c.deleted_at.is_(None),
        kept < moment,
    )
    with db.reading() as connection:
        return list(connection.execute(query.order_by(kept)).scalars())


def shelved_before(db: Database, moment: dt.datetime) -> list[str]:
    """The uuids of what has been shelved since then or longer, and has a host; oldest first."""
    query = (
        sa.select(_instances.c.uuid)
        .where(
            _instances.c.vm_state == states.SHELVED,
            _instances.c.task_state.is_(None),
            _instances.c.shelved_at <= moment,
            _instances.c.host.is_not(None),
            _instances.c.deleted_at.is_(None),
        )
        .order_by(_instances.c.shelved_at)
    )
    with db.reading() as connection:
        return list(connection.execute(query).scalars())


def hosts_of(db: Database, uuids: Collection[str], project_id: str) -> dict[str, str]:
    """uuid -> host of those of a project's instances that have one."""
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(_instances.c.uuid, _instances.c.host).where(
                _instances.c.uuid.in_(uuids),
                _instances.c.project_id == project_id,
                _instances.c.host.is_not(None),
                _instances.c.deleted_at.is_(None),
            )
        )
        return {row.uuid: row.host for row in rows}


def on_hosts(db: Database, hosts: Collection[str]) -> dict[str, list[tuple[int, str]]]:
    """host -> (id, uuid) of the instances that live, or are being built, there: one query."""
    columns = (_instances.c.host, _instances.c.id, _instances.c.uuid)
    query = sa.select(*columns).where(
        _instances.c.host.in_(hosts), _instances.c.deleted_at.is_(None)
    )
    found: dict[str, list[tuple[int, str]]] = {}
    with db.reading() as connection:
        for row in connection.execute(query.order_by(_instances.c.id)):
            found.setdefault(row.host, []).append((row.id, row.uuid))
    return found


def whole(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Instance]:
    """Rows as instances with their block devices and newest faults: two queries for all."""
    uuids = [row.uuid for row in rows]
    devices = _devices_of(connection, uuids)
    faults = _faults_of(
        connection,
        [r.uuid for r in rows if r.vm_state == states.ERROR or r.deleted_at is not None],
    )
    # A row makes its names anew at each question.
    names = rows[0]._fields if rows else ()
    return [
        _instance_of(names, row, devices.get(row.uuid, []), faults.get(row.uuid)) for row in rows
    ]


def _instance_of(
    names: Sequence[str], row: sa.Row[Any], devices: list[BlockDevice], fault: Fault | None
) -> Instance:
    values = dict(zip(names, row, strict=True))
    for name in _NOT_IN_RECORD:
        del values[name]
    values["metadata"] = values.pop("metadata_", None) or values.get("metadata") or {}
    values["block_devices"], values["fault"] = devices, fault
    # Every field is there. To set fifty of a frozen dataclass one by one takes as long as to
    # read and decode the row.
    instance = object.__new__(Instance)
    instance.__dict__.update(values)
    return instance


_DEVICES = (
    _devices.select()
    .where(_devices.c.instance_uuid.in_(sa.bindparam("uuids", expanding=True)))
    .order_by(_devices.c.created_at, _devices.c.id)
)


def _devices_of(connection: sa.Connection, uuids: list[str]) -> dict[str, list[BlockDevice]]:
    found: dict[str, list[BlockDevice]] = {}
    if uuids:
        rows = connection.execute(_DEVICES, {"uuids": uuids})
        names = list(rows.keys())
        for row in rows:
            values = dict(zip(names, row, strict=True))
            uuid = values.pop("instance_uuid")
            del values["created_at"]
            found.setdefault(uuid, []).append(BlockDevice(**values))
    return found


def _faults_of(connection: sa.Connection, uuids: list[str]) -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    if uuids:
        query = _faults.select().where(_faults.c.instance_uuid.in_(uuids))
        for row in connection.execute(query.order_by(_faults.c.id)):
            found[row.instance_uuid] = Fault(row.code, row.message, row.details, row.created_at)
    return found


@retried
def update(db: Database, uuid: str, **values: Any) -> None:
    """Set columns that are not state (names, addresses, locks)."""
    with db.transaction() as connection:
        update_on(connection, uuid, **values)


def update_on(connection: sa.Connection, uuid: str, **values: Any) -> None:
    """`update` in the caller's transaction."""
    if "metadata" in values:
        values["metadata_"] = values.pop("metadata")
    connection.execute(
        _instances.update().where(_instances.c.uuid == uuid).values(updated_at=utcnow(), **values)
    )


@retried
def set_password(db: Database, uuid: str, password: str) -> bool:
    """Keep what the guest has posted; False when there is one that nobody has deleted."""
    column = _instances.c.password
    with db.transaction() as connection:
        return bool(
            connection.execute(
                _instances.update()
                .where(
                    _instances.c.uuid == uuid,
                    _instances.c.deleted_at.is_(None),
                    sa.or_(column.is_(None), column == ""),
                )
                .values(password=password)
            ).rowcount
        )


@retried
def save_device(db: Database, device: BlockDevice) -> None:
    """Remember what became of a block device (attachment, connection)."""
    values = {k: v for k, v in vars(device).items() if k != "id"}
    with db.transaction() as connection:
        connection.execute(_devices.update().where(_devices.c.id == device.id).values(**values))


@retried
def remove_device(db: Database, device_id: str) -> None:
    """Forget a block device. Idempotent."""
    with db.transaction() as connection:
        remove_device_on(connection, device_id)


def remove_device_on(connection: sa.Connection, device_id: str) -> None:
    """`remove_device` in a transaction one has."""
    connection.execute(_devices.delete().where(_devices.c.id == device_id))


def has_volume(db: Database, volume_id: str) -> bool:
    """Whether a server that lives has the volume."""
    query = (
        sa.select(_devices.c.id)
        .join(_instances, _instances.c.uuid == _devices.c.instance_uuid)
        .where(_devices.c.volume_id == volume_id, _instances.c.deleted_at.is_(None))
    )
    with db.reading() as connection:
        return connection.execute(query.limit(1)).first() is not None

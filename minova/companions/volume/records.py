"""Volumes and attachments as the rest of the service sees them: rows, frozen."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Volume:
    """A volume. `size_gb` is GiB; `format` is what its file is, `raw` or `qcow2`.

    `readonly` is None until somebody sets or clears the flag.
    """

    id: str
    project_id: str
    user_id: str
    host: str
    size_gb: int
    status: str
    availability_zone: str
    format: str
    created_at: dt.datetime
    name: str | None = None
    description: str | None = None
    new_size_gb: int | None = None
    bootable: bool = False
    readonly: bool | None = None
    image_id: str | None = None
    source_volid: str | None = None
    snapshot_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    image_metadata: dict[str, Any] = field(default_factory=dict)
    updated_at: dt.datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """A volume as it was; `format` is what its file is, and `size_gb` what the volume had."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    host: str
    size_gb: int
    status: str
    format: str
    created_at: dt.datetime
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    updated_at: dt.datetime | None = None
    progress: str | None = None


@dataclass(frozen=True)
class Attachment:
    """A volume promised or given to a server. `connected`: a host has an export of it."""

    id: str
    volume_id: str
    server_id: str | None
    status: str
    created_at: dt.datetime
    mode: str = "rw"
    mountpoint: str | None = None
    host_name: str | None = None
    connected: bool = False
    attached_at: dt.datetime | None = None


def now() -> dt.datetime:
    """Naive UTC, as the tables keep it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)

"""The volume service's tables.

`volumes.host` is the host whose disk holds the file: only its service works
on the volume. `new_size_gb` is what an extension in flight is going to,
`image_id`, `source_volid` and `snapshot_id` what a creation in flight copies
from, so that both can be taken up again after a crash. A snapshot has a file of
its own beside that of its volume.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

metadata = sa.MetaData()
# With microseconds: lists are ordered by them, and MariaDB keeps none unasked.
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

volumes = sa.Table(
    "volumes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.String(255)),
    sa.Column("size_gb", sa.Integer, nullable=False),
    sa.Column("new_size_gb", sa.Integer),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("availability_zone", sa.String(255), nullable=False),
    sa.Column("format", sa.String(8), nullable=False),
    sa.Column("bootable", sa.Boolean, nullable=False),
    sa.Column("readonly", sa.Boolean),
    sa.Column("image_id", sa.String(36)),
    sa.Column("source_volid", sa.String(36)),
    sa.Column("snapshot_id", sa.String(36)),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("image_metadata", sa.JSON, nullable=False),
    sa.Column("created_at", TIME, nullable=False),
    sa.Column("updated_at", TIME),
    sa.Index("ix_volumes_project", "project_id", "created_at"),
    sa.Index("ix_volumes_host", "host", "status"),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("volume_id", sa.String(36), sa.ForeignKey("volumes.id"), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.String(255)),
    sa.Column("size_gb", sa.Integer, nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    # As os-update_snapshot_status has set it, like `40%`.
    sa.Column("progress", sa.String(8)),
    sa.Column("format", sa.String(8), nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("created_at", TIME, nullable=False),
    sa.Column("updated_at", TIME),
    sa.Index("ix_snapshots_project", "project_id", "created_at"),
    sa.Index("ix_snapshots_volume", "volume_id"),
    sa.Index("ix_snapshots_host", "host", "status"),
)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("volume_id", sa.String(36), sa.ForeignKey("volumes.id"), nullable=False),
    sa.Column("server_id", sa.String(36)),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("mountpoint", sa.String(255)),
    sa.Column("host_name", sa.String(255)),
    # Whether a host was given the volume: then an export serves it.
    sa.Column("connected", sa.Boolean, nullable=False),
    sa.Column("created_at", TIME, nullable=False),
    sa.Column("attached_at", TIME),
    sa.Index("ix_attachments_volume", "volume_id"),
    sa.Index("ix_attachments_server", "server_id"),
)

# One row per project that ever created a volume: locked while its quota is counted.
projects = sa.Table(
    "projects",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
)

# Limits that differ from the configured ones; -1 is without limit.
quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("hard_limit", sa.Integer, nullable=False),
)

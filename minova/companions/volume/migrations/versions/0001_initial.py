"""The first schema of the volume service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

# With microseconds: lists are ordered by them, and MariaDB keeps none unasked.
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "volumes",
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
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("image_metadata", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME),
    )
    op.create_index("ix_volumes_project", "volumes", ["project_id", "created_at"])
    op.create_index("ix_volumes_host", "volumes", ["host", "status"])
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("volume_id", sa.String(36), sa.ForeignKey("volumes.id"), nullable=False),
        sa.Column("server_id", sa.String(36)),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("mountpoint", sa.String(255)),
        sa.Column("host_name", sa.String(255)),
        sa.Column("connected", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("attached_at", TIME),
    )
    op.create_index("ix_attachments_volume", "attachments", ["volume_id"])
    op.create_index("ix_attachments_server", "attachments", ["server_id"])
    op.create_table(
        "projects",
        sa.Column("project_id", sa.String(64), primary_key=True),
    )
    op.create_table(
        "quotas",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("resource", sa.String(64), primary_key=True),
        sa.Column("hard_limit", sa.Integer, nullable=False),
    )

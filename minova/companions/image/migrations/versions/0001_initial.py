"""The first schema of the image service."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _image_id() -> "sa.Column[str]":
    return sa.Column("image_id", sa.String(36), sa.ForeignKey("images.id"), primary_key=True)


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("disk_format", sa.String(20)),
        sa.Column("container_format", sa.String(20)),
        sa.Column("min_disk", sa.BigInteger, nullable=False),
        sa.Column("min_ram", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("virtual_size", sa.BigInteger),
        sa.Column("checksum", sa.String(32)),
        sa.Column("os_hash_algo", sa.String(64)),
        sa.Column("os_hash_value", sa.String(128)),
        sa.Column("upload", sa.String(32)),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_images_created", "images", ["status", "created_at"])
    op.create_index("ix_images_owner", "images", ["owner", "status"])
    op.create_index("ix_images_name", "images", ["name"])
    op.create_table(
        "image_properties",
        _image_id(),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "image_tags",
        _image_id(),
        sa.Column("tag", sa.String(255), primary_key=True),
    )
    op.create_table(
        "image_members",
        _image_id(),
        sa.Column("project_id", sa.String(255), primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_image_members_project", "image_members", ["project_id"])

"""Migrations, and a second claim for an instance that moves."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import Json, UTCDateTime

revision = "0004_migrations"
down_revision = "0003_block_devices"
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_AMOUNTS = ("vcpus", "memory_mb", "disk_gb")


def upgrade() -> None:
    _migrations()
    _claims()


def _migrations() -> None:
    op.create_table(
        "migrations",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("migration_type", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("source_compute", sa.String(255)),
        sa.Column("source_node", sa.String(255)),
        sa.Column("dest_compute", sa.String(255)),
        sa.Column("dest_node", sa.String(255)),
        sa.Column("dest_host", sa.String(255)),
        sa.Column("old_flavor", Json, nullable=False),
        sa.Column("new_flavor", Json, nullable=False),
        sa.Column("old_flavor_number", sa.Integer, nullable=False),
        sa.Column("new_flavor_number", sa.Integer, nullable=False),
        sa.Column("old_vm_state", sa.String(32), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime),
        sa.Index("ix_migrations_instance", "instance_uuid", "status"),
        sa.Index("ix_migrations_source", "source_compute", "status"),
        sa.Index("ix_migrations_status", "status", "updated_at"),
    )


def _claims() -> None:
    """A new table, because not every database can change a primary key."""
    columns = [sa.Column(name, sa.Integer, nullable=False) for name in _AMOUNTS]
    op.create_table(
        "claims",
        sa.Column("instance_uuid", sa.String(36), primary_key=True),
        sa.Column("purpose", sa.String(16), primary_key=True, server_default="instance"),
        sa.Column("host", sa.String(255), nullable=False),
        *columns,
    )
    names = ", ".join(("instance_uuid", "host", *_AMOUNTS))
    op.execute(f"INSERT INTO claims (purpose, {names}) SELECT 'instance', {names} FROM allocations")
    op.drop_table("allocations")
    op.rename_table("claims", "allocations")
    op.create_index("ix_allocations_host", "allocations", ["host"])

"""Routers and floating IPs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _standard() -> list[sa.Column]:
    return [
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("revision_number", sa.Integer(), nullable=False),
    ]


def _reference(name: str, table: str, nullable: bool, ondelete: str | None = None) -> sa.Column:
    key = sa.ForeignKey(f"{table}.id", ondelete=ondelete)
    return sa.Column(name, sa.String(length=36), key, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "routers",
        *_standard(),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        _reference("external_network_id", "networks", nullable=True),
        _reference("gateway_port_id", "ports", nullable=True),
    )
    op.create_index("ix_routers_project_id", "routers", ["project_id"])
    op.create_table(
        "floating_ips",
        *_standard(),
        _reference("floating_network_id", "networks", nullable=False),
        sa.Column("floating_ip_address", sa.String(length=64), nullable=False),
        _reference("floating_port_id", "ports", nullable=False),
        _reference("port_id", "ports", nullable=True, ondelete="SET NULL"),
        sa.Column("fixed_ip_address", sa.String(length=64)),
        sa.Column("router_id", sa.String(length=36)),
        sa.UniqueConstraint("port_id", "fixed_ip_address", name="uq_floating_ips_port_fixed"),
    )
    op.create_index("ix_floating_ips_project_id", "floating_ips", ["project_id"])
    op.create_index("ix_floating_ips_port_id", "floating_ips", ["port_id"])

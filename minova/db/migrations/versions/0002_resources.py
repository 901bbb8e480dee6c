"""Server groups, aggregates, quotas of users and quota classes."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import Json, UTCDateTime

revision = "0002_resources"
down_revision = "0001"


def upgrade() -> None:
    _quotas()
    _server_groups()
    _aggregates()


def _quotas() -> None:
    op.create_table(
        "user_quotas",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("resource", sa.String(64), primary_key=True),
        sa.Column("hard_limit", sa.Integer, nullable=False),
    )
    op.create_table(
        "quota_classes",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("resource", sa.String(64), primary_key=True),
        sa.Column("hard_limit", sa.Integer, nullable=False),
    )


def _server_groups() -> None:
    op.create_table(
        "server_groups",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(32), nullable=False),
        sa.Column("rules", Json, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("claimed_at", UTCDateTime),
        sa.Index("ix_server_groups_project", "project_id"),
    )
    op.create_table(
        "server_group_members",
        sa.Column("instance_uuid", sa.String(36), primary_key=True),
        sa.Column("group_uuid", sa.String(36), nullable=False),
        sa.Index("ix_server_group_members_group", "group_uuid"),
    )


def _aggregates() -> None:
    op.create_table(
        "aggregates",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime),
    )
    op.create_table(
        "aggregate_hosts",
        sa.Column("aggregate_id", sa.Integer, sa.ForeignKey("aggregates.id"), primary_key=True),
        sa.Column("host", sa.String(255), primary_key=True),
    )

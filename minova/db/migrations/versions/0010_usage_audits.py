"""The usage audits of hosts."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import UTCDateTime

revision = "0010_usage_audits"
down_revision = "0009_unentered"


def upgrade() -> None:
    op.create_table(
        "usage_audits",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("period_beginning", UTCDateTime, nullable=False),
        sa.Column("period_ending", UTCDateTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", UTCDateTime, nullable=False),
        sa.Column("message", sa.String(255), nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        sa.UniqueConstraint(
            "host", "period_beginning", "period_ending", name="uq_usage_audits_period"
        ),
    )

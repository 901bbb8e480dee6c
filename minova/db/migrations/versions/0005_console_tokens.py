"""The tokens that open consoles."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import UTCDateTime

revision = "0005_console_tokens"
down_revision = "0004_migrations"


def upgrade() -> None:
    op.create_table(
        "console_tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("instance_uuid", sa.String(36), sa.ForeignKey("instances.uuid"), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("expires_at", UTCDateTime, nullable=False),
        sa.Index("ix_console_tokens_instance", "instance_uuid"),
        sa.Index("ix_console_tokens_expiry", "expires_at"),
    )

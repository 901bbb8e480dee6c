"""Launches that have been promised volumes and are not entered yet."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import UTCDateTime

revision = "0009_unentered"
down_revision = "0008_injected_files"


def upgrade() -> None:
    op.create_table(
        "unentered",
        sa.Column("server_uuid", sa.String(36), primary_key=True),
        sa.Column("until", UTCDateTime, nullable=False),
        sa.Column("given_up", sa.Boolean, nullable=False),
        sa.Index("ix_unentered_until", "until"),
    )

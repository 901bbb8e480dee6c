"""Servers kept after they were deleted, and the passwords that guests post."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import UTCDateTime

revision = "0006_kept"
down_revision = "0005_console_tokens"


def upgrade() -> None:
    op.add_column("instances", sa.Column("soft_deleted_at", UTCDateTime()))
    op.add_column("instances", sa.Column("password", sa.Text()))

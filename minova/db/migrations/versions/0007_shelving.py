"""Servers that are shelved: since when, and as which image."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import UTCDateTime

revision = "0007_shelving"
down_revision = "0006_kept"


def upgrade() -> None:
    op.add_column("instances", sa.Column("shelved_at", UTCDateTime))
    op.add_column("instances", sa.Column("shelved_image_id", sa.String(36)))

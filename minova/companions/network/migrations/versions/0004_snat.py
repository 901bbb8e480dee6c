"""Routers whose subnets are seen outside with their own addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null, in rows that were there before, is true.
    op.add_column("routers", sa.Column("enable_snat", sa.Boolean()))

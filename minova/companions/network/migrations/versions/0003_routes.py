"""Routes of routers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A list; null stands for an empty one, in rows that were there before.
    op.add_column("routers", sa.Column("routes", sa.JSON()))

"""How far a service says that a snapshot is."""

import sqlalchemy as sa
from alembic import op

revision = "0003_snapshot_progress"
down_revision = "0002_snapshots"


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("progress", sa.String(8)))

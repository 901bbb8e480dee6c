"""Files that a launch puts into its server."""

import sqlalchemy as sa
from alembic import op

from minova.db.types import Json

revision = "0008_injected_files"
down_revision = "0007_shelving"


def upgrade() -> None:
    op.add_column("instances", sa.Column("injected_files", Json))

"""What a launch may say of a block device besides: its bus, format, type and snapshot."""

import sqlalchemy as sa
from alembic import op

revision = "0003_block_devices"
down_revision = "0002_resources"

_COLUMNS = (
    ("snapshot_id", 36),
    ("volume_type", 255),
    ("guest_format", 255),
    ("disk_bus", 16),
    ("device_type", 16),
)


def upgrade() -> None:
    for name, length in _COLUMNS:
        op.add_column("block_devices", sa.Column(name, sa.String(length)))

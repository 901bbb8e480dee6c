from minova.companions.volume import tables
from minova.db.alembic_env import run

run(tables.metadata)

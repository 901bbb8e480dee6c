from minova.companions.image import tables
from minova.db.alembic_env import run

run(tables.metadata)

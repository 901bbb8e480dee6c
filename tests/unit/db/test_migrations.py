"""The schema that migrations build is the one the queries are written for."""

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from minova.db import tables
from minova.db.engine import migrate

MIGRATIONS = "minova.db.migrations"


def test_migrated_schema_equals_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nova.sqlite"
    migrate(url, MIGRATIONS)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nova.sqlite"
    migrate(url, MIGRATIONS)
    migrate(url, MIGRATIONS)

"""The schema that migrations build is the one the queries are written for."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from minova.db import tables
from minova.db.engine import migrate
from tests import databases

MIGRATIONS = "minova.db.migrations"


@pytest.mark.parametrize("kind", databases.available())
def test_migrated_schema_equals_the_tables_however_often_migrated(
    kind: str, tmp_path: Path
) -> None:
    with databases.fresh(kind, tmp_path) as url:
        migrate(url, MIGRATIONS)
        migrate(url, MIGRATIONS)
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, tables.metadata) == []
        engine.dispose()

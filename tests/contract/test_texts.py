"""Names hold any character and are told apart by case, whatever a server's default is."""

import datetime as dt
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from minova.db.engine import Database, migrate
from tests import databases

NAME = "née 😀"
# Package -> a table of it whose rows stand alone and have a name.
PACKAGES = {
    "minova.db": "keypairs",
    "minova.companions.identity": "domains",
    "minova.companions.image": "images",
    "minova.companions.network": "networks",
    "minova.companions.volume": "volumes",
}
FILLING: dict[type, Any] = {
    str: "x",
    int: 1,
    bool: True,
    object: {},  # JSON
    dt.datetime: dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
}


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("kind", databases.available())
def test_a_name_of_any_characters_is_found_by_exactly_them(
    kind: str, package: str, tmp_path: Path
) -> None:
    table = import_module(f"{package}.tables").metadata.tables[PACKAGES[package]]
    needed = [column for column in table.c if not column.nullable]
    row = {column.key: _filling(column.type) for column in needed} | {"name": NAME}
    with databases.fresh(kind, tmp_path) as url:
        migrate(url, f"{package}.migrations")
        db = Database(url)
        with db.transaction() as connection:
            connection.execute(table.insert().values(row))
        with db.reading() as connection:
            for name, found in ((NAME, [NAME]), (NAME.upper(), []), (NAME.replace("é", "e"), [])):
                query = sa.select(table.c.name).where(table.c.name == name)
                assert list(connection.scalars(query)) == found
        db.dispose()


def _filling(kind: Any) -> Any:
    """Some value of a column's type."""
    return FILLING[getattr(kind, "impl_instance", kind).python_type]

"""What the contract suites have in common."""

from collections.abc import Iterator
from typing import Any

import pytest

from minova.db.engine import Database, migrate
from tests import databases
from tests.configuration import configure


@pytest.fixture(params=databases.available(), scope="module")
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The compute database, on each server there is."""
    configure()
    with databases.fresh(request.param, tmp_path_factory.mktemp("db")) as url:
        migrate(url, "minova.db.migrations")
        database = Database(url)
        yield database
        database.dispose()

"""A real identity service on a free port, over a bootstrapped SQLite file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minova.companions.identity import bootstrap, keys, service
from minova.db import engine
from tests.configuration import configure
from tests.functional.identity.server import Identity, plan, running


@pytest.fixture(scope="session", autouse=True)
def _no_config_files() -> None:
    """The policy enforcer asks oslo.config for files; there are none here."""
    configure()


@pytest.fixture(scope="session")
def bootstrapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bootstrapped database and token keys, to be copied."""
    folder = tmp_path_factory.mktemp("identity")
    url = f"sqlite:///{folder}/identity.sqlite"
    engine.migrate(url, service.MIGRATIONS)
    db = engine.Database(url)
    bootstrap.bootstrap(db, plan())
    db.dispose()
    keys.setup(folder / "keys")
    return folder


@pytest.fixture
def identity(bootstrapped: Path, tmp_path: Path) -> Iterator[Identity]:
    with running(bootstrapped, tmp_path / "identity") as identity:
        yield identity


@pytest.fixture
def admin(identity: Identity) -> str:
    """A token of the cloud's admin."""
    return identity.token("admin", "admin")


@pytest.fixture
def demo(identity: Identity) -> str:
    """A token of an ordinary member."""
    return identity.token("demo", "demo")

"""A real identity service on a free port, over a bootstrapped SQLite file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from minova.common.service import RestService
from minova.companions.identity import app, bootstrap, keys, service
from minova.companions.identity.keys import KeyRing
from minova.db import engine
from tests.functional.identity.server import Identity, plan


@pytest.fixture(scope="session", autouse=True)
def _no_config_files() -> None:
    """The policy enforcer asks oslo.config for files; there are none here."""
    cfg.CONF([], project="minova", default_config_files=[], default_config_dirs=[])


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
    folder = tmp_path / "identity"
    shutil.copytree(bootstrapped, folder)
    db = engine.Database(f"sqlite:///{folder}/identity.sqlite")
    settings = app.Settings(public_endpoint="http://identity.example:5000", password_rounds=4)
    wsgi = app.build(db, KeyRing(folder / "keys"), settings)
    server = RestService("identity", wsgi, "127.0.0.1", 0, threads=4)
    server.start()
    identity = Identity(server.port, db, folder / "keys")
    bootstrap.bootstrap(db, plan(identity.url))
    yield identity
    identity.session.close()
    server.stop()
    db.dispose()


@pytest.fixture
def admin(identity: Identity) -> str:
    """A token of the cloud's admin."""
    return identity.token("admin", "admin")


@pytest.fixture
def demo(identity: Identity) -> str:
    """A token of an ordinary member."""
    return identity.token("demo", "demo")

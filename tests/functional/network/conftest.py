"""A live network server with one host's agent."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import oslo_messaging
import pytest
from oslo_config import cfg

from minova import conf
from minova.common import rpc
from minova.companions.network.service import MIGRATIONS
from minova.db import engine
from minova.db.engine import Database
from tests import databases
from tests.configuration import configure
from tests.functional.network.server import Agent, Server, migrated


@pytest.fixture(scope="session", autouse=True)
def _no_config_files() -> None:
    configure()
    conf.register()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    path = tmp_path_factory.mktemp("network") / "empty.sqlite"
    migrated(path).dispose()
    return path


@pytest.fixture
def db(request: pytest.FixtureRequest, empty: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty database; on SQLite unless a test names others."""
    kind = getattr(request, "param", "sqlite")
    with databases.fresh(kind, tmp_path) as url:
        if kind == "sqlite":
            shutil.copy(empty, url.removeprefix("sqlite:///"))
        else:
            engine.migrate(url, MIGRATIONS)
        db = Database(url)
        yield db
        db.dispose()


@pytest.fixture
def _bus() -> Iterator[None]:
    oslo_messaging.TransportURL(cfg.CONF)  # registers transport_url
    cfg.CONF.set_override("transport_url", f"local:///{uuid.uuid4().hex}")
    yield
    rpc.cleanup()
    cfg.CONF.clear_override("transport_url")


@pytest.fixture
def server(db: Database, _bus: None) -> Iterator[Server]:
    server = Server(db, gap=0.2)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def agent(server: Server, db: Database) -> Iterator[Agent]:
    agent = Agent("h1", db)
    agent.start()
    yield agent
    agent.stop()

"""The image service of `server.py` and its users, as fixtures."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minova.companions.image import tables
from tests import databases
from tests.configuration import configure
from tests.functional.image.server import MIB, Cloud, User, running


@pytest.fixture(scope="session", autouse=True)
def configured() -> None:
    configure()


@pytest.fixture(scope="session", params=databases.available())
def _cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    with databases.fresh(request.param, folder) as url, running(folder, url) as cloud:
        yield cloud


@pytest.fixture
def cloud(_cloud: Cloud) -> Iterator[Cloud]:
    """The one live service (starting and stopping one takes half a second), emptied after."""
    yield _cloud
    with _cloud.db.transaction() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
    for name in _cloud.files():
        (_cloud.folder / name).unlink()


@pytest.fixture
def small_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A service that takes images of 1 MiB, one upload at a time."""
    with running(tmp_path, f"sqlite:///{tmp_path}/image.sqlite", MIB, 1) as cloud:
        yield cloud


@pytest.fixture
def demo(cloud: Cloud) -> User:
    return cloud.user()


@pytest.fixture
def other(cloud: Cloud) -> User:
    return cloud.user("other")


@pytest.fixture
def admin(cloud: Cloud) -> User:
    return cloud.user("admin", "admin,member,reader")


@pytest.fixture
def disk(tmp_path: Path) -> Callable[..., bytes]:
    """Bytes of a disk image that qemu-img makes."""

    def make(disk_format: str, size: str = "16M", *options: str) -> bytes:
        path = tmp_path / f"disk.{disk_format}"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", disk_format, *options, str(path), size], check=True
        )
        return path.read_bytes()

    return make

"""One cloud for all of these tests, and nova-api's HTTP as a client sees it."""

from collections.abc import Iterator

import pytest

from tests.cloud import Cloud
from tests.nova import Nova, furnish


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    running = Cloud(tmp_path_factory.mktemp("cloud"), options={"quota": {"instances": 40}})
    try:
        running.start()
        yield running
    finally:
        running.stop()
    assert running.unexpected() == []


@pytest.fixture(scope="session")
def nova(cloud: Cloud) -> Nova:
    return furnish(cloud)

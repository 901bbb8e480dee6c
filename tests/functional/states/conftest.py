"""A cloud in which every state can be reached: deleted servers are kept, shelved ones stay."""

from collections.abc import Iterator

import pytest

from tests.cloud import Cloud
from tests.nova import Nova, furnish


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    options: dict[str, dict[str, object]] = {
        "quota": {"instances": 60, "cores": 60},
        "compute": {"reclaim_instance_interval": 3600, "shelved_offload_time": -1},
    }
    running = Cloud(tmp_path_factory.mktemp("states"), options=options)
    try:
        running.start()
        yield running
    finally:
        running.stop()
    assert running.unexpected() == []


@pytest.fixture(scope="session")
def nova(cloud: Cloud) -> Nova:
    return furnish(cloud)

"""Create, resize, snapshot and delete at the same moment: whoever wins, nothing is left."""

import pytest

from tests.faults import Books, FaultyCloud
from tests.nova import furnish
from tests.races import Race

ROUNDS = 200
WORKERS = 8
OPTIONS: dict[str, dict[str, object]] = {
    "quota": {"instances": 100, "cores": 400},
    "api": {"threads": 20},
    "compute": {"resize_confirm_window": 5},
}


def test_rounds_of_racing_requests_leave_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    cloud = FaultyCloud(tmp_path_factory.mktemp("racing"), options=OPTIONS)
    try:
        cloud.start()
        nova, books = furnish(cloud), Books(cloud)
        compute = nova.connections["admin"].compute
        larger = compute.create_flavor(name="larger", ram=96, vcpus=2, disk=2).id
        storage = nova.connections["demo"].block_storage
        volumes = [storage.create_volume(size=1, name=f"race-{n}").id for n in range(2)]
        for volume in volumes:
            storage.wait_for_status(storage.get_volume(volume), "available", interval=0.1, wait=30)
        race = Race(cloud, nova, books, larger, volumes=volumes)
        rounds = race.run(ROUNDS, WORKERS)
        race.nothing_is_left(rounds)
        nova.until(lambda: cloud.guests() == set(), "no guest and no disk is left")
        for volume in volumes:
            assert storage.get_volume(volume).status == "available"
        overdue = nova.launch()
        assert nova.act(overdue, "resize", {"flavorRef": larger}).status_code == 202
        nova.until(lambda: nova.settled(overdue)["status"] == "ACTIVE", "it is confirmed in time")
        assert nova.get(f"/servers/{overdue}")["server"]["flavor"]["vcpus"] == 2
        nova.delete(overdue)
        books.close()
    finally:
        cloud.stop()

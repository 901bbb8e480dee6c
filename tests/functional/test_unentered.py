"""nova-api dies between making a launch's volumes and entering the launch."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.functional.failing import Failing

pytest_plugins = ["tests.functional.failing"]
OPTIONS: dict[str, dict[str, object]] = {
    "conductor": {"recovery_interval": 1, "entering_seconds": 2},
}


def volumes(cloud: Failing) -> dict[str, str]:
    """id → status of demo's volumes."""
    found = cloud.nova.connections["demo"].block_storage.volumes()
    return {volume.id: volume.status for volume in found}


def a_volume(cloud: Failing) -> str:
    storage = cloud.nova.connections["demo"].block_storage
    volume = storage.create_volume(size=1, name="hers")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    return str(volume.id)


def devices(cloud: Failing, hers: str) -> list[dict[str, Any]]:
    made = {"source_type": "image", "destination_type": "volume", "uuid": cloud.nova.image}
    return [
        {"source_type": "volume", "destination_type": "volume", "uuid": hers},
        {**made, "volume_size": 1, "boot_index": 0, "delete_on_termination": False},
    ]


def post(cloud: Failing, hers: str) -> requests.Response:
    body = cloud.nova.request(
        imageRef=None, networks="none", block_device_mapping_v2=devices(cloud, hers)
    )
    return cloud.nova.call("POST", "/servers", body)


@pytest.mark.parametrize(
    ("point", "status"), [("volume_made", "available"), ("reserved", "reserved")]
)
def test_the_volumes_of_a_launch_that_was_never_entered_do_not_stay(
    cloud: Failing, point: str, status: str
) -> None:
    hers = a_volume(cloud)
    with ThreadPoolExecutor() as pool, cloud.gates.hold(point) as reached:
        asked = pool.submit(post, cloud, hers)
        reached()
        assert len(volumes(cloud)) == 2
        assert volumes(cloud)[hers] == status
        cloud.kill("minova")
        with pytest.raises(requests.ConnectionError):
            asked.result()
    cloud.start_program("minova")
    cloud.wait_ready()
    cloud.nova.until(lambda: volumes(cloud) == {hers: "available"}, "only hers is left, and free")
    assert cloud.nova.get("/servers")["servers"] == []
    assert cloud.books.ask("database", "SELECT * FROM unentered") == []
    cloud.nova.connections["demo"].block_storage.delete_volume(hers)


def test_who_takes_too_long_to_enter_a_launch_is_told_so(cloud: Failing) -> None:
    hers = a_volume(cloud)
    with ThreadPoolExecutor() as pool, cloud.gates.hold("volume_made") as reached:
        asked = pool.submit(post, cloud, hers)
        reached()
        cloud.nova.until(lambda: volumes(cloud) == {hers: "available"}, "it was cleared away")
    answer = asked.result()
    assert answer.status_code == 503
    assert "took too long" in answer.text
    assert volumes(cloud) == {hers: "available"}
    assert cloud.nova.get("/servers")["servers"] == []
    cloud.nova.connections["demo"].block_storage.delete_volume(hers)


def test_what_a_launch_has_entered_is_not_cleared_away(cloud: Failing) -> None:
    hers = a_volume(cloud)
    answer = post(cloud, hers)
    assert answer.status_code == 202, answer.text
    server = answer.json()["server"]["id"]
    assert cloud.books.ask("database", "SELECT * FROM unentered") == []
    assert cloud.nova.settled(server)["status"] == "ACTIVE"
    assert sorted(volumes(cloud).values()) == ["in-use", "in-use"]
    cloud.nova.delete(server)
    storage = cloud.nova.connections["demo"].block_storage
    for volume_id in volumes(cloud):
        storage.delete_volume(volume_id)

"""The races of tests/functional/test_races.py, with real guests, disks and domains."""

import pytest

from tests.faults import Books, FaultyCloud
from tests.integration import private_libvirt, sector_guest
from tests.nova import Nova, furnish
from tests.races import Race

pytestmark = pytest.mark.integration

ROUNDS = 20
WORKERS = 4
UP = "MINOVA GUEST UP"


def test_rounds_of_racing_requests_leave_no_domain_and_no_disk() -> None:
    reason = private_libvirt.missing()
    if reason:
        pytest.skip(f"no private libvirtd: {reason}")
    with private_libvirt.PrivateLibvirt() as host:
        options: dict[str, dict[str, object]] = {
            "compute": {"virt_driver": "libvirt"},
            "libvirt": {"virt_type": "qemu", "connection_uri": host.uri, "tb_cache_mib": 16},
            "quota": {"instances": 40, "cores": 80},
        }
        cloud = FaultyCloud(host.path / "cloud", options=options)
        try:
            cloud.start()
            _race(cloud, host)
        finally:
            cloud.stop()


def _race(cloud: FaultyCloud, host: private_libvirt.PrivateLibvirt) -> None:
    nova, books = furnish(cloud), Books(cloud)
    demo = nova.connections["demo"]
    image = demo.image.create_image(
        name="sector",
        data=sector_guest.image(UP),
        disk_format="raw",
        container_format="bare",
        wait=True,
    )
    nova.image = str(image.id)
    host.add_bridge("br-" + nova.network[:11])
    compute = nova.connections["admin"].compute
    larger = compute.create_flavor(name="larger", ram=96, vcpus=1, disk=2).id
    volume = demo.block_storage.create_volume(size=1, name="race")
    demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    race = Race(
        cloud, nova, books, larger, ready=lambda server: _is_up(nova, server), volumes=[volume.id]
    )
    rounds = race.run(ROUNDS, WORKERS)
    race.nothing_is_left(rounds)
    nova.until(lambda: host.run("virsh", "list", "--all", "--uuid").split() == [], "no domain")
    instances = cloud.folder / "instances"
    folders = [path.name for path in instances.iterdir() if path.name != "_base"]
    assert folders == []
    assert demo.block_storage.get_volume(volume.id).status == "available"
    books.close()


def _is_up(nova: Nova, server: str) -> None:
    """The guest hears its power button; one that is being deleted need not any more."""

    def says_so() -> bool:
        answer = nova.act(server, "os-getConsoleOutput", {})
        return answer.status_code != 200 or UP in answer.json()["output"]

    nova.until(says_so, f"the guest of {server} is up")

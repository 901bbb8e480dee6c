"""kill -9 of each part of the full profile in the middle of a launch, and what becomes of it.

The launch ends within a minute in ACTIVE, or in ERROR with a fault that
names the step; when both servers are deleted nothing is left; and a launch
asked for when the part is started again is ACTIVE ten seconds later. What
was measured is printed at the end (pytest -s shows it).
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from openstack.connection import Connection

from minova.virt import qcow2
from tests import full
from tests.faults import Books, FaultyCloud
from tests.integration import private_libvirt, private_rabbit, sector_guest
from tests.nova import Nova, furnish

if TYPE_CHECKING:
    from tests.integration.private_libvirt import PrivateLibvirt
    from tests.integration.private_rabbit import PrivateRabbit

pytestmark = pytest.mark.integration

DOWN_SECONDS = 5
SETTLE_SECONDS = 60
AGAIN_SECONDS = 10
# What an installation has, not the shorter times of other tests.
OPTIONS: dict[str, dict[str, object]] = {
    "compute": {"virt_driver": "libvirt", "report_interval": 10},
    "conductor": {"recovery_interval": 2},
    "quota": {"instances": 40},
}
Row = tuple[str, str, float, float]


class KillCloud(FaultyCloud, full.FullCloud):
    """The full profile with gates."""


class Lab:
    """A full cloud on a libvirtd and a broker of its own."""

    def __init__(self, cloud: KillCloud, host: "PrivateLibvirt", broker: "PrivateRabbit") -> None:
        self.cloud, self.host, self.broker = cloud, host, broker
        self.nova: Nova = furnish(cloud)
        self.books = Books(cloud)
        self.demo: Connection = self.nova.connections["demo"]
        self.nova.image = str(_image(self.demo))
        host.add_bridge("br-" + self.nova.network[:11])
        self.rows: list[Row] = []

    def volume(self) -> str:
        volume = self.demo.block_storage.create_volume(size=1, name="data")
        self.demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
        return str(volume.id)

    def post(self, volume: str | None = None) -> str:
        device = {"source_type": "volume", "destination_type": "volume", "uuid": volume}
        body = self.nova.request(block_device_mapping_v2=[device] if volume else None)
        began = time.monotonic()
        answer = self.nova.call("POST", "/servers", body)
        assert answer.status_code == 202, answer.text
        assert time.monotonic() - began < 10, "the POST waits for somebody"
        return str(answer.json()["server"]["id"])

    def left(self, server_id: str) -> dict[str, Any]:
        """Whatever is still there of a server that is deleted."""
        found: dict[str, Any] = self.books.held_by(server_id)
        folder = self.cloud.folder / "instances" / server_id
        domains = self.host.run("virsh", "list", "--all", "--uuid").split()
        found |= {"domain": server_id} if server_id in domains else {}
        return found | ({"files": list(folder.iterdir())} if folder.exists() else {})

    def exports(self) -> list[str]:
        return [path.name for path in (self.cloud.folder / "exports").glob("*.sock")]


def _image(demo: Connection) -> str:
    image = demo.image.create_image(
        name="sector",
        data=sector_guest.image("MINOVA GUEST UP"),
        disk_format="raw",
        container_format="bare",
        wait=True,
    )
    return str(image.id)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = private_libvirt.missing() or private_rabbit.missing()
    if reason or not full.can_run():
        pytest.skip(f"no full profile here: {reason or 'see tools/with-servers.sh'}")
    with (
        private_libvirt.PrivateLibvirt() as host,
        private_rabbit.PrivateRabbit() as broker,
    ):
        options = OPTIONS | {
            "libvirt": {"virt_type": "qemu", "connection_uri": host.uri, "tb_cache_mib": 16}
        }
        cloud = full.full_cloud(
            host.path / "cloud", transport=broker.url, like=KillCloud, options=options
        )
        try:
            cloud.start()
            lab = Lab(cloud, host, broker)
            # libvirtd's first domain takes it seconds longer than any other.
            lab.nova.delete(lab.nova.launch())
            yield lab
            lab.books.close()
        finally:
            cloud.stop()
    print("\nkilled, launch ended in, after s, next launch ACTIVE s after the restart")
    for row in lab.rows:
        print("{:40} {:8} {:6.1f} {:6.1f}".format(*row))


Part = tuple[Callable[[Lab], None], Callable[[Lab], None]]


def program(name: str) -> Part:
    return lambda lab: lab.cloud.kill(name), lambda lab: lab.cloud.start_program(name)


LIBVIRTD: Part = (lambda lab: lab.host.kill_libvirtd(), lambda lab: lab.host.start_libvirtd())
RABBITMQ: Part = (lambda lab: lab.broker.kill(), lambda lab: lab.broker.start())
# What is killed, and the gate at which the launch stands then.
KILLS = {
    "conductor, just after the 202": (program("minova-conductor"), "launch"),
    "scheduler, selecting": (program("minova-scheduler"), "claim"),
    "scheduler, after its claim": (program("minova-scheduler"), "claimed"),
    "compute, before the domain": (program("minova-compute"), "libvirt-spawn"),
    "compute, its domain running": (program("minova-compute"), "libvirt-spawned"),
    "conductor, compute spawning": (program("minova-conductor"), "libvirt-spawned"),
    "libvirtd, compute spawning": (LIBVIRTD, "libvirt-spawn"),
    "RabbitMQ, compute spawning": (RABBITMQ, "libvirt-spawn"),
    "RabbitMQ, conductor placing": (RABBITMQ, "launch"),
}


@pytest.mark.parametrize("killed", KILLS)
def test_a_launch_survives_a_kill_or_says_where_it_ended(lab: Lab, killed: str) -> None:
    (kill, restart), gate = KILLS[killed]
    volume = lab.volume()
    with lab.cloud.gates.hold(gate) as reached:
        asked = time.monotonic()
        server = lab.post(volume)
        reached()
        kill(lab)
    _restarted(lab, killed, restart, server, asked)
    lab.demo.block_storage.delete_volume(volume, ignore_missing=False)


def test_a_launch_waits_for_a_scheduler_that_is_down(lab: Lab) -> None:
    kill, restart = program("minova-scheduler")
    kill(lab)
    asked = time.monotonic()
    server = lab.post()
    _restarted(lab, "scheduler, a launch in its queue", restart, server, asked)


def test_a_launch_is_accepted_while_the_broker_is_down(lab: Lab) -> None:
    kill, restart = RABBITMQ
    kill(lab)
    asked = time.monotonic()
    server = lab.post()
    _restarted(lab, "RabbitMQ, before the POST", restart, server, asked)


def _restarted(
    lab: Lab, killed: str, restart: Callable[[Lab], None], server: str, asked: float
) -> None:
    """Five seconds later; then both launches are followed to their ends, and deleted."""
    # The scenario's own time: nobody could tell us that nothing happens in it.
    threading.Event().wait(DOWN_SECONDS)
    restart(lab)
    # A broker has restarted when it listens: how long it boots is not ours to shorten.
    began = time.monotonic()
    following = lab.post()
    ends = _ends(lab, {server, following}, asked + SETTLE_SECONDS)
    status, fault, ended = ends[server]
    next_status, next_fault, next_ended = ends[following]
    lab.rows.append((killed, status, ended - asked, next_ended - began))
    held = lab.left(server) if status == "ERROR" else {}
    lab.nova.delete(server, following)
    lab.nova.until(lambda: not lab.left(server) and not lab.left(following), "nothing is left")
    assert status == "ACTIVE" or (status == "ERROR" and "step" in fault), (status, fault)
    assert held == {}
    assert ended - asked < SETTLE_SECONDS
    assert next_status == "ACTIVE", next_fault
    assert next_ended - began < AGAIN_SECONDS
    assert lab.books.miscounted() == []
    assert lab.exports() == []


def _ends(lab: Lab, servers: set[str], deadline: float) -> dict[str, tuple[str, str, float]]:
    ends: dict[str, tuple[str, str, float]] = {}
    while len(ends) < len(servers):
        assert time.monotonic() < deadline + 10, f"{servers - set(ends)}\n{lab.cloud.logs()}"
        for server in servers - set(ends):
            shown = lab.nova.get(f"/servers/{server}")["server"]
            if shown["status"] != "BUILD":
                fault = shown.get("fault", {}).get("message", "")
                ends[server] = (shown["status"], fault, time.monotonic())
        time.sleep(0.05)
    return ends


def test_a_resize_goes_on_when_its_compute_comes_back(lab: Lab) -> None:
    compute = lab.nova.connections["admin"].compute
    larger = compute.create_flavor(name="larger", ram=80, vcpus=1, disk=2)
    server = lab.nova.launch()
    lab.nova.until(lambda: "GUEST UP" in _console(lab, server), "the guest is up")
    with lab.cloud.gates.hold("libvirt-migrated-in") as reached:
        assert lab.nova.act(server, "resize", {"flavorRef": larger.id}).status_code == 202
        reached()
        lab.cloud.kill("minova-compute")
    lab.cloud.start_program("minova-compute")
    resized = lab.nova.settled(server)
    assert (resized["status"], resized["flavor"]["ram"]) == ("VERIFY_RESIZE", 80), resized
    disk = lab.cloud.folder / "instances" / server / "disk"
    assert qcow2.virtual_size(disk) == 2 * 1024**3
    assert lab.nova.act(server, "revertResize").status_code == 202
    back = lab.nova.settled(server)
    assert (back["status"], back["flavor"]["ram"]) == ("ACTIVE", 64)
    assert qcow2.virtual_size(disk) == 1024**3
    lab.nova.delete(server)
    lab.nova.until(lambda: not lab.left(server), "nothing is left")
    assert lab.books.miscounted() == []
    compute.delete_flavor(larger)


def _console(lab: Lab, server: str) -> str:
    answer = lab.nova.act(server, "os-getConsoleOutput", {})
    return str(answer.json()["output"]) if answer.status_code == 200 else ""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    """`minova run` with the fake driver, which forgets its guests when it dies."""
    options = OPTIONS | {"compute": {"report_interval": 10}}
    cloud = FaultyCloud(tmp_path_factory.mktemp("embedded"), options=options)
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.stop()


@pytest.fixture(scope="module")
def nova(embedded: FaultyCloud) -> Nova:
    return furnish(embedded)


@pytest.mark.parametrize("gate", ["launch", "claim", "claimed", "make_disks", "port", "spawned"])
def test_a_launch_survives_the_death_of_the_whole_embedded_cloud(
    embedded: FaultyCloud, nova: Nova, gate: str
) -> None:
    books = Books(embedded)
    with embedded.gates.hold(gate) as reached:
        answer = nova.call("POST", "/servers", nova.request())
        assert answer.status_code == 202, answer.text
        server = str(answer.json()["server"]["id"])
        reached()
        embedded.kill("minova")
    began = time.monotonic()
    embedded.start_program("minova")
    embedded.wait_ready()
    up = time.monotonic()
    ended = nova.settled(server)
    assert ended["status"] == "ACTIVE", (ended.get("fault"), embedded.logs())
    print(f"minova run, at {gate}: up {up - began:.1f} s, ACTIVE {time.monotonic() - began:.1f} s")
    nova.launch()
    for one in nova.get("/servers")["servers"]:
        nova.delete(one["id"])
        nova.until(lambda one=one: not books.held_by(one["id"]), "nothing is held")
    assert books.miscounted() == []
    assert embedded.guests() == set()
    books.close()

"""Two hosts in the full profile, and programs that are dead for good."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests import full
from tests.faults import Books, FaultyCloud
from tests.nova import furnish

# With a report every two seconds a host is given up as early as with one every ten.
GIVEN_UP_SECONDS = 50
# How long a launch stays with a network agent that has just died.
NOTICED_SECONDS = 20
GONE_SECONDS = 60
OPTIONS: dict[str, dict[str, object]] = {"conductor": {"entering_seconds": 4}}


class TwoHosts(FaultyCloud, full.FullCloud):
    """`minova-compute@host-2` is the program with another host's name."""

    def command(self, program: str) -> list[str]:
        name, _, host = program.partition("@")
        command = super().command(name)
        if host:
            own = self.folder / f"{host}.conf"
            own.write_text(f"[DEFAULT]\nhost = {host}\n")
            command += ["--config-file", str(own)]
        return command


class Rig:
    def __init__(self, cloud: TwoHosts) -> None:
        self.cloud, self.nova, self.books = cloud, furnish(cloud), Books(cloud)

    def start_second(self) -> None:
        for program in ("minova-network-agent@host-2", "minova-compute@host-2"):
            self.cloud.start_program(program)
        self.nova.until(lambda: len(self.up()) == 2, "both hosts are up")

    def up(self) -> list[str]:
        services = self.nova.get("/os-services?binary=nova-compute", user="admin")["services"]
        return [service["host"] for service in services if service["state"] == "up"]

    def post(self) -> str:
        answer = self.nova.call("POST", "/servers", self.nova.request())
        assert answer.status_code == 202, answer.text
        return str(answer.json()["server"]["id"])

    def failures(self, server_id: str) -> list[str]:
        """What the events of the server's actions say that failed."""
        query = (
            "SELECT e.details FROM instance_action_events e "
            "JOIN instance_actions a ON e.action_id = a.id "
            "WHERE a.instance_uuid = :id AND e.result = 'Error'"
        )
        return [str(details) for (details,) in self.books.ask("database", query, id=server_id)]

    def hosts_tried(self, server_id: str) -> list[tuple[str, str]]:
        query = (
            "SELECT e.host, e.result FROM instance_action_events e "
            "JOIN instance_actions a ON e.action_id = a.id "
            "WHERE a.instance_uuid = :id AND e.event LIKE 'compute%' ORDER BY e.id"
        )
        return [(host, result) for host, result in self.books.ask("database", query, id=server_id)]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if not full.can_run():
        pytest.skip("no RabbitMQ and MariaDB; see tools/with-servers.sh")
    cloud = full.full_cloud(tmp_path_factory.mktemp("two"), like=TwoHosts, options=OPTIONS)
    try:
        cloud.start()
        rig = Rig(cloud)
        rig.start_second()
        yield rig
        rig.books.close()
    finally:
        cloud.stop()


def test_a_launch_that_one_host_cannot_do_goes_to_the_next(rig: Rig) -> None:
    rig.cloud.gates.fail("spawn", "The test wants it so.", host="host-1")
    server = rig.nova.launch()
    rig.nova.until(lambda: len(rig.hosts_tried(server)) == 2, "both events are written")
    assert rig.hosts_tried(server) == [("host-1", "Error"), ("host-2", "Success")]
    assert rig.cloud.guests("host-1") == set()
    assert rig.cloud.guests("host-2") == {server}
    held = rig.books.held_by(server)
    assert held["claims"] == [("host-2",)]
    assert [host for _, host in held["ports"]] == ["host-2"]
    rig.nova.delete(server)
    assert rig.books.held_by(server) == {}
    assert rig.books.miscounted() == []


def test_a_shelved_server_comes_back_on_another_host(rig: Rig) -> None:
    rig.cloud.gates.clear()
    server = rig.nova.launch(name="traveller")
    before = rig.nova.get(f"/servers/{server}", user="admin")["server"]
    here = before["OS-EXT-SRV-ATTR:host"]
    there = "host-2" if here == "host-1" else "host-1"
    assert rig.nova.act(server, "shelve").status_code == 202
    assert rig.nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    assert server not in rig.cloud.guests(here)
    assert rig.nova.act(server, "unshelve", {"host": there}, user="admin").status_code == 202
    after = rig.nova.settled(server, user="admin")
    assert (after["status"], after["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", there)
    assert after["addresses"] == before["addresses"]
    assert server in rig.cloud.guests(there)
    held = rig.books.held_by(server)
    assert held["claims"] == [(there,)]
    assert [host for _, host in held["ports"]] == [there]
    rig.nova.delete(server)
    assert rig.books.held_by(server) == {}
    assert rig.books.miscounted() == []


def test_a_launch_that_no_host_can_do_says_what_the_last_one_said(rig: Rig) -> None:
    rig.cloud.gates.fail("spawn", "The first host is tired.", host="host-1")
    rig.cloud.gates.fail("spawn", "The second one, too.", host="host-2")
    server = rig.post()
    ended = rig.nova.settled(server)
    assert ended["status"] == "ERROR"
    assert "step 16" in ended["fault"]["message"]
    assert "The second one, too." in ended["fault"]["message"]
    assert rig.books.held_by(server) == {}
    assert rig.books.miscounted() == []
    rig.nova.delete(server)
    rig.cloud.gates.clear()


def test_the_volumes_of_an_api_that_died_are_deleted_without_it(rig: Rig) -> None:
    rig.cloud.gates.clear()
    storage = rig.nova.connections["demo"].block_storage
    made = {"source_type": "image", "destination_type": "volume", "uuid": rig.nova.image}
    device = {**made, "volume_size": 1, "boot_index": 0}
    body = rig.nova.request(imageRef=None, networks="none", block_device_mapping_v2=[device])
    with ThreadPoolExecutor() as pool, rig.cloud.gates.hold("volume_made") as reached:
        asked = pool.submit(rig.nova.call, "POST", "/servers", body)
        reached()
        rig.cloud.kill("minova-api")
        with pytest.raises(requests.ConnectionError):
            asked.result()
    assert len(list(storage.volumes())) == 1
    rig.nova.until(lambda: not list(storage.volumes()), "the volume is deleted")
    rig.cloud.start_program("minova-api")
    rig.cloud.wait_ready()
    assert rig.nova.get("/servers")["servers"] == []
    assert rig.books.ask("database", "SELECT * FROM unentered") == []


def hosts_of_group(rig: Rig, policy: str, count: int) -> list[str | None]:
    """Launch that many servers at once into a new group; the hosts they come to (None: none)."""
    group = {"server_group": {"name": "g", "policy": policy}}
    made = rig.nova.call("POST", "/os-server-groups", group).json()["server_group"]["id"]
    body = rig.nova.request(min_count=count, max_count=count, name=f"in-{policy}")
    body["os:scheduler_hints"] = {"group": made}
    assert rig.nova.call("POST", "/servers", body).status_code == 202
    path = f"/os-server-groups/{made}"
    members = rig.nova.get(path)["server_group"]["members"]
    assert len(members) == count
    for member in members:
        rig.nova.settled(member)
    servers = [rig.nova.get(f"/servers/{m}", user="admin")["server"] for m in members]
    rig.nova.delete(*members)
    assert rig.nova.call("DELETE", path).status_code == 204
    return sorted((server["OS-EXT-SRV-ATTR:host"] for server in servers), key=str)


def test_a_server_group_keeps_its_servers_together_or_apart(rig: Rig) -> None:
    rig.cloud.gates.clear()
    rig.nova.until(lambda: len(rig.up()) == 2, "both hosts are up")
    assert hosts_of_group(rig, "anti-affinity", 3) == [None, "host-1", "host-2"]
    assert len(set(hosts_of_group(rig, "affinity", 3))) == 1
    assert set(hosts_of_group(rig, "soft-anti-affinity", 3)) == {"host-1", "host-2"}
    assert rig.books.miscounted() == []


def test_a_server_goes_to_the_host_of_its_zone(rig: Rig) -> None:
    rig.cloud.gates.clear()
    rig.nova.until(lambda: len(rig.up()) == 2, "both hosts are up")
    zone = {"aggregate": {"name": "second", "availability_zone": "zone-2"}}
    made = rig.nova.call("POST", "/os-aggregates", zone, user="admin").json()["aggregate"]["id"]
    path = f"/os-aggregates/{made}"
    enter, leave = {"add_host": {"host": "host-2"}}, {"remove_host": {"host": "host-2"}}
    assert rig.nova.call("POST", f"{path}/action", enter, user="admin").status_code == 200
    for name, host in (("zone-2", "host-2"), ("nova", "host-1")):
        server = rig.nova.launch(availability_zone=name)
        shown = rig.nova.get(f"/servers/{server}", user="admin")["server"]
        assert shown["OS-EXT-SRV-ATTR:host"] == host
        assert shown["OS-EXT-AZ:availability_zone"] == name
        rig.nova.delete(server)
    assert rig.nova.call("POST", f"{path}/action", leave, user="admin").status_code == 200
    assert rig.nova.call("DELETE", path, user="admin").status_code == 200


def test_a_host_without_a_network_agent_is_passed_over(rig: Rig) -> None:
    rig.cloud.gates.clear()
    rig.cloud.kill("minova-network-agent")
    began = time.monotonic()
    server = rig.post()
    ended = rig.nova.settled(server)
    assert ended["status"] == "ACTIVE", ended["fault"]
    assert time.monotonic() - began < NOTICED_SECONDS
    assert rig.cloud.guests("host-2") == {server}
    for failed in rig.failures(server):
        assert "step 13" in failed and "network agent" in failed
    rig.nova.delete(server)
    assert rig.books.held_by(server) == {}
    assert rig.books.miscounted() == []
    rig.cloud.start_program("minova-network-agent")


def migrated(rig: Rig) -> tuple[str, str, str]:
    """A server on its way to the other host; and the hosts it came from and went to."""
    rig.cloud.gates.clear()
    rig.nova.until(lambda: len(rig.up()) == 2, "both hosts are up")
    server = rig.nova.launch()
    source = rig.nova.get(f"/servers/{server}", user="admin")["server"]["OS-EXT-SRV-ATTR:host"]
    (there,) = {"host-1", "host-2"} - {source}
    assert rig.nova.act(server, "migrate", {"host": there}, user="admin").status_code == 202
    return server, source, there


def where(rig: Rig, server: str) -> dict[str, object]:
    held = rig.books.held_by(server)
    return {
        "guests": {host for host in ("host-1", "host-2") if server in rig.cloud.guests(host)},
        "claims": sorted(host for (host,) in held["claims"]),
        "ports": {host for _, host in held["ports"]},
    }


def test_a_migrated_server_leaves_its_first_host_when_confirmed(rig: Rig) -> None:
    server, source, there = migrated(rig)
    assert rig.nova.settled(server)["status"] == "VERIFY_RESIZE"
    both = {source, there}
    assert where(rig, server) == {"guests": both, "claims": sorted(both), "ports": {there}}
    assert rig.nova.act(server, "confirmResize").status_code == 204
    rig.nova.until(lambda: rig.nova.settled(server)["status"] == "ACTIVE", "it is confirmed")
    assert where(rig, server) == {"guests": {there}, "claims": [there], "ports": {there}}
    rig.nova.delete(server)
    assert rig.books.miscounted() == []


def test_a_reverted_migration_goes_back_to_the_first_host(rig: Rig) -> None:
    server, source, _ = migrated(rig)
    assert rig.nova.settled(server)["status"] == "VERIFY_RESIZE"
    assert rig.nova.act(server, "revertResize").status_code == 202
    back = rig.nova.settled(server)
    assert back["status"] == "ACTIVE"
    assert where(rig, server) == {"guests": {source}, "claims": [source], "ports": {source}}
    rig.nova.delete(server)
    assert rig.books.miscounted() == []


def test_a_server_that_the_other_host_cannot_take_stays_as_it_was(rig: Rig) -> None:
    rig.cloud.gates.fail("migrate_in", "There is no room for it.")
    server = rig.nova.launch()
    source = rig.nova.get(f"/servers/{server}", user="admin")["server"]["OS-EXT-SRV-ATTR:host"]
    assert rig.nova.act(server, "migrate", user="admin").status_code == 202
    left = rig.nova.settled(server)
    assert (left["status"], left["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert where(rig, server) == {"guests": {source}, "claims": [source], "ports": {source}}
    (last, *_) = rig.nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert "There is no room for it." in last["message"]
    rig.cloud.gates.clear()
    rig.nova.delete(server)
    assert rig.books.miscounted() == []


def test_a_server_deleted_between_two_hosts_leaves_nothing_on_either(rig: Rig) -> None:
    server, _, _ = migrated(rig)
    assert rig.nova.settled(server)["status"] == "VERIFY_RESIZE"
    rig.nova.delete(server)
    assert rig.books.held_by(server) == {}
    assert rig.books.miscounted() == []
    rig.nova.until(
        lambda: not any(server in rig.cloud.guests(host) for host in ("host-1", "host-2")),
        "neither host has anything of it",
    )


def test_a_compute_that_never_comes_back_keeps_no_launch_and_no_delete_waiting(rig: Rig) -> None:
    rig.cloud.gates.clear()
    living = rig.nova.launch()
    with rig.cloud.gates.hold("spawn") as reached:
        launching = rig.post()
        reached()
        for program in ("minova-compute", "minova-compute@host-2"):
            rig.cloud.kill(program)
    died = time.monotonic()
    assert rig.nova.call("DELETE", f"/servers/{living}").status_code == 204
    ended = rig.nova.settled(launching)
    assert time.monotonic() - died < GIVEN_UP_SECONDS
    assert ended["status"] == "ERROR"
    assert "step 16" in ended["fault"]["message"]
    assert rig.books.held_by(launching) == {}
    rig.nova.until(
        lambda: rig.nova.call("GET", f"/servers/{living}").status_code == 404, "it is gone"
    )
    print(f"given up and gone after {time.monotonic() - died:.1f} s")
    assert time.monotonic() - died < GONE_SECONDS
    assert rig.books.held_by(living) == {}
    # No host has it any more: it is deleted although all are dead.
    rig.nova.delete(launching)
    for program in ("minova-compute", "minova-compute@host-2"):
        rig.cloud.start_program(program)
    again = rig.nova.launch()
    rig.nova.delete(again)
    rig.nova.until(
        lambda: not rig.cloud.guests("host-1") | rig.cloud.guests("host-2"), "no guest is left"
    )
    assert rig.books.miscounted() == []

"""The agent comes and goes, its networks and ports with it, on a real kernel."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.companions.network.agent.cleanup import cleanup_all
from minova.companions.network.wire import HostState
from tests.integration import netlab
from tests.integration.agent_rig import (
    ALL_OUT,
    CLOSED,
    NAMES,
    OPEN,
    WEB,
    World,
    add_route,
    ask,
    links,
    rule,
    ruleset,
)

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


class TestLife:
    def test_a_restarted_agent_leaves_traffic_alone(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        world.group(WEB, [*ALL_OUT, rule(1, "ingress", protocol="tcp")])
        a, b = world.guest(network, 10, [WEB]), world.guest(network, 11, [CLOSED])
        b.do(add_route, "169.254.169.254/32", "10.77.0.2")
        listener = a.do(socket.create_server, (a.ip, 22))
        client = b.do(socket.create_connection, (a.ip, 22), 2)
        served, _ = listener.accept()
        pid = (world.work_path / "dhcp" / network.id / "pid").read_text()
        before = ruleset()
        world.driver.stop()
        assert ruleset() == before
        client.sendall(b"1")
        assert served.recv(1) == b"1"
        world.driver = world.start()
        world.driver.sync(world.state(network))
        client.sendall(b"2")
        assert served.recv(1) == b"2"
        assert (world.work_path / "dhcp" / network.id / "pid").read_text() == pid
        assert b.do(ask, "/")[0] == 200
        assert not a.reaches(b.ip, 22, seconds=0.3)
        for sock in (client, served, listener):
            sock.close()

    def test_what_the_server_no_longer_names_is_removed(self, world: World) -> None:
        keep, gone = netlab.network(), netlab.network("10.78.0.0/24")
        a, b = world.guest(keep, 10, [OPEN]), world.guest(gone, 10, [OPEN])
        world.restart()
        state = HostState(networks=[keep], ports=[a.wiring], groups=list(world.groups.values()))
        world.driver.sync(state)
        assert gone.bridge not in links() and keep.bridge in links()
        assert b.wiring.id not in ruleset() and a.wiring.id in ruleset()
        assert not (world.work_path / "dhcp" / gone.id).exists()
        assert f"qdhcp-{gone.id}" not in os.listdir("/run/netns")

    def test_the_last_port_takes_its_network_along(self, world: World) -> None:
        network = netlab.network()
        first = world.ensure(network, netlab.port(network, 10, security_groups=[OPEN]))
        second = world.ensure(network, netlab.port(network, 11, security_groups=[OPEN]))
        world.driver.remove_port(first.id)
        assert network.bridge in links()
        world.driver.remove_port(second.id)
        world.driver.remove_port(second.id)
        assert network.bridge not in links()
        assert network.id not in ruleset()
        assert f"qdhcp-{network.id}" not in os.listdir("/run/netns")

    def test_a_network_the_server_declared_stays_without_ports(self, world: World) -> None:
        network = netlab.network()
        world.driver.sync(HostState(networks=[network]))
        port = world.ensure(network, netlab.port(network, 10))
        world.driver.remove_port(port.id)
        assert network.bridge in links()
        world.driver.sync(HostState())
        assert network.bridge not in links()

    def test_one_impossible_network_does_not_harm_the_others(self, world: World) -> None:
        good, bad = netlab.network(), netlab.network("10.77.0.0/25")
        world.driver.sync(
            HostState(networks=[good, bad], ports=[netlab.port(good, 10), netlab.port(bad, 11)])
        )
        assert good.bridge in links() and bad.bridge not in links()

    def test_ports_are_told_up_and_down_with_their_taps(self, world: World) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [OPEN])
        port_id = guest.wiring.id
        netlab.wait_for("up", lambda: (port_id, True) in world.status)
        guest.unplug()
        netlab.wait_for("down", lambda: (port_id, False) in world.status)
        other = world.guest(network, 11, [OPEN])
        netlab.wait_for("up", lambda: (other.wiring.id, True) in world.status)
        world.status.clear()
        world.restart()
        world.driver.sync(world.state(network))
        netlab.wait_for("up again", lambda: (other.wiring.id, True) in world.status)
        assert (port_id, False) in world.status

    def test_rules_another_program_flushed_come_back(self, world: World) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [OPEN])
        before = ruleset()
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        world.driver.check()
        assert guest.wiring.id in ruleset()
        assert len(ruleset()) == len(before)

    def test_making_a_port_ready_is_quick(self, world: World) -> None:
        network = netlab.network()
        times = []
        for last in range(10, 40):
            wiring = netlab.port(network, last, security_groups=[OPEN])
            began = time.perf_counter()
            world.ensure(network, wiring)
            times.append(time.perf_counter() - began)
        first, rest = times[0], sorted(times[1:])
        print(f"first {first * 1000:.0f} ms, median {rest[len(rest) // 2] * 1000:.0f} ms")
        assert rest[len(rest) // 2] < 0.5

    def test_cleanup_leaves_the_host_as_it_was(self, upstream: Any, tmp_path: Path) -> None:
        setting = Path("/proc/sys/net/ipv4/ip_forward")
        setting.write_text("0")
        before = (links(), ruleset(), sorted(_namespaces()))
        world = World(tmp_path / "network", upstream.server_address[1])
        world.group(OPEN, ALL_OUT)
        networks = [netlab.network(), netlab.network("10.78.0.0/24")]
        guests = [world.guest(net, 10, [OPEN]) for net in networks]
        assert setting.read_text().strip() == "1"
        for guest in guests:
            guest.unplug()
        world.driver.stop()
        assert cleanup_all(world.work_path, NAMES) == []
        assert (links(), ruleset(), sorted(_namespaces())) == before
        assert setting.read_text().strip() == "0"
        assert not world.work_path.exists()
        left = subprocess.run(["pgrep", "-f", str(world.work_path)], capture_output=True)
        assert left.stdout == b""
        assert cleanup_all(world.work_path, NAMES) == []

    def test_cleanup_works_without_the_agents_folder(self, upstream: Any, tmp_path: Path) -> None:
        before = links()
        world = World(tmp_path / "network", upstream.server_address[1])
        network = netlab.network()
        world.ensure(network, netlab.port(network, 10))
        pid = int((world.work_path / "dhcp" / network.id / "pid").read_text())
        world.driver.stop()
        shutil.rmtree(world.work_path)
        assert cleanup_all(world.work_path, NAMES) == []
        assert links() == before
        netlab.wait_for("dnsmasq's end", lambda: not Path(f"/proc/{pid}").exists())


def _namespaces() -> list[str]:
    return [name for name in os.listdir("/run/netns") if name.startswith("qdhcp-77")]

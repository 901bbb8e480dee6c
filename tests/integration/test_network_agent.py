"""The network agent on a real kernel: bridges, dnsmasq, nftables, packets.

Names of tests in TestAdvisories are those of the advisories they answer.
"""

import hashlib
import hmac
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.common import errors
from minova.companions.network.agent import bridge, netns, port_rules
from minova.companions.network.agent.cleanup import cleanup_all
from minova.companions.network.agent.linuxbridge import LinuxBridgeDriver, Options
from minova.companions.network.agent.names import Names
from minova.companions.network.wire import (
    GroupWiring,
    HostState,
    NetworkWiring,
    PortWiring,
    Rule,
)
from tests.integration import netlab
from tests.integration.netlab import Guest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
NAMES = Names("minovatest")
SECRET = "metadata secret of the test"
WEB, OPEN, CLOSED = "group-web", "group-open", "group-closed"


def rule(number: int, direction: str, ethertype: str = "IPv4", **kw: Any) -> Rule:
    return Rule(f"rule-{number}", direction, ethertype, **kw)


ALL_OUT = [rule(1, "egress"), rule(2, "egress", "IPv6")]


class World:
    """One host with its agent's driver, and what was plugged into it."""

    def __init__(self, work_path: Path, upstream: int) -> None:
        self.work_path, self.upstream = work_path, upstream
        self.status: list[tuple[str, bool]] = []
        self.tag = uuid.uuid4().hex[:6]
        self.guests: list[Guest] = []
        self.groups: dict[str, GroupWiring] = {}
        self.driver = self.start()

    def start(self) -> LinuxBridgeDriver:
        driver = LinuxBridgeDriver(
            Options(
                work_path=self.work_path,
                lease_seconds=600,
                dns_forwarders=("198.51.100.1",),
                metadata_url=f"http://127.0.0.1:{self.upstream}",
                metadata_secret=SECRET,
                names=NAMES,
            )
        )
        driver.start(lambda port_id, up: self.status.append((port_id, up)))
        return driver

    def restart(self) -> None:
        self.driver.stop()
        self.driver = self.start()

    def group(self, group_id: str, rules: list[Rule], members: list[str] | None = None) -> None:
        self.groups[group_id] = GroupWiring(group_id, rules, members or [])

    def ensure(self, of: NetworkWiring, wiring: PortWiring) -> PortWiring:
        self.driver.ensure_port(wiring, of, list(self.groups.values()))
        return wiring

    def guest(self, of: NetworkWiring, last: int, groups: list[str], **changes: Any) -> Guest:
        """A port made ready and a guest plugged into it."""
        wiring = self.ensure(of, netlab.port(of, last, security_groups=groups, **changes))
        return self.plug(of, wiring).boot()

    def plug(self, of: NetworkWiring, wiring: PortWiring) -> Guest:
        guest = Guest(f"mt-{self.tag}-{len(self.guests)}", wiring, of)
        self.guests.append(guest)
        return guest

    def state(self, *networks: NetworkWiring) -> HostState:
        return HostState(
            networks=list(networks),
            ports=[guest.wiring for guest in self.guests],
            groups=list(self.groups.values()),
        )

    def close(self) -> None:
        for guest in self.guests:
            guest.unplug()
        self.driver.stop()
        assert cleanup_all(self.work_path, NAMES) == []


@pytest.fixture
def host() -> Iterator[None]:
    with netlab.host(f"mt-{uuid.uuid4().hex[:6]}-host"):
        yield


@pytest.fixture
def upstream(host: None) -> Iterator[ThreadingHTTPServer]:
    """nova's metadata API: answers with what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            server.asked.append((self.command, self.path, dict(self.headers), body))
            self.send_response(200)
            answer = f"{self.command} {self.path}".encode()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            return

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def work_path() -> Iterator[Path]:
    """Where others may enter, so that dnsmasq runs as nobody, as on a true host."""
    with tempfile.TemporaryDirectory(prefix="minova-test-") as folder:
        os.chmod(folder, 0o755)
        former = os.umask(0o077)
        yield Path(folder) / "network"
        os.umask(former)


@pytest.fixture
def world(upstream: Any, work_path: Path) -> Iterator[World]:
    made = World(work_path, upstream.server_address[1])
    made.group(OPEN, [*ALL_OUT, rule(3, "ingress"), rule(4, "ingress", "IPv6")])
    made.group(CLOSED, ALL_OUT)
    yield made
    made.close()


def ask(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("169.254.169.254", timeout=5)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class TestDhcp:
    def test_a_guest_gets_its_own_address_and_options(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        world.group(WEB, ALL_OUT)
        first = world.ensure(network, netlab.port(network, 10, security_groups=[WEB]))
        second = world.ensure(network, netlab.port(network, 11, security_groups=[WEB]))
        for wiring, last in ((second, 11), (first, 10)):
            lease = netlab.udhcpc(world.plug(network, wiring).boot(configured=False), tmp_path)
            assert lease["ip"] == f"10.77.0.{last}"
            assert lease["router"] == "10.77.0.1"
            assert lease["dns"] == "10.77.0.2"
            assert lease["mtu"] == "1450"
            assert lease["domain"] == "novalocal"
            assert lease["lease"] == "600"
            assert lease["staticroutes"].split() == [
                *("169.254.169.254/32", "10.77.0.2"),
                *("0.0.0.0/0", "10.77.0.1"),
            ]

    def test_a_guest_nobody_knows_gets_no_address(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        world.guest(network, 10, [OPEN])
        stranger = netlab.port(network, 66, port_security_enabled=False, fixed_ips=[])
        guest = world.plug(network, world.ensure(network, stranger)).boot(configured=False)
        assert netlab.udhcpc(guest, tmp_path) == {}

    def test_the_next_owner_of_an_address_gets_it_at_once(
        self, world: World, tmp_path: Path
    ) -> None:
        network = netlab.network()
        world.ensure(network, netlab.port(network, 99, security_groups=[OPEN]))
        for mac in ("fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c"):
            wiring = netlab.port(network, 10, mac_address=mac, security_groups=[OPEN])
            guest = world.plug(network, world.ensure(network, wiring)).boot(configured=False)
            assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"
            guest.unplug()
            world.driver.remove_port(wiring.id)

    def test_dnsmasq_is_started_again_when_it_dies(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        guest = world.plug(
            network, world.ensure(network, netlab.port(network, 10, security_groups=[OPEN]))
        ).boot(configured=False)
        pid_file = world.work_path / "dhcp" / network.id / "pid"
        former = int(pid_file.read_text())
        os.kill(former, signal.SIGKILL)
        netlab.wait_for(
            "a new dnsmasq",
            lambda: pid_file.exists() and pid_file.read_text().strip() not in ("", str(former)),
        )
        assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"

    def test_dnsmasq_is_not_root(self, world: World) -> None:
        network = netlab.network()
        world.ensure(network, netlab.port(network, 10))
        pid = (world.work_path / "dhcp" / network.id / "pid").read_text().strip()
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}" in status

    def test_many_hups_do_not_hurt_it(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        first = world.ensure(network, netlab.port(network, 10, security_groups=[OPEN]))
        guest = world.plug(network, first).boot(configured=False)
        assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"
        pid = (world.work_path / "dhcp" / network.id / "pid").read_text()
        for last in range(20, 40):
            world.ensure(network, netlab.port(network, last, security_groups=[OPEN]))
        assert netlab.udhcpc(guest, tmp_path)["ip"] == "10.77.0.10"
        assert (world.work_path / "dhcp" / network.id / "pid").read_text() == pid


class TestSecurityGroups:
    @pytest.fixture
    def pair(self, world: World) -> tuple[World, NetworkWiring, Guest, Guest]:
        """A is a web server for all and answers pings of its group; B is shut."""
        network = netlab.network()
        world.group(
            WEB,
            [
                rule(10, "ingress", protocol="tcp", port_range_min=22, port_range_max=22),
                rule(11, "ingress", protocol="icmp", remote_group_id="members"),
                rule(12, "egress", protocol="tcp", port_range_min=22, port_range_max=22),
                rule(13, "egress", protocol="icmp"),
            ],
        )
        world.group("members", [], ["10.77.0.61"])
        a = world.guest(network, 60, [WEB])
        b = world.guest(network, 61, [CLOSED])
        for guest in (a, b):
            for number in (22, 80):
                guest.serve(number)
        return world, network, a, b

    def test_only_what_the_rules_allow_passes(
        self, pair: tuple[World, NetworkWiring, Guest, Guest]
    ) -> None:
        _, _, a, b = pair
        assert b.reaches(a.ip, 22), "allowed tcp"
        assert not b.reaches(a.ip, 80, seconds=0.5), "denied tcp"
        assert b.pings(a.ip), "icmp of a member of the remote group"
        assert not a.pings(b.ip, seconds=0.5), "icmp to a closed guest"
        assert not a.reaches(b.ip, 22, seconds=0.5), "tcp to a closed guest"
        assert a.pings("10.77.0.2"), "answers come back (stateful)"
        assert b.pings("10.77.0.2"), "answers come back (stateful)"
        assert not a.do(resolve, "10.77.0.2", "nobody.novalocal", 0.5), (
            "egress is restricted to tcp 22 and icmp"
        )
        assert b.do(resolve, "10.77.0.2", "nobody.novalocal"), "egress is open"

    def test_a_new_rule_reaches_running_guests_cve_2015_7713(
        self, pair: tuple[World, NetworkWiring, Guest, Guest]
    ) -> None:
        world, network, a, b = pair
        assert not b.reaches(a.ip, 80, seconds=0.3)
        former = world.groups[WEB].rules
        opened = rule(14, "ingress", protocol="tcp", port_range_min=80, port_range_max=80)
        world.group(WEB, [*former, opened])
        world.driver.sync(world.state(network))
        assert b.reaches(a.ip, 80)
        world.group(WEB, former)
        world.driver.sync(world.state(network))
        assert not b.reaches(a.ip, 80, seconds=0.3)

    def test_a_removed_rule_ends_connections_it_allowed(
        self, pair: tuple[World, NetworkWiring, Guest, Guest]
    ) -> None:
        world, network, a, b = pair
        listener = a.do(socket.create_server, (a.ip, 2222))
        opened = rule(14, "ingress", protocol="tcp", port_range_min=2222, port_range_max=2222)
        world.group(WEB, [*world.groups[WEB].rules, opened])
        world.driver.sync(world.state(network))
        client = b.do(socket.create_connection, (a.ip, 2222), 1)
        served, _ = listener.accept()
        client.sendall(b"1")
        assert served.recv(1) == b"1"
        world.group(WEB, world.groups[WEB].rules[:-1])
        world.driver.sync(world.state(network))
        client.sendall(b"2")
        served.settimeout(0.5)
        with pytest.raises(TimeoutError):
            served.recv(1)
        for sock in (client, served, listener):
            sock.close()

    def test_a_new_member_of_a_remote_group_is_let_in(
        self, pair: tuple[World, NetworkWiring, Guest, Guest]
    ) -> None:
        world, network, a, b = pair
        c = world.guest(network, 62, [CLOSED])
        assert not c.pings(a.ip, seconds=0.3)
        world.group("members", [], ["10.77.0.61", "10.77.0.62"])
        world.driver.sync(world.state(network))
        assert c.pings(a.ip)
        world.group("members", [], [])
        world.driver.sync(world.state(network))
        assert not b.pings(a.ip, seconds=0.3)

    def test_equal_addresses_on_two_networks_stay_apart(self, world: World) -> None:
        one = netlab.network(nat=False)
        other = netlab.network(nat=False)
        guests = [world.guest(net, last, [OPEN]) for net in (one, other) for last in (10, 11)]
        for guest in guests:
            guest.serve(22)
        assert guests[0].reaches("10.77.0.11", 22)
        assert guests[2].reaches("10.77.0.11", 22)
        guests[1].unplug()
        assert not guests[0].reaches("10.77.0.11", 22, seconds=0.5)
        assert guests[2].reaches("10.77.0.11", 22)

    def test_ipv6_between_guests_follows_the_rules(self, world: World) -> None:
        network = netlab.network()
        a, b = world.guest(network, 10, [OPEN]), world.guest(network, 11, [CLOSED])
        echo = struct.pack("!HH", 7, 1)
        ll = {g.mac: port_rules.link_local(g.mac) for g in (a, b)}

        def ping6(frm: Guest, to: Guest) -> bytes:
            return netlab.icmp6((frm.mac, ll[frm.mac]), (to.mac, ll[to.mac]), 128, echo)

        assert a.receives({"echo": ping6(b, a)}, b) == {"echo"}
        assert b.receives({"echo": ping6(a, b)}, a) == set()


def _address_of(link: str) -> str:
    """The MAC address of a link of the host."""
    shown = subprocess.run(["ip", "-j", "link", "show", link], capture_output=True, check=True)
    return str(json.loads(shown.stdout)[0]["address"])


class TestHost:
    def test_the_host_reaches_a_guest_exactly_as_its_groups_allow(self, world: World) -> None:
        network = netlab.network()
        world.group(
            WEB,
            [
                *ALL_OUT,
                rule(10, "ingress", protocol="tcp", port_range_min=22, port_range_max=22),
                rule(11, "ingress", protocol="icmp"),
            ],
        )
        guest, shut = world.guest(network, 10, [WEB]), world.guest(network, 11, [CLOSED])
        for one in (guest, shut):
            one.serve(22)
            one.serve(80)
        assert netlab.connects(guest.ip, 22)
        assert not netlab.connects(guest.ip, 80, seconds=0.5)
        assert netlab.ping(guest.ip)
        assert not netlab.connects(shut.ip, 22, seconds=0.5)

    def test_ossn_0018_guests_reach_no_service_of_the_host(self, world: World) -> None:
        network = netlab.network()
        with netlab.outside(f"mt-{world.tag}-out"):
            guest = world.guest(network, 10, [OPEN])
            listener = netlab.serve(8774)
            try:
                assert not guest.reaches("10.77.0.1", 8774, seconds=0.5)
                assert not guest.reaches("198.51.100.2", 8774, seconds=0.5)
                assert not guest.pings("10.77.0.1", seconds=0.5)
            finally:
                listener.close()

    def test_ossn_0069_the_host_has_no_ipv6_on_the_bridge(self, world: World) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [OPEN])
        addresses = subprocess.run(
            ["ip", "-6", "addr", "show", "dev", network.bridge], capture_output=True, text=True
        )
        assert addresses.stdout == ""
        # All nodes of the link are asked; the bridge must not be one of them.
        own = port_rules.link_local(guest.mac)
        listening = guest.do(netlab.packet_socket)
        echo = netlab.icmp6(
            (guest.mac, own), ("33:33:00:00:00:01", "ff02::1"), 128, struct.pack("!HH", 7, 1)
        )
        probe = netlab.arp(1, guest.mac, guest.ip, "00:00:00:00:00:00", "10.77.0.1")
        guest.do(netlab.send_frames, [echo, probe])
        answers = []
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            frame, where = listening.recvfrom(2048)
            if where[2] != socket.PACKET_OUTGOING:
                answers.append(frame)
                if frame[12:14] == b"\x08\x06":
                    break
        listening.close()
        # Other ports of the network may speak IPv6 among themselves; the host may not.
        host = bytes.fromhex(_address_of(network.bridge).replace(":", ""))
        assert [f for f in answers if f[6:12] == host and f[12:14] == b"\x86\xdd"] == []

    def test_guests_get_out_by_nat_and_answers_come_back(self, world: World) -> None:
        network = netlab.network()
        with netlab.outside(f"mt-{world.tag}-out") as out:
            first, second = (world.guest(network, last, [CLOSED]) for last in (10, 11))
            listener = netns.inside(out, netlab.serve, 80)
            try:
                assert first.reaches("198.51.100.1", 80)
                assert second.reaches("198.51.100.1", 80)
                assert first.pings("198.51.100.1")
                # Nobody gets in that way, even knowing the way.
                netns.inside(out, _route, "10.77.0.0/24", "198.51.100.2")
                first.serve(22)
                assert not netns.inside(out, netlab.connects, first.ip, 22, "", 0.5)
            finally:
                listener.close()

    def test_a_removed_rule_ends_the_hosts_connections(self, world: World) -> None:
        network = netlab.network()
        ssh = rule(10, "ingress", protocol="tcp", port_range_min=22, port_range_max=22)
        world.group(WEB, [*ALL_OUT, ssh])
        guest = world.guest(network, 10, [WEB])
        listener = guest.do(socket.create_server, (guest.ip, 22))
        client = socket.create_connection((guest.ip, 22), 2)
        served, _ = listener.accept()
        world.group(WEB, ALL_OUT)
        world.driver.sync(world.state(network))
        client.sendall(b"1")
        served.settimeout(0.5)
        with pytest.raises(TimeoutError):
            served.recv(1)
        for sock in (client, served, listener):
            sock.close()

    def test_networks_do_not_reach_each_other(self, world: World) -> None:
        one, other = netlab.network(), netlab.network("10.78.0.0/24")
        a, b = world.guest(one, 10, [OPEN]), world.guest(other, 10, [OPEN])
        b.serve(22)
        assert netlab.connects(b.ip, 22)
        assert not a.reaches(b.ip, 22, seconds=0.5)
        assert not a.pings(b.ip, seconds=0.5)

    def test_a_range_the_host_already_reaches_is_refused(self, world: World) -> None:
        with netlab.outside(f"mt-{world.tag}-out"):
            taken = netlab.network("198.51.100.0/24")
            with pytest.raises(errors.Conflict, match=r"198\.51\.100\.0/24.*uplink0"):
                world.ensure(taken, netlab.port(taken, 10))
            assert taken.bridge not in links()

    def test_guests_resolve_names_through_the_network(self, world: World) -> None:
        network = netlab.network()
        with netlab.outside(f"mt-{world.tag}-out") as out:
            guest = world.guest(network, 10, [CLOSED])
            answerer = netns.inside(out, _answer_dns)
            try:
                assert guest.do(resolve, "10.77.0.2", "example.org")
            finally:
                answerer.close()


class TestMetadata:
    def test_a_guest_is_known_by_its_address(self, world: World, upstream: Any) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED])
        guest.do(_route, "169.254.169.254/32", "10.77.0.2")
        assert guest.do(ask, "/openstack/latest/meta_data.json") == (
            200,
            "GET /openstack/latest/meta_data.json",
        )
        _, _, headers, _ = upstream.asked[-1]
        instance = guest.wiring.device_id
        assert headers["X-Instance-ID"] == instance
        assert headers["X-Tenant-ID"] == guest.wiring.project_id
        assert headers["X-Forwarded-For"] == guest.ip
        expected = hmac.new(SECRET.encode(), instance.encode(), hashlib.sha256).hexdigest()
        assert headers["X-Instance-ID-Signature"] == expected
        status, _ = guest.do(ask, "/openstack/2013-10-17/password", "POST", b"secret")
        assert (status, upstream.asked[-1][3]) == (200, b"secret")
        status, _ = guest.do(ask, "/x", "POST", b"x" * 100_000)
        assert status == 413

    def test_cve_2013_6419_forged_identity_headers_are_dropped(
        self, world: World, upstream: Any
    ) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED])
        guest.do(_route, "169.254.169.254/32", "10.77.0.2")
        forged = {
            "X-Instance-ID": str(uuid.uuid4()),
            "X-Tenant-ID": "b" * 32,
            "X-Instance-ID-Signature": "0" * 64,
            "X-Forwarded-For": "10.77.0.99",
            "X-Project-Id": "b" * 32,
        }
        request = "GET / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in forged.items())
        guest.do(_raw_http, request.encode() + b"\r\n")
        headers = upstream.asked[-1][2]
        assert headers["X-Instance-ID"] == guest.wiring.device_id
        assert headers["X-Tenant-ID"] == guest.wiring.project_id
        assert headers["X-Forwarded-For"] == guest.ip
        assert "X-Project-Id" not in headers
        assert not set(forged.values()) & set(headers.values())

    def test_an_address_without_instance_is_answered_404(self, world: World) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED], device_id="")
        guest.do(_route, "169.254.169.254/32", "10.77.0.2")
        assert guest.do(ask, "/")[0] == 404

    def test_a_silent_metadata_api_is_answered_503(self, world: World, upstream: Any) -> None:
        network = netlab.network()
        guest = world.guest(network, 10, [CLOSED])
        guest.do(_route, "169.254.169.254/32", "10.77.0.2")
        upstream.shutdown()
        upstream.server_close()
        assert guest.do(ask, "/")[0] == 503

    def test_one_guest_cannot_keep_the_others_waiting(self, world: World) -> None:
        network = netlab.network()
        greedy, modest = world.guest(network, 10, [CLOSED]), world.guest(network, 11, [CLOSED])
        for guest in (greedy, modest):
            guest.do(_route, "169.254.169.254/32", "10.77.0.2")
        idle = [greedy.do(socket.create_connection, ("169.254.169.254", 80), 5) for _ in range(300)]
        assert modest.do(ask, "/")[0] == 200
        for sock in idle:
            sock.close()


class TestAdvisories:
    """From a real guest, what a hostile one would send."""

    @pytest.fixture
    def trio(self, world: World) -> tuple[Guest, Guest, Guest]:
        network = netlab.network()
        a, b, c = (world.guest(network, last, [OPEN]) for last in (10, 11, 12))
        return a, b, c

    def test_cve_2021_38598_and_2015_8914_spoofed_arp_mac_and_ipv4_are_dropped(
        self, trio: tuple[Guest, Guest, Guest]
    ) -> None:
        a, b, c = trio
        foreign = "fa:16:3e:00:00:77"
        frames = {
            "own udp": netlab.udp4((b.mac, b.ip, 5000), (a.mac, a.ip, 6000)),
            "own arp reply": netlab.arp(2, b.mac, b.ip, a.mac, a.ip),
            "arp probe": netlab.arp(1, b.mac, "0.0.0.0", "00:00:00:00:00:00", b.ip),
            "mac": netlab.udp4((foreign, b.ip, 5000), (a.mac, a.ip, 6000)),
            "ip": netlab.udp4((b.mac, c.ip, 5000), (a.mac, a.ip, 6000)),
            "arp ip": netlab.arp(2, b.mac, c.ip, a.mac, a.ip),
            "arp mac inside": netlab.arp(2, c.mac, b.ip, a.mac, a.ip, frm=b.mac),
            "arp of the gateway": netlab.arp(2, b.mac, "10.77.0.1", a.mac, a.ip),
            "gratuitous arp": netlab.arp(1, b.mac, c.ip, "00:00:00:00:00:00", c.ip),
            "other ethertype": netlab.ethernet(b.mac, a.mac, 0x8100, b"\0\1\x08\0" + b"x" * 60),
        }
        assert a.receives(frames, b) == {"own udp", "own arp reply", "arp probe"}

    def test_a_rogue_dhcp_server_is_dropped(self, trio: tuple[Guest, Guest, Guest]) -> None:
        a, b, _ = trio
        frames = {
            "offer": netlab.udp4((b.mac, b.ip, 67), (a.mac, a.ip, 68)),
            "broadcast offer": netlab.udp4(
                (b.mac, b.ip, 67), (netlab.BROADCAST, "255.255.255.255", 68)
            ),
        }
        assert a.receives(frames, b) == set()

    def test_cve_2016_5362_and_5363_spoofed_ipv6_is_dropped(
        self, trio: tuple[Guest, Guest, Guest]
    ) -> None:
        a, b, c = trio
        to = (a.mac, port_rules.link_local(a.mac))
        own = (b.mac, port_rules.link_local(b.mac))
        other = (b.mac, port_rules.link_local(c.mac))
        ra = struct.pack("!BBHII", 64, 0, 1800, 0, 0)
        echo = struct.pack("!HH", 7, 1)
        lie = netlab.neighbor_advert(other[1], b.mac)
        frames = {
            "own advert": netlab.icmp6(own, to, 136, netlab.neighbor_advert(own[1], b.mac)),
            "own echo": netlab.icmp6(own, to, 128, echo),
            "source": netlab.icmp6(other, to, 128, echo),
            "advert of another": netlab.icmp6(own, to, 136, lie),
            "advert as another": netlab.icmp6(other, to, 136, lie),
            "router advert": netlab.icmp6(own, to, 134, ra),
            "redirect": netlab.icmp6(own, to, 137, bytes(36)),
            "router advert in a fragment": netlab.icmp6(own, to, 134, ra, wrap=True),
            "advert in a fragment": netlab.icmp6(own, to, 136, lie, wrap=True),
            "dhcpv6 server": netlab.ip6(own, to, 17, struct.pack("!HHHH", 547, 546, 8, 0)),
        }
        assert a.receives(frames, b) == {"own advert", "own echo"}

    def test_cve_2019_15753_a_third_guest_does_not_see_a_flow(
        self, world: World, trio: tuple[Guest, Guest, Guest]
    ) -> None:
        a, b, c = trio
        unlearned = "fa:16:3e:00:00:0d"
        marker = netlab.arp(1, b.mac, b.ip, "00:00:00:00:00:00", c.ip)
        listening = c.do(netlab.packet_socket)
        listening.setsockopt(263, 1, struct.pack("iHH8s", _eth0(c), 1, 0, b""))  # promiscuous
        b.do(
            netlab.send_frames,
            [
                netlab.udp4((b.mac, b.ip, 5000), (a.mac, a.ip, 6000)),
                netlab.udp4((b.mac, b.ip, 5000), (unlearned, "10.77.0.13", 6000)),
                marker,
            ],
        )
        seen = list(netlab.frames_until(listening, marker))
        listening.close()
        assert [frame for frame in seen if frame[12:14] == b"\x08\x00"] == []
        with bridge.IPRoute() as ip:
            link = bridge.find_link(ip, a.of.bridge)
        assert link.get("linkinfo").get("data").get("br_ageing_time") > 0

    def test_cve_2015_5240_no_unfiltered_packet_before_the_rules(self, world: World) -> None:
        network = netlab.network()
        a = world.guest(network, 10, [OPEN])
        stranger = netlab.port(network, 11, security_groups=[OPEN])
        guest = world.plug(network, stranger).boot()
        frame = netlab.udp4((guest.mac, guest.ip, 5000), (a.mac, a.ip, 6000))
        assert a.receives({"before": frame}, guest) == set()
        world.ensure(network, stranger)
        assert a.receives({"after": frame}, guest) == {"after"}

    def test_cve_2014_0187_and_2019_9735_a_bad_rule_blocks_no_other(self, world: World) -> None:
        network = netlab.network()
        bad = [
            rule(20, "ingress", protocol="vrrp", port_range_min=1, port_range_max=2),
            rule(21, "ingress", remote_ip_prefix="10.0.0.300/8"),
            rule(22, "ingress", "IPv6", remote_ip_prefix="10.0.0.0/8"),
            rule(23, "ingress", protocol="tcp", port_range_min=99999, port_range_max=99999),
            rule(24, "sideways"),
            rule(25, "ingress", protocol="no such thing"),
            rule(26, "ingress", protocol="tcp", port_range_min=9, port_range_max=8),
        ]
        good = rule(30, "ingress", protocol="tcp", port_range_min=22, port_range_max=22)
        world.group(WEB, [*ALL_OUT, *bad, good])
        a, b = world.guest(network, 10, [WEB]), world.guest(network, 11, [CLOSED])
        a.serve(22)
        assert b.reaches(a.ip, 22)

    def test_a_rule_the_kernel_refuses_blocks_no_other(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from minova.companions.network.agent import group_rules, nft

        real = group_rules.expressions

        def sometimes(which: Rule) -> list[dict[str, Any]]:
            if which.id == "rule-66":
                return [nft.match(nft.field("ip", "saddr"), "@no-such-set"), nft.ACCEPT]
            return real(which)

        monkeypatch.setattr(group_rules, "expressions", sometimes)
        network = netlab.network()
        good = rule(30, "ingress", protocol="tcp", port_range_min=22, port_range_max=22)
        world.group(WEB, [*ALL_OUT, rule(66, "ingress"), good])
        a, b = world.guest(network, 10, [WEB]), world.guest(network, 11, [CLOSED])
        a.serve(22)
        assert b.reaches(a.ip, 22)

    def test_cve_2019_10876_overlapping_pairs_are_taken(self, world: World) -> None:
        network = netlab.network()
        pairs = [["10.77.0.128/25", ""], ["10.77.0.0/24", ""], ["10.77.0.130", ""]]
        a = world.guest(network, 10, [OPEN])
        b = world.guest(network, 11, [OPEN], allowed_address_pairs=pairs)
        frames = {
            "pair": netlab.udp4((b.mac, "10.77.0.200", 1), (a.mac, a.ip, 2)),
            "not a pair": netlab.udp4((b.mac, "10.79.0.200", 1), (a.mac, a.ip, 2)),
        }
        assert a.receives(frames, b) == {"pair"}

    def test_without_port_security_anything_goes(self, world: World) -> None:
        network = netlab.network()
        a = world.guest(network, 10, [OPEN])
        b = world.guest(network, 11, [], port_security_enabled=False)
        frames = {"foreign ip": netlab.udp4((b.mac, "10.79.0.200", 1), (a.mac, a.ip, 2))}
        assert a.receives(frames, b) == {"foreign ip"}


class TestLife:
    def test_a_restarted_agent_leaves_traffic_alone(self, world: World, tmp_path: Path) -> None:
        network = netlab.network()
        world.group(WEB, [*ALL_OUT, rule(1, "ingress", protocol="tcp")])
        a, b = world.guest(network, 10, [WEB]), world.guest(network, 11, [CLOSED])
        b.do(_route, "169.254.169.254/32", "10.77.0.2")
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


def links() -> dict[str, str]:
    with bridge.IPRoute() as ip:
        return {link.get("ifname"): link.get("ifalias") or "" for link in ip.link("dump")}


def ruleset() -> str:
    command = ["nft", "-s", "-n", "list", "ruleset"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _namespaces() -> list[str]:
    return [name for name in os.listdir("/run/netns") if name.startswith("qdhcp-77")]


def _route(destination: str, gateway: str) -> None:
    with bridge.IPRoute() as ip:
        ip.route("add", dst=destination, gateway=gateway)


def _eth0(guest: Guest) -> int:
    return int(guest.do(socket.if_nametoindex, "eth0"))


def _raw_http(request: bytes) -> bytes:
    with socket.create_connection(("169.254.169.254", 80), 5) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(4096), b""))


def resolve(server: str, name: str, seconds: float = 3) -> bool:
    """Whether a DNS question gets any answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        labels = [bytes([len(label)]) + label.encode() for label in name.split(".")]
        question = b"".join(labels) + b"\0\0\1\0\1"
        sock.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question, (server, 53))
        try:
            return sock.recv(512)[:2] == b"\x12\x34"
        except OSError:
            return False


def _answer_dns() -> socket.socket:
    import threading

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("198.51.100.1", 53))

    def answer() -> None:
        while True:
            try:
                question, source = sock.recvfrom(512)
            except OSError:
                return
            head = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
            end = question.index(b"\0", 12) + 5
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
            sock.sendto(head + question[12:end] + record, source)

    threading.Thread(target=answer, daemon=True).start()
    return sock

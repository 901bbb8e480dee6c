"""Between a guest, its host and the outside, on a real kernel."""

import json
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.common import errors
from minova.companions.network.agent import netns, port_rules
from tests.integration import netlab
from tests.integration.agent_rig import (
    ALL_OUT,
    CLOSED,
    OPEN,
    WEB,
    World,
    add_route,
    links,
    resolve,
    rule,
)

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


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
                netns.inside(out, add_route, "10.77.0.0/24", "198.51.100.2")
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


def _address_of(link: str) -> str:
    """The MAC address of a link of the host."""
    shown = subprocess.run(["ip", "-j", "link", "show", link], capture_output=True, check=True)
    return str(json.loads(shown.stdout)[0]["address"])


def _answer_dns() -> socket.socket:

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

"""Security groups on a real kernel: which packets pass between guests."""

import os
import socket
import struct

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.companions.network.agent import port_rules
from minova.companions.network.wire import NetworkWiring
from tests.integration import netlab
from tests.integration.agent_rig import CLOSED, OPEN, WEB, World, resolve, rule
from tests.integration.netlab import Guest

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


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

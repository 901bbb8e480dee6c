"""What a hostile guest would send, from a real one; tests are named after their advisories."""

import os
import socket
import struct
from typing import Any

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.companions.network.agent import bridge, port_rules
from minova.companions.network.wire import Rule
from tests.integration import netlab
from tests.integration.agent_rig import ALL_OUT, CLOSED, OPEN, WEB, World, rule
from tests.integration.netlab import Guest

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


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


def _eth0(guest: Guest) -> int:
    return int(guest.do(socket.if_nametoindex, "eth0"))

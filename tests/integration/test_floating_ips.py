"""Floating IPs on a real kernel: packets that go in and out by them."""

import os
import socket
from dataclasses import replace

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.companions.network.agent import netns
from minova.companions.network.wire import FloatingWiring, NetworkWiring
from tests.integration import netlab
from tests.integration.agent_rig import ALL_OUT, CLOSED, OPEN, WEB, World, rule

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
FLOATING = "172.31.99.50"


@pytest.fixture
def external() -> NetworkWiring:
    """What the network server says of a network `router:external` without DHCP."""
    made = netlab.network("172.31.99.0/24", name="public")
    return replace(made, subnets=[replace(made.subnets[0], dhcp_ip=None)])


def test_a_floating_ip_leads_to_its_guest_and_no_longer_when_taken_away(
    world: World, external: NetworkWiring
) -> None:
    network = netlab.network()
    guest = world.guest(network, 10, [OPEN])
    guest.serve(22)
    world.driver.sync(replace(world.state(network, external)))
    assert not netlab.connects(FLOATING, 22, seconds=0.3)
    leads = [FloatingWiring(FLOATING, guest.ip)]
    world.driver.sync(replace(world.state(network, external), floating=leads))
    assert netlab.connects(FLOATING, 22)
    assert netlab.ping(FLOATING)
    world.driver.sync(world.state(network, external))
    assert not netlab.connects(FLOATING, 22, seconds=0.3)


def test_security_groups_hold_for_floating_ips(world: World, external: NetworkWiring) -> None:
    network = netlab.network()
    world.group(
        WEB,
        [*ALL_OUT, rule(7, "ingress", protocol="tcp", port_range_min=80, port_range_max=80)],
    )
    web, closed = world.guest(network, 10, [WEB]), world.guest(network, 11, [CLOSED])
    for guest in (web, closed):
        for number in (22, 80):
            guest.serve(number)
    leads = [FloatingWiring(FLOATING, web.ip), FloatingWiring("172.31.99.51", closed.ip)]
    world.driver.sync(replace(world.state(network, external), floating=leads))
    assert netlab.connects(FLOATING, 80)
    assert not netlab.connects(FLOATING, 22, seconds=0.3)
    assert not netlab.connects("172.31.99.51", 80, seconds=0.3)


def test_a_guest_is_seen_outside_with_its_floating_ip(
    world: World, external: NetworkWiring
) -> None:
    network = netlab.network()
    with netlab.outside(f"mt-{world.tag}-out") as out:
        guest = world.guest(network, 10, [OPEN])
        plain = world.guest(network, 11, [OPEN])
        leads = [FloatingWiring(FLOATING, guest.ip)]
        world.driver.sync(replace(world.state(network, external), floating=leads))
        listener = netns.inside(out, socket.create_server, ("198.51.100.1", 80))
        with listener:
            listener.settimeout(2)
            netns.inside(out, _route_back)
            sources = []
            for who in (guest, plain):
                client = who.do(socket.create_connection, ("198.51.100.1", 80), 2)
                served, peer = listener.accept()
                sources.append(peer[0])
                client.close()
                served.close()
            assert sources == [FLOATING, "198.51.100.2"]


def test_without_snat_a_guest_is_seen_outside_as_it_is(world: World) -> None:
    network = netlab.network()
    with netlab.outside(f"mt-{world.tag}-out") as out:
        guest = world.guest(network, 10, [OPEN])
        listener = netns.inside(out, socket.create_server, ("198.51.100.1", 80))
        with listener:
            listener.settimeout(2)
            netns.inside(out, _route_back, "10.77.0.0/24")
            sources = []
            for ranges in ([], ["10.77.0.0/24"], []):
                world.driver.sync(replace(world.state(network), unmasked=ranges))
                client = guest.do(socket.create_connection, ("198.51.100.1", 80), 2)
                served, peer = listener.accept()
                sources.append(peer[0])
                client.close()
                served.close()
            assert sources == ["198.51.100.2", guest.ip, "198.51.100.2"]


def _route_back(subnet: str = "172.31.99.0/24") -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.route("replace", dst=subnet, gateway="198.51.100.2")


def test_an_established_connection_ends_with_its_floating_ip(
    world: World, external: NetworkWiring
) -> None:
    network = netlab.network()
    guest = world.guest(network, 10, [OPEN])
    listener = guest.do(socket.create_server, (guest.ip, 2222))
    leads = [FloatingWiring(FLOATING, guest.ip)]
    world.driver.sync(replace(world.state(network, external), floating=leads))
    client = socket.create_connection((FLOATING, 2222), timeout=2)
    served, _ = listener.accept()
    client.sendall(b"1")
    assert served.recv(1) == b"1"
    world.driver.sync(world.state(network, external))
    served.settimeout(0.5)
    client.sendall(b"2")
    with pytest.raises(TimeoutError):
        served.recv(1)
    for sock in (client, served, listener):
        sock.close()


def test_a_guest_reaches_another_networks_guest_by_its_floating_ip(
    world: World, external: NetworkWiring
) -> None:
    left, right = netlab.network("10.77.0.0/24"), netlab.network("10.78.0.0/24")
    a, b = world.guest(left, 10, [OPEN]), world.guest(right, 11, [OPEN])
    a.serve(22)
    leads = [FloatingWiring(FLOATING, a.ip)]
    world.driver.sync(replace(world.state(left, right, external), floating=leads))
    assert b.reaches(FLOATING, 22)
    assert not b.reaches(a.ip, 22, seconds=0.3), "its fixed address is not routed"

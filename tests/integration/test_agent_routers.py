"""Routers on a real kernel: packets from one subnet to another, by whichever address."""

import os
import socket
import subprocess
import uuid
from dataclasses import replace

import pytest

pytest.importorskip("pyroute2")
pytest.importorskip("nftables")

from minova.companions.network.wire import (
    HostState,
    NetworkWiring,
    RangeWiring,
    RouterWiring,
    RouteWiring,
    SubnetWiring,
)
from tests.integration import netlab
from tests.integration.agent_rig import CLOSED, OPEN, World, add_route
from tests.integration.netlab import Guest

pytest_plugins = ["tests.integration.agent_rig"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


def router(*networks: NetworkWiring) -> RouterWiring:
    """A router with all subnets of these networks."""
    ranges = [RangeWiring(network.id, s.cidr) for network in networks for s in network.subnets]
    return RouterWiring(str(uuid.uuid4()), ranges)


def with_interface(network: NetworkWiring, *addresses: str) -> NetworkWiring:
    """The network with these addresses of routers, too, on its first subnet."""
    first, *rest = network.subnets
    held = sorted({*first.held_ips, *addresses})
    return replace(network, subnets=[replace(first, held_ips=held), *rest])


def routed(world: World, *networks: NetworkWiring, by: list[RouterWiring]) -> HostState:
    return replace(world.state(*networks), routers=by)


def test_subnets_of_one_router_reach_each_other_as_groups_allow(world: World) -> None:
    left, right = netlab.network("10.77.0.0/24"), netlab.network("10.78.0.0/24")
    a, b = world.guest(left, 10, [OPEN]), world.guest(right, 11, [CLOSED])
    for guest in (a, b):
        guest.serve(22)
    assert not b.reaches(a.ip, 22, seconds=0.3), "no router yet"
    world.driver.sync(routed(world, left, right, by=[router(left, right)]))
    assert b.reaches(a.ip, 22)
    assert not a.reaches(b.ip, 22, seconds=0.3), "its group lets nobody in"
    world.driver.sync(world.state(left, right))
    assert not b.reaches(a.ip, 22, seconds=0.3)


def test_a_router_routes_by_an_address_that_is_not_the_gateways(world: World) -> None:
    """Nobody is the gateway here; guests have routes over .254, where the router is."""
    left, right = (
        with_interface(_without_gateway(netlab.network(cidr)), f"{cidr[:6]}0.254")
        for cidr in ("10.77.0.0/24", "10.78.0.0/24")
    )
    a, b = world.guest(left, 10, [OPEN]), world.guest(right, 11, [OPEN])
    a.serve(22)
    a.do(add_route, "10.78.0.0/24", "10.77.0.254")
    b.do(add_route, "10.77.0.0/24", "10.78.0.254")
    assert not b.reaches(a.ip, 22, seconds=0.3), "no router yet"
    world.driver.sync(routed(world, left, right, by=[router(left, right)]))
    assert b.reaches(a.ip, 22)
    assert b.pings(a.ip)


def test_two_routers_on_one_subnet_lead_to_different_networks(world: World) -> None:
    middle = with_interface(netlab.network("10.77.0.0/24"), "10.77.0.254")
    left, right = netlab.network("10.78.0.0/24"), netlab.network("10.79.0.0/24")
    m, a, b = (world.guest(net, 10, [OPEN]) for net in (middle, left, right))
    m.do(add_route, "10.79.0.0/24", "10.77.0.254")
    for guest in (a, b):
        guest.serve(22)
    first, second = router(middle, left), router(middle, right)
    world.driver.sync(routed(world, middle, left, right, by=[first, second]))
    assert m.reaches(a.ip, 22), "by the gateway's router"
    assert m.reaches(b.ip, 22), "by the other one"
    assert not a.reaches(b.ip, 22, seconds=0.3), "no router has both"
    world.driver.sync(routed(world, middle, left, right, by=[first]))
    assert m.reaches(a.ip, 22)
    assert not m.reaches(b.ip, 22, seconds=0.3), "its router is gone"


def test_subnets_of_one_network_are_routed_only_when_they_are_on_the_router(world: World) -> None:
    network = netlab.network("10.77.0.0/24")
    other = netlab.network("10.78.0.0/24")
    second = SubnetWiring(
        id=str(uuid.uuid4()), cidr="10.10.0.0/24", gateway_ip="10.10.0.1", held_ips=["10.10.0.1"]
    )
    both = replace(network, subnets=[*network.subnets, second])
    a = world.guest(both, 10, [OPEN])
    b = world.guest(replace(both, subnets=[second]), 20, [OPEN])
    c = world.guest(other, 10, [OPEN])
    for guest in (a, b, c):
        guest.serve(22)
    only_first = router(network, other)
    world.driver.sync(routed(world, both, other, by=[only_first]))
    assert a.reaches(c.ip, 22)
    assert not b.reaches(c.ip, 22, seconds=0.3), "its subnet is not on the router"
    assert not a.reaches(b.ip, 22, seconds=0.3)
    world.driver.sync(routed(world, both, other, by=[router(both, other)]))
    assert b.reaches(c.ip, 22)
    assert a.reaches(b.ip, 22), "over the host, from one subnet of the bridge to the other"


def test_a_connection_over_a_router_ends_with_the_routers_interface(world: World) -> None:
    left, right = netlab.network("10.77.0.0/24"), netlab.network("10.78.0.0/24")
    a, b = world.guest(left, 10, [OPEN]), world.guest(right, 11, [OPEN])
    world.driver.sync(routed(world, left, right, by=[router(left, right)]))
    with a.do(socket.create_server, (a.ip, 2222)) as listener:
        client = b.do(socket.create_connection, (a.ip, 2222), 2)
        served, _ = listener.accept()
        with client, served:
            client.sendall(b"1")
            assert served.recv(1) == b"1"
            world.driver.sync(routed(world, left, right, by=[router(left)]))
            served.settimeout(0.5)
            client.sendall(b"2")
            with pytest.raises(TimeoutError):
                served.recv(1)


def test_a_router_that_leaves_takes_no_other_address_along(world: World) -> None:
    """The kernel drops an interface's further addresses with its first."""
    network = netlab.network("10.77.0.0/24")
    low = with_interface(_without_gateway(network), "10.77.0.1", "10.77.0.3", "10.77.0.254")
    guest = world.guest(low, 10, [OPEN])
    assert held(network) == {"10.77.0.1", "10.77.0.3", "10.77.0.254"}
    world.driver.sync(world.state(with_interface(_without_gateway(network), "10.77.0.254")))
    assert held(network) == {"10.77.0.254"}
    guest.serve(22)
    assert netlab.connects(guest.ip, 22)


def test_a_guest_can_be_the_gateway_of_its_network(world: World) -> None:
    """With the gateway's address on a port, the host leaves it alone."""
    network = _without_gateway(netlab.network("10.77.0.0/24"))
    subnet = replace(network.subnets[0], gateway_ip="10.77.0.1")
    network = replace(network, subnets=[subnet])
    a, gateway = world.guest(network, 10, [OPEN]), world.guest(network, 1, [OPEN])
    gateway.serve(22)
    assert held(network) == set()
    assert a.reaches("10.77.0.1", 22)


def _without_gateway(network: NetworkWiring) -> NetworkWiring:
    subnets = [replace(s, gateway_ip=None, held_ips=[]) for s in network.subnets]
    return replace(network, subnets=subnets)


def held(network: NetworkWiring) -> set[str]:
    """The IPv4 addresses on the network's bridge."""
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        index = ip.link_lookup(ifname=network.bridge)[0]
        return {a.get("address") for a in ip.get_addr(index=index, family=2)}


class TestRoutes:
    """A guest leads to a range behind it, as a VPN's end does."""

    BEHIND = "192.168.77.0/24"
    INSIDE = "192.168.77.5"

    def appliance(self, world: World, on: NetworkWiring, last: int = 20) -> Guest:
        """A guest that has an address of the range, and may send as it."""
        guest = world.guest(on, last, [OPEN], allowed_address_pairs=[[self.BEHIND, ""]])
        guest.do(netlab.add_address, "eth0", self.INSIDE, 32)
        guest.serve(22)
        return guest

    def router(self, nexthop: Guest, *networks: NetworkWiring, to: str = BEHIND) -> RouterWiring:
        route = RouteWiring(to, nexthop.ip, nexthop.of.id)
        led = [s.cidr for network in networks for s in network.subnets]
        return replace(router(*networks), routes=[route], led=led)

    def test_a_route_leads_to_what_is_behind_a_guest_and_back(self, world: World) -> None:
        left, right = netlab.network("10.77.0.0/24"), netlab.network("10.78.0.0/24")
        a, b = world.guest(left, 10, [OPEN]), world.guest(right, 11, [OPEN])
        b.serve(22)
        appliance = self.appliance(world, right)
        world.driver.sync(routed(world, left, right, by=[router(left, right)]))
        assert not a.reaches(self.INSIDE, 22, seconds=0.3), "no route yet"
        world.driver.sync(routed(world, left, right, by=[self.router(appliance, left, right)]))
        assert a.reaches(self.INSIDE, 22), "from another subnet"
        assert b.reaches(self.INSIDE, 22), "from the next hop's own"
        assert appliance.reaches(b.ip, 22, source=self.INSIDE)
        world.driver.sync(routed(world, left, right, by=[router(left, right)]))
        assert not a.reaches(self.INSIDE, 22, seconds=0.3)

    def test_the_next_hops_groups_hold(self, world: World) -> None:
        network = netlab.network("10.77.0.0/24")
        a = world.guest(network, 10, [OPEN])
        appliance = self.appliance(world, network)
        by = [self.router(appliance, network)]
        world.driver.sync(routed(world, network, by=by))
        assert a.reaches(self.INSIDE, 22)
        appliance.wiring = replace(appliance.wiring, security_groups=[CLOSED])
        world.driver.sync(routed(world, network, by=by))
        assert not a.reaches(self.INSIDE, 22, seconds=0.3)

    def test_a_default_route_takes_nothing_of_the_routers_own(self, world: World) -> None:
        left, right = netlab.network("10.77.0.0/24"), netlab.network("10.78.0.0/24")
        a, b = world.guest(left, 10, [OPEN]), world.guest(right, 11, [OPEN])
        b.serve(22)
        appliance = self.appliance(world, right)
        by = [self.router(appliance, left, right, to="0.0.0.0/0")]
        world.driver.sync(routed(world, left, right, by=by))
        assert a.reaches(self.INSIDE, 22)
        assert a.reaches(b.ip, 22)
        assert netlab.connects(b.ip, 22), "the host's own way is another"

    def test_a_router_decides_only_for_its_own_subnets(self, world: World) -> None:
        network, other = netlab.network("10.77.0.0/24"), netlab.network("10.78.0.0/24")
        a = world.guest(other, 10, [OPEN])
        appliance = self.appliance(world, network)
        by = replace(self.router(appliance, network, other), led=["10.77.0.0/24"])
        world.driver.sync(routed(world, network, other, by=[by]))
        assert not a.reaches(self.INSIDE, 22, seconds=0.3)

    def test_routes_outlive_a_bridge_that_someone_removes(self, world: World) -> None:
        network = netlab.network("10.77.0.0/24")
        appliance = self.appliance(world, network)
        world.driver.sync(routed(world, network, by=[self.router(appliance, network)]))
        before = _policy()
        assert self.BEHIND in before and "from 10.77.0.0/24" in before
        netlab.delete_link(network.bridge)
        assert self.BEHIND not in _policy()
        world.driver.check()
        assert _policy() == before
        world.driver.sync(world.state(network))
        assert self.BEHIND not in _policy() and "from 10.77.0.0/24" not in _policy()


def _policy() -> str:
    """Rules and routes of all tables but the host's own."""
    shown = [
        subprocess.run(["ip", "-4", *what], capture_output=True, text=True, check=True).stdout
        for what in (["rule", "list"], ["route", "list", "table", "all"])
    ]
    lines = "".join(shown).splitlines()
    return "\n".join(sorted(line for line in lines if "table local" not in line))

"""Bridges, and the pair of interfaces into a network's DHCP namespace.

One bridge per network. The host's own interfaces are never touched: a
network whose range the host already reaches another way is refused.
All functions are idempotent: they compare and change only what differs.
"""

import hashlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from minova.common import errors
from minova.companions.network.agent import netns, sysctls
from minova.companions.network.agent.names import Names
from minova.companions.network.wire import NetworkWiring

METADATA_IP = "169.254.169.254"
_AGEING = 300 * 100  # centiseconds; 0 would make a hub of the bridge (CVE-2019-15753)
_IFF_UP = 1
Address = tuple[str, int]  # IP, prefix length


@dataclass(frozen=True)
class Bridge:
    """A network's bridge as it is: its MAC is the gateway's, `zone` is for conntrack."""

    name: str
    mac: str
    zone: int


def list_bridges(names: Names) -> dict[str, Bridge]:
    """Our bridges on this host, by network id."""
    found = {}
    with IPRoute() as ip:
        for link in ip.link("dump"):
            known = names.read_alias(link.get("ifalias"))
            if known and _kind(link) == "bridge":
                network_id, zone = known
                found[network_id] = Bridge(link.get("ifname"), link.get("address"), zone)
    return found


def list_namespaces(names: Names) -> set[str]:
    """The networks whose namespace is joined to this host by a pair of ours."""
    found = set()
    with IPRoute() as ip:
        for link in ip.link("dump"):
            known = names.read_alias(link.get("ifalias"))
            if known and _kind(link) == "veth":
                found.add(known[0])
    return found


def ensure_bridge(names: Names, network: NetworkWiring, zone: int) -> Bridge:
    """The network's bridge, up, holding the addresses of gateway and routers when `nat`.

    Raises errors.Conflict when the name belongs to someone else, or a subnet
    overlaps what the host reaches another way.
    """
    with IPRoute() as ip:
        link = find_link(ip, network.bridge)
        if link is not None and names.read_alias(link.get("ifalias")) is None:
            raise errors.Conflict(
                f"The bridge {network.bridge} exists on this host and is not minova's; "
                "rename or remove it."
            )
        _refuse_overlaps(ip, network, link["index"] if link else 0)
        if link is None:
            link = _add_bridge(ip, names, network, zone)
        if link.get("mtu") != network.mtu:
            ip.link("set", index=link["index"], mtu=network.mtu)
        _set_addresses(ip, link["index"], held_addresses(network))
        if not link["flags"] & _IFF_UP:
            ip.link("set", index=link["index"], state="up")
    known = names.read_alias(link.get("ifalias"))
    return Bridge(network.bridge, link.get("address"), known[1] if known else zone)


def is_there(name: str) -> bool:
    """Whether this host has a link of this name, without a netlink conversation."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def remove_bridge(name: str) -> None:
    """Take the bridge away, if it is there."""
    _delete_link(name)


def ensure_namespace(names: Names, network: NetworkWiring, zone: int) -> bool:
    """The namespace of DHCP, DNS and metadata, joined to the bridge by a pair.

    It holds each subnet's `dhcp_ip` and the metadata address; its way out is
    the gateway, which it needs for the guests' DNS questions. Returns True
    when the namespace is new: what ran in a former one has to start again.
    """
    name = names.namespace(network.id)
    outer, inner = names.dhcp_port(network.id), names.dhcp_inner(network.id)
    fresh = not netns.exists(name)
    if fresh:
        netns.create(name)
        netns.inside(name, _prepare_namespace)
    with IPRoute() as ip:
        bridge = find_link(ip, network.bridge)
        if bridge is None:
            raise errors.Unavailable(f"The bridge {network.bridge} disappeared; try again.")
        link = find_link(ip, outer)
        if link is not None and not netns.inside(name, _has_link, inner):
            ip.link("del", index=link["index"])
            link = None
        if link is None:
            peer = {"ifname": inner, "net_ns_fd": name}
            ip.link("add", ifname=outer, kind="veth", mtu=network.mtu, peer=peer)
            sysctls.write(f"net/ipv6/conf/{outer}/disable_ipv6", "1")
            link = find_link(ip, outer)
            alias = names.alias(network.id, zone)
            ip.link("set", index=link["index"], ifalias=alias, master=bridge["index"], state="up")
        elif link.get("mtu") != network.mtu or link.get("master") != bridge["index"]:
            ip.link("set", index=link["index"], mtu=network.mtu, master=bridge["index"], state="up")
    netns.inside(name, _configure_inner, inner, network)
    return fresh


def remove_namespace(names: Names, network_id: str) -> None:
    """Take pair and namespace away, if they are there; close its sockets first."""
    _delete_link(names.dhcp_port(network_id))
    netns.delete(names.namespace(network_id))


def held_addresses(network: NetworkWiring) -> set[Address]:
    """What the bridge itself holds, if this host is the way out of the network."""
    if not network.nat:
        return set()
    return {
        (held, ipaddress.ip_network(s.cidr).prefixlen)
        for s in network.subnets
        for held in s.held_ips
    }


def dhcp_addresses(network: NetworkWiring) -> set[Address]:
    """What the namespace holds."""
    served = {
        (s.dhcp_ip, ipaddress.ip_network(s.cidr).prefixlen)
        for s in network.subnets
        if s.dhcp_ip and s.ip_version == 4
    }
    return served | {(METADATA_IP, 32)} if served else set()


def _add_bridge(ip: Any, names: Names, network: NetworkWiring, zone: int) -> Any:
    # A fixed MAC, or the bridge would take over that of a port that comes and goes.
    digest = hashlib.sha256(f"{names.prefix} {network.id}".encode()).hexdigest()
    mac = "02:" + ":".join(digest[i : i + 2] for i in range(0, 10, 2))
    ip.link(
        "add",
        ifname=network.bridge,
        kind="bridge",
        address=mac,
        br_ageing_time=_AGEING,
        br_stp_state=0,
        br_forward_delay=0,
        br_mcast_snooping=0,
    )
    link = find_link(ip, network.bridge)
    try:
        # The host keeps no IPv6 address on it, nor takes one from a guest (OSSN-0018).
        sysctls.write(f"net/ipv6/conf/{network.bridge}/disable_ipv6", "1")
        alias = names.alias(network.id, zone)
        ip.link("set", index=link["index"], ifalias=alias, mtu=network.mtu)
    except BaseException:
        ip.link("del", index=link["index"])
        raise
    return find_link(ip, network.bridge)


def _prepare_namespace() -> None:
    # Nothing in here speaks IPv6 or routes for guests.
    for setting, value in (
        ("net/ipv6/conf/all/disable_ipv6", "1"),
        ("net/ipv6/conf/default/disable_ipv6", "1"),
        ("net/ipv4/ip_forward", "0"),
    ):
        sysctls.write(setting, value)
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")


def _has_link(name: str) -> bool:
    with IPRoute() as ip:
        return find_link(ip, name) is not None


def _configure_inner(name: str, network: NetworkWiring) -> None:
    with IPRoute() as ip:
        link = find_link(ip, name)
        if link.get("mtu") != network.mtu:
            ip.link("set", index=link["index"], mtu=network.mtu)
        if not link["flags"] & _IFF_UP:
            ip.link("set", index=link["index"], state="up")
        _set_addresses(ip, link["index"], dhcp_addresses(network))
        gateway = _way_out(network)
        if gateway is not None:
            ip.route("replace", dst="default", gateway=gateway)
        else:
            ip.flush_routes(family=2, table=254, type="unicast", dst_len=0)


def _way_out(network: NetworkWiring) -> str | None:
    """The namespace's gateway, on a subnet it is on itself: the host, or the guest that is it."""
    for subnet in network.subnets:
        gateways: list[str | None] = [*subnet.held_ips, subnet.gateway_ip]
        if network.nat and subnet.dhcp_ip and gateways[0]:
            return gateways[0]
    return None


def _refuse_overlaps(ip: Any, network: NetworkWiring, own_index: int) -> None:
    """A range the host reaches by another interface would cut the host off from it."""
    if not network.nat:
        return
    wanted = [ipaddress.ip_network(s.cidr) for s in network.subnets if s.ip_version == 4]
    for destination, index in _routes(ip):
        if index == own_index:
            continue
        for subnet in wanted:
            if subnet.overlaps(destination):
                other = ip.get_links(index)
                device = other[0].get("ifname") if other else "another interface"
                raise errors.Conflict(
                    f"The subnet {subnet} overlaps {destination}, which this host reaches by "
                    f"{device}; give the network another range."
                )


def _routes(ip: Any) -> Iterator[tuple[ipaddress.IPv4Network, int]]:
    for route in ip.get_routes(family=2, table=254):
        # 0.0.0.0/0, and the two halves of it that VPNs use as a default route.
        if route["dst_len"] <= 1 or route.get("oif") is None:
            continue
        network = ipaddress.ip_network((route.get("dst"), route["dst_len"]))
        assert isinstance(network, ipaddress.IPv4Network)
        yield network, route.get("oif")


def _set_addresses(ip: Any, index: int, wanted: set[Address]) -> None:
    for address, length in _addresses(ip, index) - wanted:
        # The first address of a range takes the others of it along.
        if (address, length) in _addresses(ip, index):
            ip.addr("del", index=index, address=address, prefixlen=length)
    for address, length in sorted(wanted - _addresses(ip, index)):
        ip.addr("add", index=index, address=address, prefixlen=length)


def _addresses(ip: Any, index: int) -> set[Address]:
    return {(a.get("address"), a["prefixlen"]) for a in ip.get_addr(index=index, family=2)}


def find_link(ip: Any, name: str) -> Any:
    """The link called `name`, or None."""
    try:
        return ip.link("get", ifname=name)[0]
    except NetlinkError as error:
        if error.code == 19:  # ENODEV
            return None
        raise


def _kind(link: Any) -> str | None:
    info = link.get("linkinfo")
    return info.get("kind") if info else None


def _delete_link(name: str) -> None:
    with IPRoute() as ip:
        link = find_link(ip, name)
        if link is not None:
            ip.link("del", index=link["index"])

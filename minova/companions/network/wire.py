"""What the network server tells its agents: records that travel by RPC.

The server computes, the agent applies: everything an agent needs for a port
is in these records, so that making a port ready takes one message.
"""

from dataclasses import dataclass, field

from minova.common.wire import record


@record
@dataclass(frozen=True)
class SubnetWiring:
    """A subnet as its hosts see it.

    `cidr` is like `10.1.0.0/24`; `gateway_ip` is what guests are told and may
    be None; `held_ips` are the IPv4 addresses the host's bridge holds: its
    routers' and, unless a guest has it, the gateway's. `dhcp_ip` is the address
    of DHCP, DNS and metadata in the network's namespace, None when DHCP is off.
    `host_routes` are (destination cidr, next hop).
    """

    id: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    held_ips: list[str] = field(default_factory=list)
    dhcp_ip: str | None = None
    dns_nameservers: list[str] = field(default_factory=list)
    host_routes: list[list[str]] = field(default_factory=list)


@record
@dataclass(frozen=True)
class NetworkWiring:
    """A network on a host. `bridge` is the Linux bridge's name (`br-` + id[:11])."""

    id: str
    name: str
    bridge: str
    mtu: int
    dns_domain: str
    subnets: list[SubnetWiring] = field(default_factory=list)
    nat: bool = True


@record
@dataclass(frozen=True)
class FixedIP:
    subnet_id: str
    ip_address: str


@record
@dataclass(frozen=True)
class PortWiring:
    """A guest's port. `tap` is the interface libvirt will create (`tap` + id[:11])."""

    id: str
    network_id: str
    project_id: str
    device_id: str
    mac_address: str
    tap: str
    hostname: str = ""
    fixed_ips: list[FixedIP] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    port_security_enabled: bool = True
    allowed_address_pairs: list[list[str]] = field(default_factory=list)


@record
@dataclass(frozen=True)
class Rule:
    """A security group rule; None means any. Ports are ICMP type and code for ICMP."""

    id: str
    direction: str
    ethertype: str
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None


@record
@dataclass(frozen=True)
class GroupWiring:
    """A security group: its rules, and the addresses of all its members on every host."""

    id: str
    rules: list[Rule] = field(default_factory=list)
    member_ips: list[str] = field(default_factory=list)


@record
@dataclass(frozen=True)
class FloatingWiring:
    """`floating_ip` leads to `fixed_ip`, an address of a port on this host."""

    floating_ip: str
    fixed_ip: str


@record
@dataclass(frozen=True)
class RangeWiring:
    """An IPv4 range on a network, such as a subnet's `cidr`."""

    network_id: str
    cidr: str


@record
@dataclass(frozen=True)
class RouteWiring:
    """What is for `destination` goes to `nexthop`, an address on a network."""

    destination: str
    nexthop: str
    network_id: str


@record
@dataclass(frozen=True)
class RouterWiring:
    """A router that is up: all its `ranges` reach each other.

    What comes from `led`, those of the ranges' cidrs it decides for, follows its `routes`.
    """

    id: str
    ranges: list[RangeWiring] = field(default_factory=list)
    routes: list[RouteWiring] = field(default_factory=list)
    led: list[str] = field(default_factory=list)


@record
@dataclass(frozen=True)
class HostState:
    """Everything that should exist on one host; what is not here should not.

    `unmasked` are ranges that go outside with their own addresses.
    """

    networks: list[NetworkWiring] = field(default_factory=list)
    ports: list[PortWiring] = field(default_factory=list)
    groups: list[GroupWiring] = field(default_factory=list)
    floating: list[FloatingWiring] = field(default_factory=list)
    routers: list[RouterWiring] = field(default_factory=list)
    unmasked: list[str] = field(default_factory=list)

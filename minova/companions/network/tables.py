"""The network service's tables.

An address is taken by a row in `ip_allocations`, whose key is the network
and the address: two ports can never hold the same one. `networks.nat` and
`ports.vif_type` are decisions of the server that agents and nova act on.
"""

import sqlalchemy as sa

metadata = sa.MetaData()


def _standard() -> list[sa.Column]:
    """The columns every resource of the API has."""
    return [
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("name", sa.String(255), nullable=False, default=""),
        sa.Column("description", sa.String(255), nullable=False, default=""),
        sa.Column("tags", sa.JSON, nullable=False, default=list),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("revision_number", sa.Integer, nullable=False, default=0),
    ]


networks = sa.Table(
    "networks",
    metadata,
    *_standard(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("external", sa.Boolean, nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("dns_domain", sa.String(255), nullable=False),
    sa.Column("network_type", sa.String(32), nullable=False),
    sa.Column("physical_network", sa.String(64), unique=True),
    sa.Column("nat", sa.Boolean, nullable=False),
)

subnets = sa.Table(
    "subnets",
    metadata,
    *_standard(),
    sa.Column(
        "network_id", sa.String(36), sa.ForeignKey("networks.id"), nullable=False, index=True
    ),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False),
    # The address of the network's DHCP port here; read with every binding.
    sa.Column("dhcp_ip", sa.String(64)),
    sa.Column("ipv6_ra_mode", sa.String(16)),
    sa.Column("ipv6_address_mode", sa.String(16)),
    sa.Column("allocation_pools", sa.JSON, nullable=False),
    sa.Column("dns_nameservers", sa.JSON, nullable=False),
    sa.Column("host_routes", sa.JSON, nullable=False),
)

ports = sa.Table(
    "ports",
    metadata,
    *_standard(),
    sa.Column("network_id", sa.String(36), sa.ForeignKey("networks.id"), nullable=False),
    sa.Column("mac_address", sa.String(17), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("device_id", sa.String(255), nullable=False, index=True),
    sa.Column("device_owner", sa.String(255), nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("allowed_address_pairs", sa.JSON, nullable=False),
    sa.Column("dns_name", sa.String(255), nullable=False),
    sa.Column("vnic_type", sa.String(32), nullable=False),
    sa.Column("host", sa.String(255), nullable=False, index=True),
    sa.Column("vif_type", sa.String(32), nullable=False),
    sa.Column("profile", sa.JSON, nullable=False),
    sa.UniqueConstraint("network_id", "mac_address", name="uq_ports_network_mac"),
)

ip_allocations = sa.Table(
    "ip_allocations",
    metadata,
    sa.Column("network_id", sa.String(36), primary_key=True),
    sa.Column("ip_address", sa.String(64), primary_key=True),
    sa.Column("subnet_id", sa.String(36), sa.ForeignKey("subnets.id"), nullable=False, index=True),
    sa.Column(
        "port_id",
        sa.String(36),
        sa.ForeignKey("ports.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    # The order in which the port was given its addresses.
    sa.Column("position", sa.Integer, nullable=False),
)

security_groups = sa.Table(
    "security_groups",
    metadata,
    *_standard(),
    # The project whose `default` group this is: unique, so a project has one.
    sa.Column("default_for", sa.String(64), unique=True),
)

security_group_rules = sa.Table(
    "security_group_rules",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column(
        "security_group_id",
        sa.String(36),
        sa.ForeignKey("security_groups.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("ethertype", sa.String(8), nullable=False),
    sa.Column("protocol", sa.String(16)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(64)),
    sa.Column(
        "remote_group_id",
        sa.String(36),
        sa.ForeignKey("security_groups.id", ondelete="CASCADE"),
        index=True,
    ),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Column("revision_number", sa.Integer, nullable=False),
)

port_security_groups = sa.Table(
    "port_security_groups",
    metadata,
    sa.Column(
        "port_id", sa.String(36), sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "security_group_id",
        sa.String(36),
        sa.ForeignKey("security_groups.id"),
        primary_key=True,
        index=True,
    ),
)

routers = sa.Table(
    "routers",
    metadata,
    *_standard(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    # The way out: a network `router:external`, and our port on it.
    sa.Column("external_network_id", sa.String(36), sa.ForeignKey("networks.id")),
    sa.Column("gateway_port_id", sa.String(36), sa.ForeignKey("ports.id")),
    # Whether subnets go out with the host's address; null is true.
    sa.Column("enable_snat", sa.Boolean),
    # Of `destination` and `nexthop`.
    sa.Column("routes", sa.JSON),
)

floating_ips = sa.Table(
    "floating_ips",
    metadata,
    *_standard(),
    sa.Column("floating_network_id", sa.String(36), sa.ForeignKey("networks.id"), nullable=False),
    sa.Column("floating_ip_address", sa.String(64), nullable=False),
    # The port on the external network that holds the address.
    sa.Column("floating_port_id", sa.String(36), sa.ForeignKey("ports.id"), nullable=False),
    # Where it leads. It leads nowhere when the port is gone, whatever the others say.
    sa.Column("port_id", sa.String(36), sa.ForeignKey("ports.id", ondelete="SET NULL"), index=True),
    sa.Column("fixed_ip_address", sa.String(64)),
    sa.Column("router_id", sa.String(36)),
    sa.UniqueConstraint("port_id", "fixed_ip_address", name="uq_floating_ips_port_fixed"),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(32), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("heartbeat_at", sa.DateTime, nullable=False),
)

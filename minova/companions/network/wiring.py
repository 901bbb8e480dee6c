"""From rows to what agents are told: `wire.PortWiring`, `wire.HostState` and the like."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from minova.companions.network import rules
from minova.companions.network.queries import extra_routes
from minova.companions.network.queries import floating_ips as floating_queries
from minova.companions.network.queries import groups as group_queries
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import routers as router_queries
from minova.companions.network.tables import networks, ports, subnets
from minova.companions.network.wire import (
    FixedIP,
    FloatingWiring,
    GroupWiring,
    HostState,
    NetworkWiring,
    PortWiring,
    RangeWiring,
    RouterWiring,
    RouteWiring,
    Rule,
    SubnetWiring,
)
from minova.db.engine import Database

Row = dict[str, Any]


def bridge_name(network_id: str) -> str:
    """The Linux bridge of a network, on every host."""
    return f"br-{network_id[:11]}"


def tap_name(port_id: str) -> str:
    """The interface libvirt makes for a port."""
    return f"tap{port_id[:11]}"


def hostname_of(port: Row) -> str:
    """The name DHCP and DNS give the port's guest."""
    if port["dns_name"] or not port["fixed_ips"]:
        return str(port["dns_name"])
    ip = port["fixed_ips"][0]["ip_address"]
    return "host-" + ip.replace(".", "-").replace(":", "-")


def address_pairs(port: Row) -> list[Row]:
    """The further addresses a port may use; without a MAC of their own, with the port's."""
    return [
        {
            "ip_address": pair["ip_address"],
            "mac_address": pair["mac_address"] or port["mac_address"],
        }
        for pair in port["allowed_address_pairs"]
    ]


def network_wiring(
    network: Row, subnet_rows: Iterable[Row], held: Mapping[str, list[str]]
) -> NetworkWiring:
    """A network with its subnets, as its hosts see it; `held` is of `held_by_hosts`."""
    return NetworkWiring(
        id=network["id"],
        name=network["name"],
        bridge=bridge_name(network["id"]),
        mtu=network["mtu"],
        dns_domain=network["dns_domain"].rstrip(".") or cfg.CONF.network.dns_domain,
        subnets=[_subnet_wiring(row, held[row["id"]]) for row in subnet_rows],
        nat=network["nat"],
    )


def port_wiring(port: Row) -> PortWiring:
    """A port with its parts."""
    return PortWiring(
        id=port["id"],
        network_id=port["network_id"],
        project_id=port["project_id"],
        device_id=port["device_id"],
        mac_address=port["mac_address"],
        tap=tap_name(port["id"]),
        hostname=hostname_of(port),
        fixed_ips=[FixedIP(**fixed) for fixed in port["fixed_ips"]],
        security_groups=list(port["security_groups"]),
        port_security_enabled=port["port_security_enabled"],
        allowed_address_pairs=[
            [pair["ip_address"], pair["mac_address"]] for pair in address_pairs(port)
        ],
    )


def group_wirings(connection: sa.Connection, group_ids: Collection[str]) -> list[GroupWiring]:
    """The groups and all groups their rules refer to, with rules and members."""
    found: dict[str, list[Row]] = {}
    wanted = set(group_ids)
    while wanted:
        found.update(group_queries.rules_of(connection, wanted))
        wanted = {
            rule["remote_group_id"]
            for group_id in wanted
            for rule in found[group_id]
            if rule["remote_group_id"] and rule["remote_group_id"] not in found
        }
    members = group_queries.members(connection, found)
    return [
        GroupWiring(
            id=group_id, rules=[_rule_wiring(rule) for rule in rows], member_ips=members[group_id]
        )
        for group_id, rows in sorted(found.items())
    ]


def host_state(db: Database, host: str) -> HostState:
    """Everything `host` should hold: its ports, and the networks its ports will be on.

    A network with DHCP is on every host from its creation on, so that its
    first launch does not wait for a bridge and a namespace; an external one, so
    that the host reaches its floating addresses.
    """
    with db.reading() as connection:
        query = sa.select(ports).where(ports.c.host == host, ports.c.vif_type == "bridge")
        rows = [dict(row) for row in connection.execute(query).mappings()]
        port_queries.with_parts(connection, rows)
        floating = floating_queries.of_ports(connection, {row["id"] for row in rows})
        return HostState(
            networks=_networks(connection, {row["network_id"] for row in rows}),
            ports=[port_wiring(row) for row in rows],
            groups=group_wirings(connection, {g for row in rows for g in row["security_groups"]}),
            floating=[
                FloatingWiring(row["floating_ip_address"], row["fixed_ip_address"])
                for row in floating
            ],
            routers=_routers(connection),
            unmasked=router_queries.unmasked(connection),
        )


def _routers(connection: sa.Connection) -> list[RouterWiring]:
    routes = extra_routes.for_hosts(connection)
    none: Row = {"routes": [], "led": []}
    return [
        RouterWiring(
            router_id,
            [RangeWiring(**joined) for joined in ranges],
            [RouteWiring(**route) for route in routes.get(router_id, none)["routes"]],
            routes.get(router_id, none)["led"],
        )
        for router_id, ranges in router_queries.joined(connection).items()
    ]


def _networks(connection: sa.Connection, used: set[str]) -> list[NetworkWiring]:
    of: dict[str, list[Row]] = {}
    by_age = sa.select(subnets).order_by(subnets.c.created_at, subnets.c.id)
    for row in connection.execute(by_age).mappings():
        of.setdefault(row["network_id"], []).append(dict(row))
    served = {network_id for network_id, rows in of.items() if _has_dhcp(rows)}
    held = router_queries.held_by_hosts(connection, list(itertools.chain(*of.values())))
    return [
        network_wiring(dict(row), of.get(row["id"], ()), held)
        for row in connection.execute(sa.select(networks)).mappings()
        if row["id"] in served or row["id"] in used or (row["external"] and row["id"] in of)
    ]


def _has_dhcp(rows: Sequence[Row]) -> bool:
    return any(row["enable_dhcp"] for row in rows)


def _subnet_wiring(row: Row, held_ips: list[str]) -> SubnetWiring:
    return SubnetWiring(
        id=row["id"],
        cidr=row["cidr"],
        ip_version=row["ip_version"],
        gateway_ip=row["gateway_ip"],
        held_ips=held_ips,
        dhcp_ip=row["dhcp_ip"],
        dns_nameservers=list(row["dns_nameservers"]),
        host_routes=[[route["destination"], route["nexthop"]] for route in row["host_routes"]],
    )


def _rule_wiring(row: Row) -> Rule:
    return Rule(
        id=row["id"],
        direction=row["direction"],
        ethertype=row["ethertype"],
        protocol=rules.wire_protocol(row["protocol"], row["ethertype"]),
        port_range_min=row["port_range_min"],
        port_range_max=row["port_range_max"],
        remote_ip_prefix=rules.normalized_cidr(row["remote_ip_prefix"]),
        remote_group_id=row["remote_group_id"],
    )

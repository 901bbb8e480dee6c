"""Ports in the database: addresses are given out here, and nowhere else.

A port's row travels with `fixed_ips` and `security_groups`, which `with_parts`
adds. Two requests that pick the same address at the same moment meet at the
key of `ip_allocations`; the loser picks again.
"""

import ipaddress
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from minova.common import errors as common_errors
from minova.companions.network import addresses, errors
from minova.companions.network.queries import quotas
from minova.companions.network.queries.networks import DHCP_OWNER
from minova.companions.network.queries.standard import stamp, update_values
from minova.companions.network.tables import (
    ip_allocations,
    port_security_groups,
    ports,
    subnets,
)
from minova.db.engine import Database, retried

Row = dict[str, Any]
ATTEMPTS = 16
_SERVICE_OWNERS = frozenset(
    {DHCP_OWNER, "network:router_interface", "network:router_gateway", "network:floatingip"}
)


@dataclass(frozen=True)
class PortRequest:
    """A port to be. `fixed_ips` None: an address of the network's choice.

    `network` and its `subnets` are rows; `values` is every column of a new
    port but the shared ones, the network and the MAC.
    """

    network: Row
    subnets: Sequence[Row]
    mac_address: str | None = None
    fixed_ips: Sequence[Row] | None = None
    security_groups: Sequence[str] = field(default_factory=list)
    values: Row = field(default_factory=dict)


@retried
def create(db: Database, wanted: Sequence[PortRequest], mac_prefix: str) -> list[Row]:
    """Insert ports with addresses and groups, all or none.

    OverQuota, IpAddressGenerationFailure, IpAddressAlreadyAllocated, MacAddressInUse,
    InvalidIpForNetwork, InvalidIpForSubnet; Conflict when the network or a
    group is deleted at the same moment.
    """
    for _ in range(ATTEMPTS):
        try:
            with db.transaction() as connection:
                quotas.check(connection, "port", [r.values["project_id"] for r in wanted])
                return [_create_one(connection, request, mac_prefix) for request in wanted]
        except common_errors.DuplicateEntry as error:
            for request in wanted:
                if request.mac_address and "mac" in error.kwargs["columns"].lower():
                    raise errors.MacAddressInUse(
                        network_id=request.network["id"], mac=request.mac_address
                    ) from None
        except sa.exc.IntegrityError:
            raise common_errors.Conflict(
                "The network, a subnet or a security group of the port was deleted meanwhile."
            ) from None
    raise errors.IpAddressGenerationFailure(network_id=wanted[0].network["id"])


def get(connection: sa.Connection, port_id: str, lock: bool = False) -> Row:
    """The port with its parts, or PortNotFound."""
    query = sa.select(ports).where(ports.c.id == port_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise errors.PortNotFound(id=port_id)
    return with_parts(connection, [dict(row)])[0]


def with_parts(connection: sa.Connection, rows: list[Row]) -> list[Row]:
    """Add `fixed_ips` and `security_groups` to port rows."""
    by_id = {row["id"]: row for row in rows}
    for row in rows:
        row["fixed_ips"], row["security_groups"] = [], []
    if not rows:
        return rows
    allocations = sa.select(
        ip_allocations.c.port_id, ip_allocations.c.subnet_id, ip_allocations.c.ip_address
    ).order_by(ip_allocations.c.position)
    groups = sa.select(port_security_groups)
    # A list of very many reads the whole tables: cheaper than naming every port.
    if len(rows) < 500:
        allocations = allocations.where(ip_allocations.c.port_id.in_(list(by_id)))
        groups = groups.where(port_security_groups.c.port_id.in_(list(by_id)))
    for port_id, subnet_id, ip in connection.execute(allocations):
        if port_id in by_id:
            by_id[port_id]["fixed_ips"].append({"subnet_id": subnet_id, "ip_address": ip})
    for port_id, group_id in connection.execute(groups):
        if port_id in by_id:
            by_id[port_id]["security_groups"].append(group_id)
    return rows


@retried
def update(db: Database, port_id: str, changes: Row, request: PortRequest) -> Row:
    """Apply `changes` to the columns, and `request`'s addresses and groups when they are set.

    `request.fixed_ips` None keeps the addresses; `request.security_groups` is
    the full new list. Errors as in `create`. Returns the port as it is now.
    """
    for _ in range(ATTEMPTS):
        try:
            with db.transaction() as connection:
                before = get(connection, port_id, lock=True)
                if request.fixed_ips is not None:
                    _change_addresses(connection, before, request)
                _change_groups(connection, before, request.security_groups)
                connection.execute(
                    sa.update(ports)
                    .where(ports.c.id == port_id)
                    .values(**update_values(ports), **changes)
                )
                return get(connection, port_id)
        except common_errors.DuplicateEntry as error:
            if "mac" in error.kwargs["columns"].lower() and "mac_address" in changes:
                raise errors.MacAddressInUse(
                    network_id=request.network["id"], mac=changes["mac_address"]
                ) from None
        except sa.exc.IntegrityError:
            raise common_errors.Conflict(
                "A subnet or a security group of the request was deleted meanwhile."
            ) from None
    raise errors.IpAddressGenerationFailure(network_id=request.network["id"])


@retried
def set_columns(db: Database, port_id: str, **changes: Any) -> bool:
    """Set columns of a port without a check; whether it was there. For the server itself."""
    with db.transaction() as connection:
        found = connection.execute(
            sa.update(ports).where(ports.c.id == port_id).values(**update_values(ports), **changes)
        )
        return bool(found.rowcount)


@retried
def set_status(db: Database, port_id: str, status: str) -> bool:
    """What the agent says of a bound port; whether there is one. Idempotent."""
    with db.transaction() as connection:
        found = connection.execute(
            sa.update(ports)
            .where(ports.c.id == port_id, ports.c.vif_type == "bridge")
            .values(status=status)
        )
        return bool(found.rowcount)


@retried
def delete(db: Database, port_id: str) -> None:
    """Remove the port; its addresses are free again. PortNotFound."""
    with db.transaction() as connection:
        if not connection.execute(sa.delete(ports).where(ports.c.id == port_id)).rowcount:
            raise errors.PortNotFound(id=port_id)


def _create_one(connection: sa.Connection, request: PortRequest, mac_prefix: str) -> Row:
    port_id = str(uuid.uuid4())
    mac = request.mac_address or addresses.random_mac(mac_prefix)
    chosen = _allocate(connection, request, mac)
    named = {"id": port_id, "network_id": request.network["id"], "mac_address": mac}
    row = {**named, **stamp(), **request.values}
    connection.execute(sa.insert(ports), row)
    _insert_addresses(connection, row["network_id"], port_id, chosen, 0)
    _insert_groups(connection, port_id, request.security_groups)
    return {**row, "fixed_ips": chosen, "security_groups": list(request.security_groups)}


def _allocate(connection: sa.Connection, request: PortRequest, mac: str) -> list[Row]:
    """The addresses of a new port as `fixed_ips`."""
    if request.fixed_ips is not None:
        chosen: list[Row] = []
        for fixed in request.fixed_ips:
            chosen.append(_allocate_wanted(connection, request, fixed, mac, chosen))
        return chosen
    # IPv6 by SLAAC comes on top; otherwise one address per IP version will do.
    chosen = []
    for version in (4, 6):
        candidates = [s for s in request.subnets if s["ip_version"] == version]
        auto = [s for s in candidates if s["ipv6_address_mode"] == "slaac"]
        managed = [s for s in candidates if s["ipv6_address_mode"] != "slaac"]
        if managed:
            chosen.append(_allocate_any(connection, request, managed))
        chosen += [_fixed(s, _slaac(s, mac)) for s in auto]
    return chosen


def _allocate_wanted(
    connection: sa.Connection, request: PortRequest, fixed: Row, mac: str, chosen: list[Row]
) -> Row:
    """One address as the request described it: by subnet, by address or both."""
    network_id = request.network["id"]
    subnet_id, ip = fixed.get("subnet_id"), fixed.get("ip_address")
    candidates = [s for s in request.subnets if subnet_id in (None, s["id"])]
    if not candidates:
        raise errors.InvalidInput(
            reason=f"Failed to create port on network {network_id}, because fixed_ips included "
            f"invalid subnet {subnet_id}"
        )
    if ip is None:
        if candidates[0]["ipv6_address_mode"] == "slaac":
            return _fixed(candidates[0], _slaac(candidates[0], mac))
        return _allocate_any(connection, request, candidates[:1], chosen)
    ip = str(addresses.parse_ip(ip))
    inside = [s for s in candidates if addresses.is_within(ip, s["cidr"])]
    if not inside:
        kind = errors.InvalidIpForSubnet if subnet_id else errors.InvalidIpForNetwork
        raise kind(ip=ip)
    if _taken(connection, network_id, [ip]) or any(c["ip_address"] == ip for c in chosen):
        raise errors.IpAddressAlreadyAllocated(subnet_id=inside[0]["id"], ip=ip)
    return _fixed(inside[0], ip)


def _allocate_any(
    connection: sa.Connection,
    request: PortRequest,
    candidates: Sequence[Row],
    chosen: Sequence[Row] = (),
) -> Row:
    """A free address of the first subnet that has one."""
    network_id = request.network["id"]
    own = {fixed["ip_address"] for fixed in chosen}
    for subnet in candidates:
        ip = addresses.pick(
            subnet["allocation_pools"],
            lambda sample: own | _taken(connection, network_id, sample),
            lambda: own | _taken(connection, network_id, None),
        )
        if ip is not None:
            return _fixed(subnet, ip)
    raise errors.IpAddressGenerationFailure(network_id=network_id)


def _taken(connection: sa.Connection, network_id: str, sample: list[str] | None) -> set[str]:
    query = sa.select(ip_allocations.c.ip_address).where(ip_allocations.c.network_id == network_id)
    if sample is not None:
        query = query.where(ip_allocations.c.ip_address.in_(sample))
    return set(connection.scalars(query))


def _change_addresses(connection: sa.Connection, before: Row, request: PortRequest) -> None:
    """Keep what the new list names again, give back the rest, allocate what is new."""
    kept: list[Row] = []
    new: list[Row] = []
    for fixed in request.fixed_ips or ():
        match = next(
            (
                old
                for old in before["fixed_ips"]
                if old not in kept
                and fixed.get("ip_address") in (None, old["ip_address"])
                and fixed.get("subnet_id") in (None, old["subnet_id"])
            ),
            None,
        )
        kept.append(match) if match else new.append(fixed)
    gone = [old["ip_address"] for old in before["fixed_ips"] if old not in kept]
    connection.execute(
        sa.delete(ip_allocations).where(
            ip_allocations.c.port_id == before["id"], ip_allocations.c.ip_address.in_(gone)
        )
    )
    chosen: list[Row] = []
    for fixed in new:
        chosen.append(_allocate_wanted(connection, request, fixed, before["mac_address"], chosen))
    _insert_addresses(connection, before["network_id"], before["id"], chosen, len(kept))


def _change_groups(connection: sa.Connection, before: Row, groups: Sequence[str]) -> None:
    if set(groups) == set(before["security_groups"]):
        return
    connection.execute(
        sa.delete(port_security_groups).where(port_security_groups.c.port_id == before["id"])
    )
    _insert_groups(connection, before["id"], groups)


def _insert_addresses(
    connection: sa.Connection, network_id: str, port_id: str, fixed_ips: Sequence[Row], first: int
) -> None:
    rows = [
        {"network_id": network_id, "port_id": port_id, "position": first + i, **fixed}
        for i, fixed in enumerate(fixed_ips)
    ]
    if rows:
        connection.execute(sa.insert(ip_allocations), rows)


def _insert_groups(connection: sa.Connection, port_id: str, groups: Sequence[str]) -> None:
    rows = [{"port_id": port_id, "security_group_id": group} for group in groups]
    if rows:
        connection.execute(sa.insert(port_security_groups), rows)


def _fixed(subnet: Row, ip: str) -> Row:
    return {"subnet_id": subnet["id"], "ip_address": ip}


def _slaac(subnet: Row, mac: str) -> str:
    return addresses.slaac(ipaddress.ip_network(subnet["cidr"]), mac)


def is_gateway(connection: sa.Connection, port: Row) -> bool:
    """Whether the port has a subnet's gateway address, which hosts then leave to it."""
    gateway = sa.select(subnets.c.id).where(
        subnets.c.network_id == port["network_id"],
        subnets.c.gateway_ip.in_([fixed["ip_address"] for fixed in port["fixed_ips"]]),
    )
    return connection.execute(gateway.limit(1)).first() is not None


def is_service_port(row: Row) -> bool:
    """Whether the port is the network service's own."""
    return row["device_owner"] in _SERVICE_OWNERS and bool(row["device_id"])

"""Floating IPs in the database: addresses of external networks that lead to ports."""

import ipaddress
import uuid
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from minova.common import errors as common_errors
from minova.companions.network import errors
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import quotas, routers
from minova.companions.network.queries.standard import stamp, update_values
from minova.companions.network.tables import floating_ips, networks, ports
from minova.db.engine import Database, retried

Row = dict[str, Any]


def new_id() -> str:
    """An id, for the port that has to name it before the row is there."""
    return str(uuid.uuid4())


@retried
def create(db: Database, row: Row) -> Row:
    """Insert a floating IP whose port is there. OverQuota, FloatingIPPortAlreadyAssociated."""
    row = {**stamp(), "name": "", **row}
    try:
        with db.transaction() as connection:
            quotas.check(connection, "floatingip", [row["project_id"]])
            connection.execute(sa.insert(floating_ips), row)
    except common_errors.DuplicateEntry:
        raise _taken(row) from None
    return row


@retried
def update(db: Database, floating: Row, changes: Row) -> None:
    """Apply `changes`. FloatingIPPortAlreadyAssociated."""
    try:
        with db.transaction() as connection:
            connection.execute(
                sa.update(floating_ips)
                .where(floating_ips.c.id == floating["id"])
                .values(**update_values(floating_ips), **changes)
            )
    except common_errors.DuplicateEntry:
        raise _taken({**floating, **changes}) from None


@retried
def delete(db: Database, floating: Row) -> None:
    """Remove the floating IP and give its address back. FloatingIPNotFound."""
    with db.transaction() as connection:
        gone = connection.execute(
            sa.delete(floating_ips).where(floating_ips.c.id == floating["id"])
        )
        if not gone.rowcount:
            raise errors.FloatingIPNotFound(id=floating["id"])
        connection.execute(sa.delete(ports).where(ports.c.id == floating["floating_port_id"]))


def nowhere() -> Row:
    """The columns of one that leads nowhere."""
    return {"port_id": None, "fixed_ip_address": None, "router_id": None}


def toward(
    connection: sa.Connection, port: Row, fixed_ip: str | None, floating_network_id: str
) -> Row:
    """The columns of one that leads to an address of `port`, by default its first of IPv4.

    BadRequest when the port has no such address, ExternalGatewayForFloatingIPNotFound
    when no router joins it to the floating IP's network.
    """
    own = [f for f in port["fixed_ips"] if ipaddress.ip_address(f["ip_address"]).version == 4]
    found = next((f for f in own if fixed_ip in (None, f["ip_address"])), None)
    if found is None:
        wanted = f"fixed IP {fixed_ip}" if fixed_ip else "fixed IPv4 address"
        raise errors.BadRequest(
            resource="floatingip", msg=f"Port {port['id']} does not have {wanted}"
        )
    router_id = routers.leading(connection, found["subnet_id"], floating_network_id)
    if router_id is None:
        raise errors.ExternalGatewayForFloatingIPNotFound(
            subnet_id=found["subnet_id"], network_id=floating_network_id, port_id=port["id"]
        )
    nat = connection.scalar(sa.select(networks.c.nat).where(networks.c.id == port["network_id"]))
    if not nat:
        raise errors.BadRequest(
            resource="floatingip",
            msg=f"the range of port {port['id']}'s network overlaps another, so its host cannot "
            "route to it",
        )
    return {
        "port_id": port["id"],
        "fixed_ip_address": found["ip_address"],
        "router_id": router_id,
    }


def of_ports(connection: sa.Connection, port_ids: Collection[str]) -> list[Row]:
    """Those that lead to these ports."""
    query = sa.select(floating_ips).where(floating_ips.c.port_id.in_(list(port_ids)))
    return [dict(row) for row in connection.execute(query).mappings()] if port_ids else []


def targets(connection: sa.Connection, rows: Collection[Row]) -> dict[str, Row]:
    """port -> its row, of all ports these lead to."""
    wanted = {row["port_id"] for row in rows if row["port_id"]}
    if not wanted:
        return {}
    query = sa.select(ports).where(ports.c.id.in_(wanted))
    found = [dict(row) for row in connection.execute(query).mappings()]
    return {row["id"]: row for row in port_queries.with_parts(connection, found)}


def _taken(row: Row) -> errors.FloatingIPPortAlreadyAssociated:
    return errors.FloatingIPPortAlreadyAssociated(
        floating_ip=row["floating_ip_address"],
        port_id=row["port_id"],
        fixed_ip=row["fixed_ip_address"],
    )

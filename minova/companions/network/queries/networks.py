"""Networks in the database."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from minova.common import errors as common_errors
from minova.companions.network import errors
from minova.companions.network.queries import quotas
from minova.companions.network.queries.standard import stamp, update_values
from minova.companions.network.tables import floating_ips, networks, ports, subnets
from minova.db.engine import Database, retried

Row = dict[str, Any]
DHCP_OWNER = "network:dhcp"


@retried
def create(db: Database, wanted: Sequence[Row]) -> list[Row]:
    """Insert networks, all or none; OverQuota, FlatNetworkInUse. Each has `project_id`."""
    rows = [{"id": str(uuid.uuid4()), **stamp(), **values} for values in wanted]
    try:
        with db.transaction() as connection:
            quotas.check(connection, "network", [row["project_id"] for row in rows])
            connection.execute(sa.insert(networks), rows)
    except common_errors.DuplicateEntry:
        names = ", ".join(sorted(str(r["physical_network"]) for r in rows if r["physical_network"]))
        raise errors.FlatNetworkInUse(physical_network=names) from None
    return rows


def get(
    connection: sa.Connection, network_id: str, *scope: sa.ColumnElement[bool], lock: bool = False
) -> Row:
    """The network, or NetworkNotFound also when it lies outside `scope`.

    `lock` holds it against other changes until the transaction ends.
    """
    query = sa.select(networks).where(networks.c.id == network_id, *scope)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise errors.NetworkNotFound(id=network_id)
    return dict(row)


def subnet_ids(connection: sa.Connection, network_ids: Iterable[str]) -> dict[str, list[str]]:
    """network -> its subnets, in order of creation."""
    found: dict[str, list[str]] = {network_id: [] for network_id in network_ids}
    if not found:
        return found
    query = sa.select(subnets.c.network_id, subnets.c.id).order_by(
        subnets.c.created_at, subnets.c.id
    )
    # A list of all networks reads all subnets; naming a thousand ids would cost more.
    if len(found) < 100:
        query = query.where(subnets.c.network_id.in_(list(found)))
    for network_id, subnet_id in connection.execute(query):
        if network_id in found:
            found[network_id].append(subnet_id)
    return found


@retried
def update(db: Database, network: Row, changes: Row) -> None:
    """Apply `changes`; InvalidSharedSetting when others still use what is no longer shared."""
    with db.transaction() as connection:
        if network["shared"] and changes.get("shared") is False:
            strangers = sa.select(ports.c.id).where(
                ports.c.network_id == network["id"],
                ports.c.project_id != network["project_id"],
                ports.c.device_owner != DHCP_OWNER,
            )
            if connection.execute(strangers.limit(1)).first():
                raise errors.InvalidSharedSetting(id=network["id"])
        connection.execute(
            sa.update(networks)
            .where(networks.c.id == network["id"])
            .values(**update_values(networks), **changes)
        )


@retried
def delete(db: Database, network_id: str) -> None:
    """Remove the network with its subnets and DHCP port; NetworkInUse when others are on it.

    Floating IPs of it that lead nowhere go with it.
    """
    with db.transaction() as connection:
        get(connection, network_id, lock=True)
        idle = sa.select(floating_ips.c.floating_port_id).where(
            floating_ips.c.floating_network_id == network_id, floating_ips.c.port_id.is_(None)
        )
        of_idle = connection.scalars(idle).all()
        if of_idle:
            connection.execute(
                sa.delete(floating_ips).where(floating_ips.c.floating_port_id.in_(of_idle))
            )
            connection.execute(sa.delete(ports).where(ports.c.id.in_(of_idle)))
        in_use = connection.scalars(
            sa.select(ports.c.id)
            .where(ports.c.network_id == network_id, ports.c.device_owner != DHCP_OWNER)
            .limit(20)
        ).all()
        if in_use:
            raise errors.NetworkInUse(id=network_id, ports=", ".join(in_use))
        connection.execute(sa.delete(ports).where(ports.c.network_id == network_id))
        connection.execute(sa.delete(subnets).where(subnets.c.network_id == network_id))
        connection.execute(sa.delete(networks).where(networks.c.id == network_id))

"""What the DB remembers of an instance's interfaces, changed under the row's lock."""

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from minova.common import errors
from minova.db import tables
from minova.db.engine import Database, retried
from minova.model.instance import VIF, utcnow

_instances = tables.instances


def remember(db: Database, uuid: str, vif: VIF) -> None:
    """Add an interface, or what is new of it. Idempotent; errors.NotFound."""

    def added(vifs: list[VIF]) -> list[VIF]:
        known = any(each.port_id == vif.port_id for each in vifs)
        return [vif if v.port_id == vif.port_id else v for v in vifs] if known else [*vifs, vif]

    change(db, uuid, added)


def bound(db: Database, uuid: str, vifs: list[VIF]) -> None:
    """Take over what a host says it bound. Idempotent, also for an instance that is gone.

    Hosts know nothing of floating IPs: those of a fixed address stay.
    """

    def taken_over(former: list[VIF]) -> list[VIF]:
        led = {
            (vif.port_id, fixed.address): fixed.floating_ips
            for vif in former
            for fixed in vif.fixed_ips
        }
        return [
            replace(
                vif,
                fixed_ips=[
                    replace(fixed, floating_ips=led.get((vif.port_id, fixed.address), []))
                    for fixed in vif.fixed_ips
                ],
            )
            for vif in vifs
        ]

    try:
        change(db, uuid, taken_over)
    except errors.NotFound:
        return


def forget(db: Database, uuid: str, port_id: str) -> None:
    """Drop an interface. Idempotent, also for an instance that is gone."""
    try:
        change(db, uuid, lambda vifs: [vif for vif in vifs if vif.port_id != port_id])
    except errors.NotFound:
        return


@retried
def change(db: Database, uuid: str, changed: Callable[[list[VIF]], list[VIF]]) -> None:
    """Replace the interfaces by `changed(interfaces)`; errors.NotFound."""
    mine = (_instances.c.uuid == uuid, _instances.c.deleted_at.is_(None))
    with db.transaction() as connection:
        query = sa.select(_instances.c.vifs).where(*mine).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            raise errors.NotFound(f"Instance {uuid} could not be found.")
        after = changed(row.vifs)
        if after != row.vifs:
            connection.execute(
                _instances.update().where(*mine).values(vifs=after, updated_at=utcnow())
            )

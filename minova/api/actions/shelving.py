"""Servers put away and brought back: shelve, shelveOffload, unshelve."""

from typing import Any

import sqlalchemy as sa

from minova.api import availability_zones, snapshots
from minova.api.actions.row import Action, Call, Tools, begins
from minova.api.schemas import shelving as schemas
from minova.common import errors
from minova.common.undo import Undo
from minova.db import aggregates, hosts, instances, states
from minova.model import states as model_states
from minova.model.instance import Instance

# From here on an unshelve may name a zone, and later a host.
_WITH_ZONE = (2, 77)


def _shelve(tools: Tools, call: Call) -> None:
    instance = call.instance
    states.check(call.ctxt, instance, "shelve")
    if instance.boots_from_volume:
        tools.lifecycle.begin(call.ctxt, instance, "shelve")
        return
    name = f"{instance.name[: 255 - len('-shelved')]}-shelved"
    with Undo() as undo:
        image = snapshots.begun(call.ctxt, instance, name, snapshots.SNAPSHOT, undo, {})

        def keep(connection: sa.Connection, _: Instance) -> dict[str, Any]:
            # Known from now on: a delete that comes in between has to delete it, done or not.
            instances.update_on(connection, instance.uuid, shelved_image_id=image.id)
            return {"making_image": image.id}

        tools.lifecycle.begin(call.ctxt, instance, "shelve", within=keep)
        undo.clear()


def _unshelve(tools: Tools, call: Call) -> None:
    instance = call.instance
    states.check(call.ctxt, instance, "unshelve")
    offloaded = instance.vm_state == model_states.SHELVED_OFFLOADED
    wanted = dict(call.value) if call.value and call.version >= _WITH_ZONE else {}
    if wanted and not offloaded:
        raise errors.Conflict(
            "Specifying an availability zone or a host when unshelving server "
            f'"{instance.uuid}" with status "{instance.vm_state}" is not supported. The server '
            "status must be SHELVED_OFFLOADED."
        )
    _check_place(tools, call, wanted)
    if not offloaded:
        tools.lifecycle.begin(call.ctxt, instance, "unshelve")
        return

    def pin(connection: sa.Connection, _: Instance) -> dict[str, Any]:
        if "availability_zone" in wanted:
            zone = wanted["availability_zone"]
            instances.update_on(connection, instance.uuid, requested_zone=zone)
        return {"requested_host": wanted["host"]} if wanted.get("host") else {}

    tools.lifecycle.begin(call.ctxt, instance, "unshelve", stage="schedule", within=pin)


def _check_place(tools: Tools, call: Call, wanted: dict[str, Any]) -> None:
    """Whether there is such a zone, such a host, and that host in the zone."""
    instance = call.instance
    zone = wanted.get("availability_zone")
    if zone is not None and zone not in availability_zones.available(tools.db):
        raise errors.Invalid("The requested availability zone is not available")
    host = wanted.get("host")
    if not host:
        return
    tools.access.check(
        call.req,
        "os-shelve:unshelve_to_host",
        project_id=instance.project_id,
        user_id=instance.user_id,
    )
    services = hosts.services(tools.db, host=host, binary="nova-compute")
    if not services:
        raise errors.Invalid(f"Compute host {host[:64]} could not be found.")
    pinned = zone if "availability_zone" in wanted else instance.requested_zone
    there = availability_zones.zone_of(services[0], aggregates.zones(tools.db))
    if pinned and pinned != there:
        raise errors.Conflict(f'Host "{host}" is not in the availability zone "{pinned}".')


ACTIONS = {
    "shelve": Action(_shelve, "os-shelve:shelve", schemas.SHELVE),
    "shelveOffload": Action(begins("shelveOffload"), "os-shelve:shelve_offload", schemas.OFFLOAD),
    "unshelve": Action(_unshelve, "os-shelve:unshelve", schemas.UNSHELVE),
}

"""Resize, and its confirmation or revert; cold migration."""

from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from minova.api import launch_checks
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import moves as schemas
from minova.clients.image import ImageClient
from minova.common import errors
from minova.db import flavors, hosts, instances, moves, states
from minova.model import hardware
from minova.model import migration as migrations
from minova.model.instance import Flavor, ImageMeta, Instance


def _resize(tools: Tools, call: Call) -> None:
    states.check(call.ctxt, call.instance, "resize")
    check_host_is_up(tools, call.instance)
    flavor = _flavor(tools, call, str(call.value["flavorRef"]))
    _check_flavor(call.instance, flavor)
    if not call.instance.boots_from_volume:
        launch_checks.fit(tools.access, call.req, flavor, _image(call.instance))
    disk_config = call.value.get("OS-DCF:diskConfig", "MANUAL")
    enter = moves.entered(call.ctxt, migrations.RESIZE, flavor)

    def enter_and_note(connection: sa.Connection, instance: Instance) -> dict[str, Any]:
        instances.update_on(connection, instance.uuid, disk_config=disk_config)
        return enter(connection, instance)

    tools.lifecycle.begin(
        call.ctxt, call.instance, "resize", stage="schedule", within=enter_and_note
    )


def _flavor(tools: Tools, call: Call, reference: str) -> Flavor:
    flavor_id = reference.rstrip("/").rpartition("/")[2]
    every = tools.access.allows(call.req, "os-flavor-access")
    try:
        return flavors.get(
            tools.db, flavor_id, project_id=None if every else str(call.ctxt.project_id)
        )
    except errors.NotFound as error:
        raise errors.Invalid(error.message) from None


def _check_flavor(instance: Instance, flavor: Flavor) -> None:
    """errors.Invalid, in Nova's words and order, when the server cannot get this flavor."""
    if flavor.root_gb == 0 and instance.flavor.root_gb != 0 and not instance.boots_from_volume:
        raise errors.Invalid(
            "Server disk was unable to be resized because: "
            "Resize to zero disk flavor is not allowed."
        )
    if flavor.id == instance.flavor.id:
        raise errors.Invalid("When resizing, instances must change flavor!")
    if flavor.disabled:
        raise errors.Invalid(flavors.not_found(flavor.id).message)
    hardware.check(flavor, instance.image_properties)


def _image(instance: Instance) -> ImageMeta | None:
    """What the image of the server asks of a flavor; None for one that is gone by now."""
    if not instance.image_id:
        return None
    try:
        return ImageClient().get(instance.image_id)
    except errors.MinovaError:
        return None


def check_host_is_up(tools: Tools, instance: Instance) -> None:
    """errors.Conflict when the server's nova-compute does not report."""
    found = hosts.services(tools.db, host=instance.host, binary="nova-compute")
    if not any(service.is_up(cfg.CONF.compute.service_down_time) for service in found):
        raise errors.Conflict("Service is unavailable at this time.")


def _confirm(tools: Tools, call: Call) -> None:
    tools.lifecycle.begin(
        call.ctxt, call.instance, "confirmResize", within=moves.taken(migrations.CONFIRMING)
    )


def _revert(tools: Tools, call: Call) -> None:
    tools.lifecycle.begin(
        call.ctxt, call.instance, "revertResize", within=moves.taken(migrations.REVERTING)
    )


def _migrate(tools: Tools, call: Call) -> None:
    host = call.value.get("host") if call.version >= (2, 56) and call.value else None
    if host is not None:
        tools.access.check(call.req, "os-migrate-server:migrate:host")
    states.check(call.ctxt, call.instance, "migrate")
    check_host_is_up(tools, call.instance)
    if host is not None:
        if host == call.instance.host:
            raise errors.Invalid("Cannot migrate to the host where the server exists.")
        if all(node.host != host for node in hosts.nodes(tools.db)):
            raise errors.Invalid(f"Compute host {host[:64]} could not be found.")
    tools.lifecycle.begin(
        call.ctxt,
        call.instance,
        "migrate",
        request={"requested_host": host} if host is not None else None,
        stage="schedule",
        within=moves.entered(call.ctxt, migrations.COLD, call.instance.flavor),
    )


ACTIONS = {
    "resize": Action(_resize, "servers:resize", schemas.RESIZE),
    "confirmResize": Action(_confirm, "servers:confirm_resize", schemas.CONFIRM, status=204),
    "revertResize": Action(_revert, "servers:revert_resize", schemas.REVERT),
    "migrate": Action(_migrate, "os-migrate-server:migrate", schemas.MIGRATE),
}

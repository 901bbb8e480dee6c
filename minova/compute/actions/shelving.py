"""Shelved servers: an image instead of a guest, at first still on a host, then on none.

What stays is what the server is known by: its ports and addresses, and its
volumes, which are reserved for it. Coming back is a launch from the image,
on whichever host the scheduler has claimed.
"""

import logging
from dataclasses import replace
from typing import Any

from oslo_config import cfg

from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.compute.actions.host import Host, Outcome, Unchanged
from minova.compute.actions.images import send_disk
from minova.compute.build import Download
from minova.model import states
from minova.model.instance import BlockDevice, ImageMeta, Instance, utcnow
from minova.model.work import Work

LOG = logging.getLogger(__name__)
_SHELVE_TASKS: list[str | None] = [*states.ACTIONS["shelve"].tasks]
_OFFLOADING = states.ACTIONS["shelveOffload"].tasks[0]
_UNSHELVING, _SPAWNING = states.ACTIONS["unshelve"].tasks


def _shelve(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    image_id = work.request.get("making_image")
    try:
        host.driver.power_off(instance, cancelled=host.cancelled(instance.uuid).is_set)
        if image_id is not None:
            send_disk(host, ctxt, instance, work, states.ACTIONS["shelve"].tasks[:3])
    except Exception as error:
        if host.cancelled(instance.uuid).is_set():
            raise
        raise _as_before(host, instance, error) from error
    outcome: dict[str, Any] = {
        "power_state": states.SHUTDOWN,
        "shelved_at": utcnow(),
        "expected": _SHELVE_TASKS,
    }
    if cfg.CONF.compute.shelved_offload_time == 0 or image_id is None:
        host.conductor.advance(ctxt, work, host.owner, _SHELVE_TASKS, _OFFLOADING)
        _leave(host, ctxt, instance)
        outcome["vm_state"] = states.SHELVED_OFFLOADED
    return outcome


def _as_before(host: Host, instance: Instance, error: Exception) -> Unchanged:
    """The server is not shelved: it runs again, or is stopped; its disk is as it was."""
    reason = getattr(error, "message", None) or "an unexpected error; see nova-compute's log"
    if instance.vm_state != states.ACTIVE:
        return Unchanged(reason, states.STOPPED)
    host.driver.power_on(instance, instance.vifs)
    return Unchanged(reason, states.ACTIVE)


def _offload(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    _leave(host, ctxt, instance)
    return {"power_state": states.SHUTDOWN, "expected": [_OFFLOADING]}


def _leave(host: Host, ctxt: RequestContext, instance: Instance) -> None:
    """Take the server from this host: its guest and disks go, ports and volumes stay its own."""
    host.driver.destroy(instance)
    for device in instance.block_devices:
        if device.is_volume:
            let_rest(host, ctxt, instance, device)
    for vif in instance.vifs:
        host.networks.leave_host(vif.port_id)


def let_rest(host: Host, ctxt: RequestContext, instance: Instance, device: BlockDevice) -> None:
    """End the volume's export, and keep the volume reserved for the server. Idempotent."""
    if device.connection_info is None or device.volume_id is None:
        return
    held = host.volumes.attachments(instance.uuid)
    others = [
        one
        for one, volume in held.items()
        if volume == device.volume_id and one != device.attachment_id
    ]
    # First the new reservation: the volume must never be anybody's.
    reserved = others[0] if others else host.volumes.reserve(device.volume_id, instance.uuid)
    if device.attachment_id is not None:
        host.volumes.detach(device.attachment_id)
    host.conductor.save_device(ctxt, replace(device, attachment_id=reserved, connection_info=None))


def _unshelve(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    if instance.vm_state == states.SHELVED:
        host.connect_volumes(instance)
        host.driver.power_on(instance, instance.vifs)
    else:
        _come_back(host, ctxt, instance, work)
    if instance.shelved_image_id is not None:
        try:
            host.images.delete(instance.shelved_image_id)
        except (errors.Conflict, errors.Forbidden) as error:
            LOG.warning("the image of shelved instance %s stays: %s", instance.uuid, error.message)
    return {
        "power_state": states.RUNNING,
        "launched_at": utcnow(),
        "shelved_at": None,
        "shelved_image_id": None,
        "expected": [_UNSHELVING, _SPAWNING],
    }


def _come_back(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> None:
    """Build it here. What fails leaves the server shelved, with nothing of it on this host."""
    if work.attempts > 1 and host.driver.power_state(instance) == states.RUNNING:
        LOG.info("instance %s: it was unshelved already", instance.uuid)
        return
    with Undo() as undo:
        undo.push(_leave, host, ctxt, instance)
        image = _shelved_image(host, instance)
        if image is not None:
            host.driver.cache_image(Download(host.images, image, host.cancelled(instance.uuid)))
        host.driver.make_disks(instance, image)
        host.conductor.advance(ctxt, work, host.owner, [_UNSHELVING, _SPAWNING], _SPAWNING)
        vifs = host.bound(instance)
        host.conductor.save_vifs(ctxt, instance.uuid, vifs)
        devices = host.connected(ctxt, instance)
        undo.push(_leave, host, ctxt, replace(instance, block_devices=devices))
        drive = host.builder.config_drive(instance, vifs)
        host.driver.spawn(instance, None, vifs, devices, drive)
        for device in devices:
            if device.attachment_id is not None:
                host.volumes.complete(device.attachment_id)
        undo.clear()


def _shelved_image(host: Host, instance: Instance) -> ImageMeta | None:
    """What its disk is made from; None when it boots from a volume."""
    if instance.shelved_image_id is None:
        return None
    try:
        image = host.images.get(instance.shelved_image_id)
    except errors.NotFound:
        raise errors.Invalid(
            f"The image {instance.shelved_image_id} of the shelved server is gone; the server "
            "cannot come back without it."
        ) from None
    if image.status != "active" or not host.images.may_use(image, instance.project_id):
        raise errors.Invalid(
            f"The image {image.id} of the shelved server cannot be used; see the image service."
        )
    return image


ACTIONS = {"shelve": _shelve, "shelveOffload": _offload, "unshelve": _unshelve}

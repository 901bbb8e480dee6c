"""Deletes: the guest, its disks, ports and attachments; in the reverse order of a launch.

A soft delete only stops the guest; until it is reclaimed, it can be restored.
"""

from minova.common.context import RequestContext
from minova.compute import notices
from minova.compute.actions.host import Host, Outcome
from minova.compute.actions.volumes import let_go
from minova.model import states
from minova.model.instance import Instance, utcnow
from minova.model.work import Work


def _delete(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    with notices.shutting_down(ctxt, instance):
        host.driver.destroy(instance)
    if any(device.is_volume for device in instance.block_devices):
        # First whatever holds them: also what an action that died has reserved.
        for attachment_id in host.volumes.attachments(instance.uuid):
            host.volumes.detach(attachment_id)
    for device in instance.block_devices:
        if device.is_volume:
            let_go(host, ctxt, device)
    host.builder.free_network(instance)
    _discard_images(host, work)
    if instance.shelved_image_id:
        host.images.delete(instance.shelved_image_id)
    return {"power_state": states.NOSTATE, "vifs": []}


def _soft_delete(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.power_off(instance, cancelled=host.cancelled(instance.uuid).is_set)
    _discard_images(host, work)
    return {"power_state": states.SHUTDOWN, "soft_deleted_at": utcnow()}


def _restore(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.connect_volumes(instance)
    host.driver.power_on(instance, instance.vifs)
    return {"power_state": states.RUNNING, "soft_deleted_at": None}


def _discard_images(host: Host, work: Work) -> None:
    """What a delete interrupts has begun, and nobody will finish."""
    for image_id in work.request.get("unfinished_images", []):
        host.images.discard(image_id)


ACTIONS = {
    "delete": _delete,
    "forceDelete": _delete,
    "softDelete": _soft_delete,
    "restore": _restore,
}

"""Deletes: the guest, its disks, ports and attachments; in the reverse order of a launch."""

from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome
from minova.compute.actions.volumes import let_go
from minova.model import states
from minova.model.instance import Instance
from minova.model.work import Work


def _delete(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.destroy(instance)
    for device in instance.block_devices:
        if device.is_volume:
            let_go(host, ctxt, device)
    if any(device.is_volume for device in instance.block_devices):
        for attachment_id in host.volumes.attachments(instance.uuid):
            host.volumes.detach(attachment_id)
    host.builder.free_network(instance)
    for image_id in work.request.get("unfinished_images", []):
        host.images.discard(image_id)
    return {"power_state": states.NOSTATE, "vifs": []}


ACTIONS = {"delete": _delete, "forceDelete": _delete}

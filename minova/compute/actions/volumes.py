"""Volumes plugged into a server and out of it."""

from dataclasses import replace

from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.compute.actions.host import Host, Outcome
from minova.compute.build import connect_volume
from minova.model.instance import BlockDevice, Instance
from minova.model.work import Work


def _attach(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    device = _device_of(instance, work)
    if device is None:
        raise errors.NotFound(f"The volume attachment of instance {instance.uuid} is gone.")
    with Undo() as undo:
        undo.push(host.conductor.remove_device, ctxt, device.id)
        if device.attachment_id:
            undo.push(host.volumes.detach, device.attachment_id)
        connected = connect_volume(host.volumes, device, instance, host.name)
        host.conductor.save_device(ctxt, connected)
        undo.push(host.driver.detach_volume, instance, connected)
        name = host.driver.attach_volume(instance, connected)
        if name != connected.device_name:
            host.conductor.save_device(ctxt, replace(connected, device_name=name))
        host.volumes.complete(str(connected.attachment_id))
        undo.clear()
    return {}


def _detach(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    device = _device_of(instance, work)
    if device is not None:
        cancelled = host.cancelled(instance.uuid).is_set
        host.driver.detach_volume(instance, device, cancelled)
        let_go(host, ctxt, replace(device, delete_on_termination=False))
    return {}


def let_go(host: Host, ctxt: RequestContext, device: BlockDevice) -> None:
    """Give the volume back, delete it if it goes with the server, forget the device. Idempotent."""
    if device.attachment_id:
        host.volumes.detach(device.attachment_id)
    if device.delete_on_termination and device.volume_id:
        host.volumes.discard(device.volume_id)
    host.conductor.remove_device(ctxt, device.id)


def _device_of(instance: Instance, work: Work) -> BlockDevice | None:
    wanted = work.request.get("device_id")
    return next((d for d in instance.block_devices if d.id == wanted), None)


ACTIONS = {"attach_volume": _attach, "detach_volume": _detach}

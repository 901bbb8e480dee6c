"""A server made anew where it is: other disks, the same ports, volumes and name.

The new image is here and proven before anything of the old guest is touched.
From then on there is no way back; what fails leaves the server in ERROR, and
another rebuild mends it.
"""

from oslo_config import cfg

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome
from minova.compute.actions.shelving import let_rest
from minova.compute.build import Download
from minova.model import states
from minova.model.instance import ImageMeta, Instance, utcnow
from minova.model.work import Work

_TASKS: list[str | None] = [*states.ACTIONS["rebuild"].tasks]
_, _DEVICES, _SPAWNING = states.ACTIONS["rebuild"].tasks


def _rebuild(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    stays_stopped = instance.vm_state == states.STOPPED
    image = _image(host, instance)
    if image is not None:
        host.driver.cache_image(Download(host.images, image, host.cancelled(instance.uuid)))
    host.conductor.advance(ctxt, work, host.owner, _TASKS, _DEVICES)
    host.driver.clear(instance, keep_ephemeral=bool(work.request.get("preserve_ephemeral")))
    if "reimage" in work.request:
        instance = _reimaged(host, ctxt, instance, str(work.request["reimage"]))
    host.driver.make_disks(instance, image)
    devices = host.connected(ctxt, instance)
    host.conductor.advance(ctxt, work, host.owner, _TASKS, _SPAWNING)
    vifs = host.bound(instance)
    host.conductor.save_vifs(ctxt, instance.uuid, vifs)
    drive = host.builder.config_drive(instance, vifs)
    host.driver.spawn(instance, image, vifs, devices, drive, start=not stays_stopped)
    for device in devices:
        if device.attachment_id is not None:
            host.volumes.complete(device.attachment_id)
    return {
        "vm_state": states.STOPPED if stays_stopped else states.ACTIVE,
        "power_state": states.SHUTDOWN if stays_stopped else states.RUNNING,
        "launched_at": utcnow(),
        "expected": [_SPAWNING],
    }


def _reimaged(host: Host, ctxt: RequestContext, instance: Instance, image_id: str) -> Instance:
    """The instance, the volume it boots from made anew from the image. Safe to do again."""
    root = next(device for device in instance.block_devices if device.is_boot_volume)
    volume_id = str(root.volume_id)
    let_rest(host, ctxt, instance, root)
    if host.volumes.get(volume_id)["status"] != "downloading":
        host.volumes.reimage(volume_id, image_id)
    host.volumes.wait_until_made(
        volume_id, cfg.CONF.compute.block_device_seconds, host.cancelled(instance.uuid).is_set
    )
    return host.conductor.instance_get(ctxt, instance.uuid)


def _image(host: Host, instance: Instance) -> ImageMeta | None:
    """What its root disk is made of; None when that is a volume."""
    if instance.boots_from_volume or not instance.image_id:
        return None
    image = host.images.get(instance.image_id)
    if image.status != "active" or not host.images.may_use(image, instance.project_id):
        raise errors.Invalid(
            f"Image {image.id} can no longer be used by this project; choose another."
        )
    return image


ACTIONS = {"rebuild": _rebuild}

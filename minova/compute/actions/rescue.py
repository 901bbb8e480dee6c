"""Rescue and unrescue: the guest boots another image for a while, its own disks beside it."""

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome, Unchanged
from minova.compute.build import Download
from minova.model import guest_metadata, states
from minova.model.instance import ImageMeta, Instance
from minova.model.work import Work
from minova.virt.driver import GuestFiles


def _rescue(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    try:
        image = _image(host, instance, str(work.request["image_id"]))
        # The guest is stopped when everything is here, and no sooner.
        host.driver.cache_image(Download(host.images, image, host.cancelled(instance.uuid)))
        host.connect_volumes(instance)
    except errors.MinovaError as error:
        raise Unchanged(error.message, instance.vm_state) from error
    host.driver.power_off(instance, cancelled=host.cancelled(instance.uuid).is_set)
    password = str(work.request["admin_password"])
    host.driver.rescue(instance, image, instance.vifs, _config_drive(host, instance, password))
    return {"power_state": states.RUNNING}


def _unrescue(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.connect_volumes(instance)
    host.driver.power_off(instance, cancelled=host.cancelled(instance.uuid).is_set)
    host.driver.unrescue(instance, instance.vifs)
    return {"power_state": states.RUNNING}


def _image(host: Host, instance: Instance, image_id: str) -> ImageMeta:
    image = host.images.get(image_id)
    if image.status != "active" or not host.images.may_use(image, instance.project_id):
        raise errors.Invalid(
            f"Image {image_id} cannot be used by this project; choose another to rescue with."
        )
    return image


def _config_drive(host: Host, instance: Instance, password: str) -> GuestFiles | None:
    """As the server's own, with the password of the rescue."""
    drive = host.builder.config_drive(instance, instance.vifs)
    if drive is None:
        return None
    return GuestFiles(guest_metadata.with_password(drive.files, password))


ACTIONS = {"rescue": _rescue, "unrescue": _unrescue}

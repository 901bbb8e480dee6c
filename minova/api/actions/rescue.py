"""Rescue and unrescue."""

import secrets
import string
from typing import Any

from minova.api.actions.row import Action, Call, Tools, begins
from minova.api.schemas import rescue as schemas
from minova.clients.image import ImageClient
from minova.common import errors
from minova.db import states
from minova.model import rescue_devices
from minova.model.instance import ImageMeta, Instance

_OF_VOLUMES = (2, 87)
_PASSWORD = string.ascii_letters + string.digits


def _rescue(tools: Tools, call: Call) -> dict[str, Any]:
    states.check(call.ctxt, call.instance, "rescue")
    wanted = call.value or {}
    if call.instance.boots_from_volume and call.version < _OF_VOLUMES:
        raise _not_rescuable(call.instance, "Cannot rescue a volume-backed instance")
    image = _image(call, wanted.get("rescue_image_ref"))
    if call.instance.boots_from_volume and rescue_devices.wanted(image.properties) is None:
        raise _not_rescuable(
            call.instance,
            "a volume-backed server needs a rescue image with the property "
            f"{rescue_devices.DEVICE} or {rescue_devices.BUS}",
        )
    password = wanted.get("adminPass") or "".join(secrets.choice(_PASSWORD) for _ in range(12))
    request = {"image_id": image.id, "admin_password": password}
    tools.lifecycle.begin(call.ctxt, call.instance, "rescue", request=request)
    return {"adminPass": password}


def _image(call: Call, asked: str | None) -> ImageMeta:
    """The image asked for, or the server's own."""
    image_id = asked or call.instance.image_id
    if not image_id:
        raise _not_rescuable(call.instance, "it has no image; say which in rescue_image_ref")
    try:
        image = ImageClient(call.ctxt).get(image_id)
        if image.status == "active":
            rescue_devices.wanted(image.properties)
            return image
    except errors.NotFound:
        pass
    raise errors.Invalid(f"Requested rescue image '{image_id}' is not supported")


def _not_rescuable(instance: Instance, reason: str) -> errors.Invalid:
    return errors.Invalid(f"Instance {instance.uuid} cannot be rescued: {reason}")


ACTIONS = {
    "rescue": Action(_rescue, "os-rescue", schemas.RESCUE, status=200),
    "unrescue": Action(begins("unrescue"), "os-unrescue", schemas.UNRESCUE),
}

"""Rebuild: the same server, of the same or another image."""

import secrets
import string
from typing import Any

import sqlalchemy as sa

from minova.api import launch_checks
from minova.api.actions.row import Action, Call, Tools
from minova.api.launch_checks import GIB
from minova.api.schemas import rebuild as schemas
from minova.api.validation import address, boolean
from minova.api.views import links
from minova.api.views import servers as views
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.db import hosts, instances, quotas, states
from minova.model import hardware, image_needs
from minova.model.instance import ImageMeta, Instance

# From here on the answer is the whole server; before, its plain part and what came with these.
_WHOLE, _KEY_SHOWN, _USER_DATA_SHOWN = (2, 75), (2, 54), (2, 57)
# From here on a volume that a server boots from is made anew as well.
_REIMAGES = (2, 93)
_PASSWORD = string.ascii_letters + string.digits
# What the body says -> the column it goes to as it is.
_COLUMNS = {
    "description": "description",
    "hostname": "hostname",
    "OS-DCF:diskConfig": "disk_config",
}


def _rebuild(tools: Tools, call: Call) -> dict[str, Any]:
    wanted, instance = call.value, call.instance
    states.check(call.ctxt, instance, "rebuild")
    launch_checks.plain(wanted)
    image = launch_checks.image(
        call.ctxt, wanted["imageRef"], missing="Cannot find image for rebuild"
    )
    if image is None:
        raise errors.Invalid("Invalid imageRef provided. Name an image.")
    _check_image(tools, call, image)
    values = _values(tools, call, image)

    def write(connection: sa.Connection, _: Instance) -> dict[str, Any]:
        instances.update_on(connection, instance.uuid, **values)
        request: dict[str, Any] = {
            "preserve_ephemeral": boolean(wanted.get("preserve_ephemeral", False))
        }
        if instance.boots_from_volume and call.version >= _REIMAGES:
            request["reimage"] = image.id
        return request

    tools.lifecycle.begin(call.ctxt, instance, "rebuild", within=write)
    return _answer(tools, call)


def _check_image(tools: Tools, call: Call, image: ImageMeta) -> None:
    instance = call.instance
    node = next((n for n in hosts.nodes(tools.db) if n.host == instance.host), None)
    refusal = image_needs.refusal(image.properties, node.supported) if node is not None else None
    if refusal:
        # The server stays on its host, so that host has to do (CVE-2017-16239).
        raise errors.Invalid(f"No valid host was found. Image {image.id}: {refusal}.")
    if not instance.boots_from_volume:
        hardware.check(instance.flavor, image.properties)
        if instance.flavor.root_gb:
            launch_checks.fit(tools.access, call.req, instance.flavor, image)
        return
    root = next(device for device in instance.block_devices if device.is_boot_volume)
    volume = VolumeClient(call.ctxt).get(str(root.volume_id))
    if call.version >= _REIMAGES:
        needed = max(image.virtual_size or 0, image.size or 0, image.min_disk_gb * GIB)
        if needed > volume["size"] * GIB:
            raise errors.Invalid(
                f"Image {image.id} needs a disk of {-(-needed // GIB)} GiB, and volume "
                f"{root.volume_id}, which the server boots from, has {volume['size']} GiB."
            )
        return
    made_of = (volume.get("volume_image_metadata") or {}).get("image_id")
    if image.id != made_of:
        raise errors.Invalid(
            f"Image {image.id} is unacceptable: Unable to rebuild with a different image for a "
            "volume-backed server."
        )


def _values(tools: Tools, call: Call, image: ImageMeta) -> dict[str, Any]:
    """The instance's columns that change."""
    wanted, ctxt = call.value, call.ctxt
    values = {column: wanted[name] for name, column in _COLUMNS.items() if name in wanted}
    if not call.instance.boots_from_volume:
        values.update(image_id=image.id, image_properties=image.properties)
    elif call.version >= _REIMAGES:
        values.update(image_properties=image.properties)
    if "name" in wanted:
        values["name"] = wanted["name"].strip()
    limits = quotas.limits(tools.db, str(ctxt.project_id))
    if "personality" in wanted:
        values["injected_files"] = launch_checks.injected_files(limits, wanted["personality"])
    if "metadata" in wanted:
        launch_checks.metadata_quota(limits, wanted["metadata"])
        values["metadata"] = wanted["metadata"]
    for name, column in (("accessIPv4", "access_ip_v4"), ("accessIPv6", "access_ip_v6")):
        if name in wanted:
            values[column] = address(wanted[name])
    if "key_name" in wanted:
        key = launch_checks.key(tools.db, ctxt, wanted["key_name"])
        values["key_name"] = key.name if key else None
        values["key_data"] = key.public_key if key else None
    if "user_data" in wanted:
        values["user_data"] = launch_checks.user_data(wanted["user_data"])
    return values


def _answer(tools: Tools, call: Call) -> dict[str, Any]:
    instance = instances.get(tools.db, call.instance.uuid)
    view = views.View(tools.access, call.req)
    if call.version >= _WHOLE:
        shown = view.full(instance, groups=True)
        shown.pop("OS-EXT-SRV-ATTR:user_data", None)
    else:
        shown = view.plain(instance)
        if call.version >= _KEY_SHOWN:
            shown["key_name"] = instance.key_name
    if call.version >= _USER_DATA_SHOWN:
        shown["user_data"] = instance.user_data
    shown["adminPass"] = call.value.get("adminPass") or "".join(
        secrets.choice(_PASSWORD) for _ in range(12)
    )
    call.resp.set_header("Location", links.of(call.req, f"servers/{instance.uuid}")[0]["href"])
    return {"server": shown}


ACTIONS = {"rebuild": Action(_rebuild, "servers:rebuild", schemas.REBUILD)}

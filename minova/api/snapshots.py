"""Images of servers, as the API begins them: a record without data, which the host fills.

The record is made with the caller's own rights and so belongs to the
caller's project; the host sends the data as its service user.
"""

import json
from typing import Any

from minova.clients import image as images
from minova.clients.image import ImageClient
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.model.instance import ImageMeta, Instance

SNAPSHOT, BACKUP = "snapshot", "backup"
# Properties of the image a server was made from that say nothing of its copy.
_NOT_INHERITED = frozenset(
    (
        *("cache_in_nova", "bittorrent", "img_signature_hash_method", "img_signature"),
        *("img_signature_key_type", "img_signature_certificate_uuid", "image_id", "image_name"),
        *("block_device_mapping", "bdm_v2", "root_device_name", "instance_owner"),
        *("backup_type", "instance_uuid", "image_type"),
    )
)
_SAID_OF_DEVICES = (
    *("source_type", "destination_type", "boot_index", "device_name", "device_type", "disk_bus"),
    *("guest_format", "delete_on_termination", "tag", "volume_type"),
)
_NOT_INHERITED_PREFIXES = ("os_glance_", "owner_specified.")


def check_metadata(limits: dict[str, int], metadata: dict[str, str]) -> None:
    """errors.Forbidden or Invalid when an image cannot have these as its properties."""
    limit = limits["metadata_items"]
    if 0 <= limit < len(metadata):
        raise errors.QuotaExceeded("Image metadata limit exceeded")
    taken = sorted(images.ATTRIBUTES.intersection(metadata))
    if taken:
        raise errors.Invalid(
            f"Invalid image metadata. {', '.join(taken)} cannot be set by it; choose other names."
        )


def begun(
    ctxt: RequestContext,
    instance: Instance,
    name: str,
    kind: str,
    undo: Undo,
    properties: dict[str, Any],
    disk_format: str = "qcow2",
) -> ImageMeta:
    """The image's record, `queued`. Its undo deletes it.

    An image that an admin makes of another project's server is shared with
    that project. errors.Forbidden when the image service's quota says no.
    """
    client = ImageClient(ctxt)
    own = instance.project_id == ctxt.project_id
    body = {
        **inherited(instance),
        **_provenance(ctxt, instance, kind),
        **properties,
        "name": name,
        "disk_format": disk_format,
        "container_format": "bare",
        "visibility": "private" if own else "shared",
        "min_disk": instance.flavor.root_gb,
        "min_ram": _least_memory(client, instance),
    }
    if not own:
        body["instance_owner"] = instance.project_id
    try:
        made = client.create(body)
    except errors.TooLarge as error:
        raise errors.Forbidden(error.message) from None
    undo.push(client.delete, made.id)
    if not own:
        client.share(made.id, instance.project_id)
    return made


def _least_memory(client: ImageClient, instance: Instance) -> int:
    """The MiB that the server's own image wants; 0 when it is gone or none of the caller's."""
    if instance.image_id is None:
        return 0
    try:
        return client.get(instance.image_id).min_ram_mb
    except (errors.NotFound, errors.Forbidden):
        return 0


def of_volumes(
    ctxt: RequestContext, instance: Instance, name: str, undo: Undo, properties: dict[str, Any]
) -> ImageMeta:
    """The image of a server that boots from a volume: no data, but snapshots of its volumes.

    It is active at once, and the snapshots soon after. errors.Forbidden
    beyond the volume service's quota.
    """
    mapping = _mapping(ctxt, instance, name, undo)
    described = {
        **properties,
        "block_device_mapping": json.dumps(mapping),
        "bdm_v2": "True",
        "root_device_name": instance.root_device_name or "/dev/vda",
    }
    # Of no bytes, any service believes that they are raw.
    image = begun(ctxt, instance, name, SNAPSHOT, undo, described, disk_format="raw")
    ImageClient(ctxt).upload(image.id, 0, lambda: iter(()))
    return image


def _mapping(
    ctxt: RequestContext, instance: Instance, name: str, undo: Undo
) -> list[dict[str, Any]]:
    """The server's devices, with snapshots for its volumes."""
    volumes = VolumeClient(ctxt)
    found = []
    for device in instance.block_devices:
        entry = {key: getattr(device, key) for key in _SAID_OF_DEVICES}
        if device.is_volume and device.volume_id:
            try:
                snapshot = volumes.create_snapshot(device.volume_id, f"snapshot for {name}"[:255])
            except errors.TooLarge as error:
                raise errors.Forbidden(error.message) from None
            undo.push(volumes.delete_snapshot, snapshot["id"])
            entry.update(
                source_type="snapshot", snapshot_id=snapshot["id"], volume_size=snapshot["size"]
            )
        else:
            entry["volume_size"] = device.volume_size_gb
        found.append(entry)
    return found


def inherited(instance: Instance) -> dict[str, str]:
    """What the image of the server says of guests, for the image of its disk."""
    return {
        key: str(value)
        for key, value in instance.image_properties.items()
        if value is not None
        and key not in _NOT_INHERITED
        and key not in images.ATTRIBUTES
        and not key.startswith(_NOT_INHERITED_PREFIXES)
    }


def _provenance(ctxt: RequestContext, instance: Instance, kind: str) -> dict[str, str]:
    """Where the image comes from, by Nova's names."""
    known = {
        "image_type": kind,
        "instance_uuid": instance.uuid,
        "user_id": ctxt.user_id,
        "owner_id": instance.project_id,
        "owner_user_name": ctxt.user_name,
        "owner_project_name": ctxt.project_name,
        "boot_roles": ",".join(sorted(ctxt.roles or [])),
        "base_image_ref": instance.image_id or "",
        "image_location": "snapshot",
        "image_state": "available",
    }
    return {key: str(value) for key, value in known.items() if value is not None}

"""Volumes of servers: list, show, attach, detach."""

import uuid
from dataclasses import replace
from typing import Any, NoReturn

import falcon
import sqlalchemy as sa

from minova.api.access import Access
from minova.api.launch_devices import get_volume, reserve
from minova.api.lifecycle import Lifecycle
from minova.api.schemas import volume_attachments as schemas
from minova.api.server_metadata import check_state
from minova.api.validation import boolean
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.common.wsgi import Route
from minova.db import instances, states
from minova.model import device_names
from minova.model import states as model_states
from minova.model.instance import BlockDevice, Instance

_ATTEMPTS = 5
_SHELVED_SINCE, _UPDATED_SINCE = (2, 20), (2, 85)


class VolumeAttachments:
    """The handlers of /servers/{server_id}/os-volume_attachments."""

    def __init__(self, access: Access, lifecycle: Lifecycle) -> None:
        self._access, self._db = access, access.db
        self._lifecycle = lifecycle

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/os-volume_attachments"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create),
            Route("GET", path + "/{volume_id}", self.show),
            Route("PUT", path + "/{volume_id}", self.update, 202),
            Route("DELETE", path + "/{volume_id}", self.delete, 202),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/os-volume_attachments"""
        instance = self._access.server(req, server_id, "os-volumes-attachments:index")
        found = [d for d in instance.block_devices if d.is_volume and d.volume_id]
        return {"volumeAttachments": [_shown(req, instance, device) for device in found]}

    def show(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, volume_id: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/os-volume_attachments/{volume_id}"""
        instance = self._access.server(req, server_id, "os-volumes-attachments:show")
        return {"volumeAttachment": _shown(req, instance, _device(instance, volume_id))}

    def create(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """POST /servers/{server_id}/os-volume_attachments"""
        instance = self._access.server(req, server_id, "os-volumes-attachments:create")
        wanted = schemas.ATTACH.of(req)["volumeAttachment"]
        volume_id = wanted["volumeId"]
        ctxt = req.context.ctxt
        if any(d.volume_id == volume_id for d in instance.block_devices):
            raise errors.Invalid(
                f"Invalid volume: volume {volume_id} is already attached to instance "
                f"{instance.uuid}"
            )
        # What `begin` would refuse is refused before the volume is touched.
        check_state(req, instance, "attach_volume", "attach_volume")
        _check_shelved(req, instance, "attach_volume", wanted.get("tag"))
        try:
            get_volume(VolumeClient(ctxt), volume_id, req.context.version)
        except errors.Invalid as error:
            if "failed to get" in error.message:
                raise errors.NotFound(f"Volume {volume_id} could not be found.") from None
            raise
        with Undo() as undo:
            attachment = reserve(ctxt, volume_id, instance.uuid)
            undo.push(VolumeClient().detach, attachment)
            if instance.host is None:
                # Nobody else may have it, and everybody can see that it is taken.
                VolumeClient().complete(attachment)
                device = self._keep(ctxt, instance, wanted, attachment)
            else:
                device = self._add(instance, wanted, attachment)
                undo.push(instances.remove_device, self._db, device.id)
                self._lifecycle.begin(ctxt, instance, "attach_volume", request=_request(device))
            undo.clear()
        shown = _shown(req, instance, device)
        for key in ("attachment_id", "bdm_uuid"):
            shown.pop(key, None)
        return {"volumeAttachment": {**shown, "id": volume_id}}

    def _keep(
        self, ctxt: RequestContext, instance: Instance, wanted: dict[str, Any], attachment: str
    ) -> BlockDevice:
        """The mapping for a server that no host has: the volume is connected when it is back."""
        kept: list[BlockDevice] = []

        def insert(connection: sa.Connection, current: Instance) -> None:
            name = "/dev/" + self._name(current, wanted)
            kept[:] = [replace(_mapping(wanted, attachment), device_name=name)]
            instances.insert_device(connection, current.uuid, kept[0])

        asked = {"volume_id": wanted["volumeId"]}
        states.at_once(self._db, ctxt, instance.uuid, "attach_volume", insert, asked)
        return kept[0]

    def _add(self, instance: Instance, wanted: dict[str, Any], attachment: str) -> BlockDevice:
        """The mapping, under the wanted device name or the next that is free."""
        device = _mapping(wanted, attachment)
        for _ in range(_ATTEMPTS):
            current = instances.get(self._db, instance.uuid)
            if wanted.get("tag") and any(d.tag == wanted["tag"] for d in current.block_devices):
                raise errors.Invalid(f"Tag {wanted['tag']} is already on another device.")
            named = replace(device, device_name="/dev/" + self._name(current, wanted))
            try:
                with self._db.transaction() as connection:
                    instances.insert_device(connection, instance.uuid, named)
                return named
            except errors.DuplicateEntry:
                # Another attachment took the name in between; look again.
                continue
        raise errors.Conflict(
            f"Too many volumes are being attached to instance {instance.uuid}; try again."
        )

    @staticmethod
    def _name(instance: Instance, wanted: dict[str, Any]) -> str:
        bus = device_names.usual_bus(instance.image_properties)
        taken = device_names.arrange(instance.flavor, instance.block_devices, bus).taken
        return device_names.choose(wanted.get("device"), taken, bus)

    def update(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, volume_id: str
    ) -> None:
        """PUT /servers/{server_id}/os-volume_attachments/{volume_id}: delete_on_termination

        Until 2.84 this is the swap of the volume, whatever it says; from then
        on only when it names another volume.
        """
        if req.context.version < _UPDATED_SINCE:
            instance = self._access.server(req, server_id, "os-volumes-attachments:swap")
            wanted = schemas.UPDATE.of(req)["volumeAttachment"]
            self._refuse_swap(req, instance, volume_id, wanted["volumeId"])
        instance = self._access.server(req, server_id, "os-volumes-attachments:update")
        wanted = schemas.UPDATE.of(req)["volumeAttachment"]
        device = _device(instance, volume_id)
        self._change(instance, device, wanted)
        if wanted["volumeId"] != volume_id:
            self._access.server(req, server_id, "os-volumes-attachments:swap")
            self._refuse_swap(req, instance, volume_id, wanted["volumeId"])

    @staticmethod
    def _refuse_swap(
        req: falcon.Request, instance: Instance, volume_id: str, other: str
    ) -> NoReturn:
        """Why this volume is not swapped: only a migration of the volume service may ask.

        As in Nova since 2025: a volume that is put in the place of another
        by hand holds none of its data.
        """
        _device(instance, volume_id)
        check_state(req, instance, "swap_volume", "swap_volume")
        try:
            VolumeClient(req.context.ctxt).get(other)
        except errors.NotFound:
            raise errors.Invalid(f"Volume {other} could not be found.") from None
        raise errors.Conflict(
            f"Volume {volume_id} of instance {instance.uuid} is not being migrated. A swap is "
            "begun by the block storage service, not by a call to the compute service; detach "
            f"the volume and attach {other} instead."
        )

    def _change(self, instance: Instance, device: BlockDevice, wanted: dict[str, Any]) -> None:
        fixed = {"device": device.device_name, "tag": device.tag, "serverId": instance.uuid}
        for key, value in fixed.items():
            if key in wanted and wanted[key] != value:
                raise errors.Invalid(f"The {key} property of an attachment can not be changed.")
        if "delete_on_termination" in wanted:
            flag = boolean(wanted["delete_on_termination"])
            instances.save_device(self._db, replace(device, delete_on_termination=flag))

    def delete(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, volume_id: str
    ) -> None:
        """DELETE /servers/{server_id}/os-volume_attachments/{volume_id}"""
        instance = self._access.server(req, server_id, "os-volumes-attachments:delete")
        device = _device(instance, volume_id)
        ctxt = req.context.ctxt
        check_state(req, instance, "detach_volume", "detach_volume")
        _check_shelved(req, instance, "detach_volume")
        if device.boot_index == 0:
            raise errors.Forbidden("Cannot detach a root device volume")
        if instance.host is not None:
            self._lifecycle.begin(ctxt, instance, "detach_volume", request=_request(device))
            return
        # First it is no more the server's, so that no host connects it; then it is free.
        states.at_once(
            self._db,
            ctxt,
            instance.uuid,
            "detach_volume",
            lambda connection, _: instances.remove_device_on(connection, device.id),
            _request(device),
        )
        if device.attachment_id:
            VolumeClient().detach(device.attachment_id)


def _request(device: BlockDevice) -> dict[str, Any]:
    """What the host, and who is told of it, need to know."""
    return {"device_id": device.id, "volume_id": device.volume_id}


def _mapping(wanted: dict[str, Any], attachment: str) -> BlockDevice:
    return BlockDevice(
        id=str(uuid.uuid4()),
        source_type="volume",
        destination_type="volume",
        volume_id=wanted["volumeId"],
        attachment_id=attachment,
        delete_on_termination=boolean(wanted.get("delete_on_termination", False)),
        tag=wanted.get("tag"),
    )


def _check_shelved(
    req: falcon.Request, instance: Instance, action: str, tag: str | None = None
) -> None:
    """Before 2.20 a shelved server's volumes stay; one without a host has no device to tag."""
    shelved = (model_states.SHELVED, model_states.SHELVED_OFFLOADED)
    if instance.vm_state in shelved and req.context.version < _SHELVED_SINCE:
        raise errors.Conflict(
            f"Cannot '{action}' instance {instance.uuid} while it is in vm_state "
            f"{instance.vm_state}"
        )
    if tag and instance.vm_state == model_states.SHELVED_OFFLOADED:
        raise errors.Invalid(
            "Tagged volume attachment is not supported for shelved-offloaded instances."
        )


def _device(instance: Instance, volume_id: str) -> BlockDevice:
    for device in instance.block_devices:
        if device.is_volume and device.volume_id == volume_id:
            return device
    raise errors.NotFound(f"Instance {instance.uuid} is not attached to volume {volume_id[:64]}.")


def _shown(req: falcon.Request, instance: Instance, device: BlockDevice) -> dict[str, Any]:
    version = req.context.version
    shown: dict[str, Any] = {
        "volumeId": device.volume_id,
        "serverId": instance.uuid,
        "device": device.device_name,
    }
    if version < (2, 89):
        shown["id"] = device.volume_id
    else:
        shown["attachment_id"] = device.attachment_id
        shown["bdm_uuid"] = device.id
    if version >= (2, 70):
        shown["tag"] = device.tag
    if version >= (2, 79):
        shown["delete_on_termination"] = device.delete_on_termination
    return shown

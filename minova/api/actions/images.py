"""Images of a server: createImage and createBackup."""

from typing import Any

from minova.api import snapshots
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import images as schemas
from minova.clients.image import ImageClient
from minova.common import errors
from minova.common.undo import Undo
from minova.db import actions, quotas, states
from minova.model import guest_agent
from minova.model import states as model_states

# From here on the answer has the image's id in its body instead of a header.
_IN_BODY = (2, 45)


def _create_image(tools: Tools, call: Call) -> Any:
    metadata = call.value.get("metadata") or {}
    snapshots.check_metadata(quotas.limits(tools.db, str(call.ctxt.project_id)), metadata)
    states.check(call.ctxt, call.instance, "createImage")
    if call.instance.boots_from_volume:
        return answer(call, _of_volumes(tools, call, metadata))
    with Undo() as undo:
        image = snapshots.begun(
            call.ctxt, call.instance, call.value["name"], snapshots.SNAPSHOT, undo, metadata
        )
        tools.lifecycle.begin(
            call.ctxt, call.instance, "createImage", request={"making_image": image.id}
        )
        undo.clear()
    return answer(call, image.id)


def _of_volumes(tools: Tools, call: Call, metadata: dict[str, str]) -> str:
    instance = call.instance
    tools.access.check(
        call.req,
        "servers:create_image:allow_volume_backed",
        project_id=instance.project_id,
        user_id=instance.user_id,
    )
    if instance.vm_state == model_states.ACTIVE and guest_agent.must_freeze(instance):
        raise errors.Invalid(
            f"Quiescing is not supported in instance {instance.uuid}: the snapshots of its volumes "
            "do not wait for its guest, as its image asks (os_require_quiesce); stop it first."
        )
    with Undo() as undo:
        image = snapshots.of_volumes(call.ctxt, instance, call.value["name"], undo, metadata)
        undo.clear()
    actions.record(tools.db, call.ctxt, instance.uuid, "createImage")
    return image.id


def _create_backup(tools: Tools, call: Call) -> Any:
    wanted, instance = call.value, call.instance
    metadata = wanted.get("metadata") or {}
    snapshots.check_metadata(quotas.limits(tools.db, str(call.ctxt.project_id)), metadata)
    states.check(call.ctxt, instance, "createBackup")
    if instance.boots_from_volume:
        raise errors.Invalid("Backup is not supported for volume-backed instances.")
    kind, rotation = wanted["backup_type"], int(wanted["rotation"])
    with Undo() as undo:
        image = snapshots.begun(
            call.ctxt,
            instance,
            wanted["name"],
            snapshots.BACKUP,
            undo,
            {**metadata, "backup_type": kind},
        )
        tools.lifecycle.begin(
            call.ctxt,
            instance,
            "createBackup",
            request={"making_image": image.id, "backup_type": kind, "rotation": rotation},
        )
        undo.clear()
    # Of a rotation of 0 nothing stays that the client could ask for.
    return answer(call, image.id) if rotation else None


def answer(call: Call, image_id: str) -> dict[str, str] | None:
    """How the client learns which image it will be."""
    if call.version >= _IN_BODY:
        return {"image_id": image_id}
    call.resp.set_header("Location", ImageClient(call.ctxt).url(image_id))
    return None


ACTIONS = {
    "createBackup": Action(_create_backup, "os-create-backup", schemas.CREATE_BACKUP),
    "createImage": Action(_create_image, "servers:create_image", schemas.CREATE_IMAGE),
}

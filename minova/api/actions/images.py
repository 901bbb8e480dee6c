"""Images of a server: createImage and createBackup."""

from typing import Any

from minova.api import snapshots
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import images as schemas
from minova.clients.image import ImageClient
from minova.common.undo import Undo
from minova.db import quotas, states

# From here on the answer has the image's id in its body instead of a header.
_IN_BODY = (2, 45)


def _create_image(tools: Tools, call: Call) -> Any:
    metadata = call.value.get("metadata") or {}
    snapshots.check_metadata(quotas.limits(tools.db, str(call.ctxt.project_id)), metadata)
    states.check(call.ctxt, call.instance, "createImage")
    with Undo() as undo:
        image = snapshots.begun(
            call.ctxt, call.instance, call.value["name"], snapshots.SNAPSHOT, undo, metadata
        )
        tools.lifecycle.begin(
            call.ctxt, call.instance, "createImage", request={"making_image": image.id}
        )
        undo.clear()
    return answer(call, image.id)


def answer(call: Call, image_id: str) -> dict[str, str] | None:
    """How the client learns which image it will be."""
    if call.version >= _IN_BODY:
        return {"image_id": image_id}
    call.resp.set_header("Location", ImageClient(call.ctxt).url(image_id))
    return None


ACTIONS = {
    "createImage": Action(_create_image, "servers:create_image", schemas.CREATE_IMAGE),
}

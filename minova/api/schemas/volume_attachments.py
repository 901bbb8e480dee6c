"""Bodies of the volume attachment requests."""

from minova.api.schemas import types
from minova.api.schemas.servers import DEVICE_TAG
from minova.api.validation import Body, Field

_DEVICE = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(/dev/)?[a-zA-Z]{1,8}[a-zA-Z0-9]{0,8}$",
}

ATTACH = Body(
    "volumeAttachment",
    Field("volumeId", types.UUID, required=True),
    Field("device", _DEVICE),
    Field("tag", DEVICE_TAG, since=(2, 49)),
    Field("delete_on_termination", types.BOOLEAN, since=(2, 79)),
)
# Until 2.84 it only says which volume takes the place of the attached one.
UPDATE = Body(
    "volumeAttachment",
    Field("volumeId", types.UUID, required=True),
    Field("device", _DEVICE, since=(2, 85)),
    Field("tag", DEVICE_TAG, since=(2, 85)),
    Field("delete_on_termination", types.BOOLEAN, since=(2, 85)),
    Field("serverId", types.UUID, since=(2, 85)),
    Field("id", types.UUID, since=(2, 85)),
)

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
UPDATE = Body(
    "volumeAttachment",
    Field("volumeId", types.UUID, required=True),
    Field("device", _DEVICE),
    Field("tag", DEVICE_TAG),
    Field("delete_on_termination", types.BOOLEAN),
    Field("serverId", types.UUID),
    Field("id", types.UUID, until=(2, 88)),
    Field("attachment_id", types.nullable(types.UUID), since=(2, 89)),
    Field("bdm_uuid", types.UUID, since=(2, 89)),
)

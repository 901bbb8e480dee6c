"""Bodies of createImage and createBackup."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

_ROTATION = types.integer(0)

CREATE_IMAGE = Body(
    "createImage",
    Field("name", types.NAME, required=True),
    Field("metadata", types.METADATA),
)
CREATE_BACKUP = Body(
    "createBackup",
    Field("name", types.NAME, required=True),
    Field("backup_type", {"type": "string", "maxLength": 255}, required=True),
    Field("rotation", _ROTATION, required=True),
    Field("metadata", types.METADATA),
)

"""Bodies of the aggregate requests."""

from minova.api.schemas import types
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

# A colon would be taken for the host that follows a zone.
_ZONE_NAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(?![\s])[^:\x00-\x1f\x7f]*(?<![\s])$",
}
_ZONE: Json = types.nullable(_ZONE_NAME)
_METADATA: Json = types.keys({"type": ["string", "null"], "maxLength": 255})
_IMAGE: Json = {
    "type": "object",
    "properties": {"id": types.UUID},
    "required": ["id"],
    "additionalProperties": False,
}

CREATE = Body(
    "aggregate", Field("name", types.NAME, required=True), Field("availability_zone", _ZONE)
)
UPDATE = Body("aggregate", Field("name", types.LOOSE_NAME), Field("availability_zone", _ZONE))
ADD_HOST = Body("add_host", Field("host", types.HOSTNAME, required=True))
REMOVE_HOST = Body("remove_host", Field("host", types.HOSTNAME, required=True))
SET_METADATA = Body("set_metadata", Field("metadata", _METADATA, required=True))
CACHE_IMAGES = Body(
    None, Field("cache", {**types.items(_IMAGE, 1000), "minItems": 1}, required=True)
)

"""Bodies of rescue and unrescue."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

PASSWORD = {"type": "string", "maxLength": 255}
RESCUE = Body(
    None,
    Field(
        "rescue",
        types.nullable(
            {
                "type": "object",
                "properties": {"adminPass": PASSWORD, "rescue_image_ref": types.UUID},
                "additionalProperties": False,
            }
        ),
        required=True,
    ),
)
UNRESCUE = Body(None, Field("unrescue", types.NOTHING, required=True))

"""Bodies of rescue and unrescue."""

from minova.api.schemas import types
from minova.api.schemas.password import PASSWORD
from minova.api.validation import Body, Field

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

"""Bodies of the service requests."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

_REASON = {**types.TEXT, "type": "string", "minLength": 1}

UPDATE = Body(
    None,
    Field("status", {"enum": ["enabled", "disabled"]}),
    Field("disabled_reason", _REASON),
    Field("forced_down", types.BOOLEAN),
)
UPDATE_BY_NAME = Body(
    None,
    Field("host", types.HOSTNAME, required=True),
    Field("binary", {"type": "string", "minLength": 1, "maxLength": 255}, required=True),
    Field("disabled_reason", _REASON),
    Field("forced_down", types.BOOLEAN, since=(2, 11)),
)

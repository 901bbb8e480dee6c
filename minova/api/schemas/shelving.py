"""Bodies of shelve, shelveOffload and unshelve."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

SHELVE = Body(None, Field("shelve", types.NOTHING, required=True))
OFFLOAD = Body(None, Field("shelveOffload", types.NOTHING, required=True))

_TO_ZONE = types.nullable(
    {
        "type": "object",
        "properties": {"availability_zone": types.NAME},
        "required": ["availability_zone"],
        "additionalProperties": False,
    }
)
# A zone of null takes the server's tie to its zone away.
_TO_HOST = types.nullable(
    {
        "type": "object",
        "properties": {
            "availability_zone": {"type": ["string", "null"], "maxLength": 255},
            "host": types.HOSTNAME,
        },
        "minProperties": 1,
        "additionalProperties": False,
    }
)
UNSHELVE = Body(
    None,
    Field("unshelve", types.NOTHING, until=(2, 76), required=True),
    Field("unshelve", _TO_ZONE, since=(2, 77), until=(2, 90), required=True),
    Field("unshelve", _TO_HOST, since=(2, 91), required=True),
)

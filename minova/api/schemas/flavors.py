"""Bodies of the flavor requests."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

_NAME = {**types.LOOSE_NAME, "maxLength": 255}
_ID = {
    "anyOf": [
        {"type": "null"},
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": r"^(?! )[a-zA-Z0-9. _\-]+(?<! )$",
        },
    ]
}
_RXTX = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 3.40282e38},
        {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$"},
    ]
}

CREATE = Body(
    "flavor",
    Field("name", _NAME, required=True),
    Field("id", _ID),
    Field("ram", types.integer(1), required=True),
    Field("vcpus", types.integer(1), required=True),
    Field("disk", types.integer(0), required=True),
    Field("OS-FLV-EXT-DATA:ephemeral", types.integer(0)),
    Field("swap", types.integer(0)),
    Field("rxtx_factor", _RXTX),
    Field("os-flavor-access:is_public", types.BOOLEAN),
    Field("description", types.LONG_TEXT, since=(2, 55)),
)
UPDATE = Body("flavor", Field("description", types.LONG_TEXT, required=True))

_TENANT = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-zA-Z0-9\-_]+$"}
GRANT = Body("addTenantAccess", Field("tenant", _TENANT, required=True))
REVOKE = Body("removeTenantAccess", Field("tenant", _TENANT, required=True))

_VALUE = {"type": ["string", "integer", "number", "boolean"], "maxLength": 255}
_KEY = r"^[a-zA-Z0-9\-_:. ]{1,255}$"
ADD_SPECS = Body("extra_specs", pattern={_KEY: _VALUE})
SET_SPEC = Body(None, pattern={_KEY: _VALUE})

"""Bodies of the requests that other services answer today."""

from minova.api.schemas import types
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

_ANYTHING: Json = {}
_TEXT: Json = {"type": "string", "maxLength": 255}
_ADDRESS: Json = {"anyOf": [types.IPV4, types.IPV6]}

# Nova never looked at what else these two held.
SECURITY_GROUP = Body(
    "security_group",
    Field("name", _TEXT, required=True),
    Field("description", _TEXT, required=True),
    pattern={"": _ANYTHING},
)
SECURITY_GROUP_RULE = Body(
    "security_group_rule",
    Field("parent_group_id", types.UUID, required=True),
    Field("group_id", types.nullable(types.UUID)),
    Field("from_port", _ANYTHING),
    Field("to_port", _ANYTHING),
    Field("ip_protocol", _ANYTHING),
    Field("cidr", _ANYTHING),
    pattern={"": _ANYTHING},
)

FLOATING_IP = Body(None, Field("pool", types.nullable(_TEXT)), pattern={"": _ANYTHING})
ADD_FLOATING_IP = Body(
    "addFloatingIp", Field("address", _ADDRESS, required=True), Field("fixed_address", _ADDRESS)
)
REMOVE_FLOATING_IP = Body("removeFloatingIp", Field("address", _ADDRESS, required=True))

VOLUME = Body(
    "volume",
    Field("size", types.integer(1), required=True),
    Field("snapshot_id", _TEXT),
    Field("volume_type", _TEXT),
    Field("metadata", {"type": "object", "maxProperties": 1000}),
    Field("availability_zone", _TEXT),
    Field("display_name", _TEXT),
    Field("display_description", _TEXT),
)
SNAPSHOT = Body(
    "snapshot",
    Field("volume_id", _TEXT, required=True),
    Field("force", types.BOOLEAN),
    Field("display_name", _TEXT),
    Field("display_description", _TEXT),
)

METADATA = Body(None, Field("metadata", types.METADATA, required=True))
META = Body(
    None, Field("meta", {**types.METADATA, "minProperties": 1, "maxProperties": 1}, required=True)
)

"""Bodies of the requests that change a server's interfaces and addresses."""

from minova.api.schemas import types
from minova.api.schemas.servers import DEVICE_TAG
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

_FIXED_IP: Json = {
    "type": "object",
    "properties": {"ip_address": {"anyOf": [types.IPV4, types.IPV6]}},
    "required": ["ip_address"],
    "additionalProperties": False,
}


def _attachment(*, tagged: bool) -> Json:
    properties: Json = {
        "net_id": types.UUID,
        "port_id": types.nullable(types.UUID),
        "fixed_ips": {"type": "array", "minItems": 1, "maxItems": 1, "items": _FIXED_IP},
    }
    if tagged:
        properties["tag"] = DEVICE_TAG
    return {"type": "object", "properties": properties, "additionalProperties": False}


ATTACH = Body(
    None,
    Field("interfaceAttachment", _attachment(tagged=False), until=(2, 48)),
    Field("interfaceAttachment", _attachment(tagged=True), since=(2, 49)),
)
ADD_FIXED_IP = Body(
    "addFixedIp",
    Field(
        "networkId",
        {"type": ["string", "number"], "minLength": 1, "maxLength": 255},
        required=True,
    ),
)
REMOVE_FIXED_IP = Body(
    "removeFixedIp", Field("address", {"anyOf": [types.IPV4, types.IPV6]}, required=True)
)

"""Bodies of POST and PUT /servers, version by version."""

from minova.api.schemas import types
from minova.api.schemas.types import Json
from minova.api.validation import Body, Field

TAG: Json = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"^[^,/\x00-\x1f]*$"}
TAGS: Json = types.items(TAG, 50)
DEVICE_TAG: Json = {**TAG, "maxLength": 60}
NAMED: Json = {"type": "string", "minLength": 1, "maxLength": 255}
DISK_CONFIG: Json = {"enum": ["AUTO", "MANUAL"]}
ACCESS_IPV4: Json = {"anyOf": [types.IPV4, {"enum": ["", None]}]}
ACCESS_IPV6: Json = {"anyOf": [types.IPV6, {"enum": ["", None]}]}
SHORT_HOSTNAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 63,
    "pattern": r"^[a-zA-Z0-9]+[a-zA-Z0-9\-]*[a-zA-Z0-9]+$",
}
LONG_HOSTNAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^([a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?\.)*"
    r"[a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?$",
}
_FLAVOR: Json = {"type": ["string", "integer"], "minLength": 1, "maxLength": 512, "minimum": 0}
# An id or, as Nova still takes it, an URL that ends in one.
IMAGE: Json = {"type": "string", "maxLength": 1024}
CERTIFICATES: Json = types.nullable(
    types.items({"type": "string", "maxLength": 255}, 50, unique=True)
)
FILE: Json = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "contents": {"type": "string"}},
    "additionalProperties": False,
}


def _network(*, tagged: bool, strict: bool) -> Json:
    properties: Json = {
        "uuid": types.UUID if strict else {"type": "string", "maxLength": 255},
        "port": types.nullable(types.UUID),
        "fixed_ip": {"anyOf": [types.IPV4, types.IPV6]},
    }
    if tagged:
        properties["tag"] = DEVICE_TAG
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _networks(*, tagged: bool, strict: bool) -> Json:
    return types.items(_network(tagged=tagged, strict=strict), 64)


_NETWORKS_2_37: Json = {"anyOf": [{"enum": ["none", "auto"]}, _networks(tagged=False, strict=True)]}
_NETWORKS_2_42: Json = {"anyOf": [{"enum": ["none", "auto"]}, _networks(tagged=True, strict=True)]}


def _device(*, tagged: bool = False, typed: bool = False) -> Json:
    properties: Json = {
        "uuid": {"type": ["string", "null"], "maxLength": 255},
        "source_type": {"enum": ["image", "volume", "snapshot", "blank"]},
        "destination_type": {"enum": ["local", "volume"]},
        "device_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "pattern": r"^[a-zA-Z0-9._\-/]*$",
        },
        "volume_size": {"anyOf": [types.integer(1), {"enum": ["", None]}]},
        "boot_index": {"anyOf": [types.integer(-1), {"type": "null"}]},
        "delete_on_termination": types.BOOLEAN,
        "guest_format": {"type": ["string", "null"], "maxLength": 255},
        "disk_bus": {"type": ["string", "null"], "maxLength": 255},
        "device_type": {"type": ["string", "null"], "maxLength": 255},
        "no_device": {},
    }
    if tagged:
        properties["tag"] = DEVICE_TAG
    if typed:
        properties["volume_type"] = {"type": ["string", "null"], "maxLength": 255}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["source_type"],
    }


_OLD_DEVICE: Json = {
    "type": "object",
    "properties": {
        "device_name": {"type": "string", "minLength": 1, "maxLength": 255},
        "volume_id": types.UUID,
        "snapshot_id": types.UUID,
        "volume_size": types.integer(1),
        "delete_on_termination": types.BOOLEAN,
        "no_device": {},
        "virtual_name": {"type": "string", "maxLength": 255},
    },
    "additionalProperties": False,
}
_HINT: Json = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"], "maxLength": 1024},
        types.items({"type": "string", "maxLength": 255}, 64),
        {"type": "object", "maxProperties": 16},
    ]
}
_SERVERS: Json = {"anyOf": [types.UUID, types.items(types.UUID, 64)]}
HINTS: Json = {
    "type": "object",
    "properties": {
        "group": types.UUID,
        "same_host": _SERVERS,
        "different_host": _SERVERS,
        "query": {"type": ["string", "object"]},
        "target_cell": {"type": "string", "minLength": 1, "maxLength": 255},
        "different_cell": {
            "anyOf": [
                {"type": "string", "maxLength": 255},
                types.items({"type": "string", "maxLength": 255}, 64),
            ]
        },
        "build_near_host_ip": {"anyOf": [types.IPV4, types.IPV6]},
        "cidr": {"type": "string", "pattern": r"^/[0-9a-f.:]+$"},
    },
    "maxProperties": 32,
    "propertyNames": {"maxLength": 64},
    "additionalProperties": _HINT,
}

CREATE = Body(
    "server",
    Field("name", types.NAME, required=True),
    Field("flavorRef", _FLAVOR, required=True),
    Field("imageRef", IMAGE),
    Field("adminPass", {"type": "string", "maxLength": 255}),
    Field("metadata", types.METADATA),
    Field("networks", _networks(tagged=False, strict=False), until=(2, 31)),
    Field("networks", _networks(tagged=True, strict=False), since=(2, 32), until=(2, 36)),
    Field("networks", _NETWORKS_2_37, since=(2, 37), until=(2, 41), required=True),
    Field("networks", _NETWORKS_2_42, since=(2, 42), required=True),
    Field("OS-DCF:diskConfig", DISK_CONFIG),
    Field("accessIPv4", ACCESS_IPV4),
    Field("accessIPv6", ACCESS_IPV6),
    Field("personality", types.items(FILE, 1000), until=(2, 56)),
    Field("key_name", NAMED),
    Field(
        "security_groups",
        types.items(
            {
                "type": "object",
                "properties": {"name": NAMED},
                "required": ["name"],
                "additionalProperties": False,
            },
            64,
        ),
    ),
    Field("user_data", {"type": "string", "maxLength": 65535}),
    Field("config_drive", types.BOOLEAN),
    Field("availability_zone", {"type": "string", "minLength": 1, "maxLength": 255}),
    Field("min_count", types.integer(1)),
    Field("max_count", types.integer(1)),
    Field("return_reservation_id", types.BOOLEAN),
    Field("block_device_mapping", types.items(_OLD_DEVICE, 26)),
    Field("block_device_mapping_v2", types.items(_device(), 26), until=(2, 31)),
    Field(
        "block_device_mapping_v2",
        types.items(_device(tagged=True), 26),
        since=(2, 32),
        until=(2, 32),
    ),
    Field("block_device_mapping_v2", types.items(_device(), 26), since=(2, 33), until=(2, 41)),
    Field(
        "block_device_mapping_v2",
        types.items(_device(tagged=True), 26),
        since=(2, 42),
        until=(2, 66),
    ),
    Field(
        "block_device_mapping_v2",
        types.items(_device(tagged=True, typed=True), 26),
        since=(2, 67),
    ),
    Field("description", types.TEXT, since=(2, 19)),
    Field("tags", TAGS, since=(2, 52)),
    Field("trusted_image_certificates", CERTIFICATES, since=(2, 63)),
    Field("host", types.HOSTNAME, since=(2, 74)),
    Field("hypervisor_hostname", types.HOSTNAME, since=(2, 74)),
    Field("hostname", SHORT_HOSTNAME, since=(2, 90), until=(2, 93)),
    Field("hostname", LONG_HOSTNAME, since=(2, 94)),
    beside=(Field("os:scheduler_hints", HINTS), Field("OS-SCH-HNT:scheduler_hints", HINTS)),
)

UPDATE = Body(
    "server",
    Field("name", types.NAME),
    Field("accessIPv4", ACCESS_IPV4),
    Field("accessIPv6", ACCESS_IPV6),
    Field("OS-DCF:diskConfig", DISK_CONFIG),
    Field("description", types.TEXT, since=(2, 19)),
    Field("hostname", SHORT_HOSTNAME, since=(2, 90), until=(2, 93)),
    Field("hostname", LONG_HOSTNAME, since=(2, 94)),
)

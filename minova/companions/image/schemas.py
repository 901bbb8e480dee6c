"""What image documents look like: one table for checking input and for /v2/schemas.

Clients such as python-glanceclient fetch the published schemas and build
their objects from them.
"""

from typing import Any

import jsonschema

from minova.common import errors, texts
from minova.companions.image.records import (
    CONTAINER_FORMATS,
    DISK_FORMATS,
    MEMBER_STATUSES,
    VISIBILITIES,
)

MAX_NAME, MAX_VALUE, MAX_ITEMS, MAX_INT = 255, 16_000, 128, 2**31 - 1
_UUID_FORM = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_NAME = {"type": ["null", "string"], "maxLength": MAX_NAME}
_COUNT = {"type": "integer", "minimum": 0, "maximum": MAX_INT}
_TAGS = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
    "maxItems": MAX_ITEMS,
}

# What a client may set: name -> (schema, description).
WRITABLE: dict[str, tuple[dict[str, Any], str]] = {
    "id": ({"type": "string", "pattern": _UUID_FORM}, "An identifier for the image"),
    "name": (_NAME, "Descriptive name for the image"),
    "visibility": ({"type": "string", "enum": list(VISIBILITIES)}, "Scope of accessibility"),
    "protected": ({"type": "boolean"}, "If true, image will not be deletable"),
    "os_hidden": ({"type": "boolean"}, "If true, image is left out of default lists"),
    "owner": (_NAME, "Project that owns the image"),
    "container_format": (
        {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]},
        "Format of the container",
    ),
    "disk_format": (
        {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]},
        "Format of the disk",
    ),
    "min_ram": (_COUNT, "Amount of ram (in MB) required to boot image"),
    "min_disk": (_COUNT, "Amount of disk space (in GB) required to boot image"),
    "tags": (_TAGS, "List of strings related to the image"),
}
# What only the service sets.
_TIME = {"type": "string"}
_READ_ONLY: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"type": "string"}, "Status of the image"),
    "size": ({"type": ["null", "integer"]}, "Size of image file in bytes"),
    "virtual_size": ({"type": ["null", "integer"]}, "Virtual size of image in bytes"),
    "checksum": ({"type": ["null", "string"], "maxLength": 32}, "md5 hash of image contents"),
    "os_hash_algo": ({"type": ["null", "string"], "maxLength": 64}, "Algorithm of os_hash_value"),
    "os_hash_value": ({"type": ["null", "string"], "maxLength": 128}, "Hexdigest of the contents"),
    "created_at": (_TIME, "Date and time of image registration"),
    "updated_at": (_TIME, "Date and time of the last image modification"),
    "direct_url": ({"type": "string"}, "Where the data is in the store; for services"),
    "self": ({"type": "string"}, "The image's own path"),
    "file": ({"type": "string"}, "The path of the image's data"),
    "schema": ({"type": "string"}, "The path of this schema"),
}
# Names with a meaning elsewhere, never an own property of a user.
_RESERVED = ("locations", "location", "deleted", "deleted_at", "stores", "properties")
_RESERVED_PREFIX = "os_glance"

_MEMBER = {
    "member_id": {"type": "string", "description": "An identifier for the image member"},
    "image_id": {"type": "string", "description": "An identifier for the image"},
    "created_at": _TIME,
    "updated_at": _TIME,
    "status": {"type": "string", "enum": list(MEMBER_STATUSES)},
    "schema": {"type": "string"},
}


def check_writable(name: str) -> None:
    """errors.Forbidden for an attribute a client must not set."""
    if name in _READ_ONLY:
        raise errors.Forbidden(f"Attribute '{name}' is read-only.")
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        raise errors.Forbidden(f"Attribute '{name}' is reserved.")


class Checker:
    """A compiled schema; calling it raises errors.Invalid that names the field."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = jsonschema.Draft202012Validator(schema)

    def __call__(self, body: Any) -> Any:
        """`body` back, if it is valid."""
        texts.require_storable(body)
        error = next(self._validator.iter_errors(body), None)
        if error is not None:
            where = "".join(f"[{part!r}]" for part in error.absolute_path)
            raise errors.Invalid(
                f"Provided object does not match schema{': field ' + where if where else ''}: "
                f"{_reason(error)}"
            )
        return body


def _reason(error: jsonschema.ValidationError) -> str:
    """The validator's words, without repeating a huge value."""
    return error.message if len(error.message) <= 300 else f"{error.message[:297]}..."


_OWN_PROPERTY = {"type": "string", "maxLength": MAX_VALUE}
_BASE = {name: schema for name, (schema, _) in WRITABLE.items()}

check_create = Checker(
    {
        "type": "object",
        "properties": _BASE,
        "additionalProperties": _OWN_PROPERTY,
        "propertyNames": {"minLength": 1, "maxLength": MAX_NAME},
        "maxProperties": MAX_ITEMS + len(_BASE),
    }
)
# One attribute by its name, as PATCH sets it.
_attribute = {name: Checker({"properties": {name: schema}}) for name, schema in _BASE.items()}
_check_own = Checker(
    {
        "additionalProperties": _OWN_PROPERTY,
        "propertyNames": {"minLength": 1, "maxLength": MAX_NAME},
    }
)
check_member = Checker(
    {
        "type": "object",
        "properties": {"member": {"type": "string", "minLength": 1, "maxLength": MAX_NAME}},
        "required": ["member"],
    }
)
check_member_status = Checker(
    {
        "type": "object",
        "properties": {"status": {"type": "string", "enum": list(MEMBER_STATUSES)}},
        "required": ["status"],
    }
)
check_import = Checker(
    {
        "type": "object",
        "properties": {
            "method": {
                "type": "object",
                "properties": {"name": {"type": "string", "enum": ["glance-direct"]}},
                "required": ["name"],
            },
            "stores": {"type": "array", "items": {"type": "string", "enum": ["file"]}},
            "all_stores": {"type": "boolean"},
            "all_stores_must_succeed": {"type": "boolean"},
        },
        "required": ["method"],
    }
)


def check_attribute(name: str, value: Any) -> None:
    """errors.Invalid unless `value` may be the attribute or own property `name`."""
    _attribute.get(name, _check_own)({name: value})


def _image_document() -> dict[str, Any]:
    fields = {
        name: {**schema, "description": description}
        for name, (schema, description) in WRITABLE.items()
    }
    for name, (schema, description) in _READ_ONLY.items():
        fields[name] = {**schema, "description": f"{description} (READ-ONLY)", "readOnly": True}
    return {
        "name": "image",
        "properties": fields,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def _list_document(name: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": item},
            "schema": {"type": "string"},
            "first": {"type": "string"},
            "next": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def published() -> dict[str, dict[str, Any]]:
    """The documents of GET /v2/schemas/NAME."""
    image = _image_document()
    member = {"name": "member", "properties": _MEMBER}
    return {
        "image": image,
        "images": _list_document("images", image),
        "member": member,
        "members": _list_document("members", member),
    }

"""JSON patches of images: from either dialect to `Change`s, and onto a record.

`application/openstack-images-v2.1-json-patch` is RFC 6902 limited to add,
replace and remove of one attribute; v2.0 spells the same
`{"replace": "/name", "value": …}`.
"""

from dataclasses import dataclass
from typing import Any

from minova.common import errors
from minova.companions.image import records, schemas
from minova.companions.image.records import Image

OPERATIONS = ("add", "replace", "remove")
MEDIA_TYPES = {
    "application/openstack-images-v2.1-json-patch": "2.1",
    "application/openstack-images-v2.0-json-patch": "2.0",
}
# Attribute of the API -> field of the record, where they differ.
FIELDS = {"os_hidden": "hidden"}
_NOT_CHANGEABLE = ("id",)
_ONLY_QUEUED = ("disk_format", "container_format")


@dataclass(frozen=True)
class Change:
    """One operation on one attribute."""

    operation: str
    name: str
    value: Any = None


def parse(body: Any, media_type: str | None) -> list[Change]:
    """The changes a PATCH body asks for. errors.Invalid, UnsupportedMediaType."""
    version = MEDIA_TYPES.get((media_type or "").split(";")[0].strip().lower())
    if version is None:
        raise errors.UnsupportedMediaType(
            "PATCH of an image needs the content type application/openstack-images-v2.1-json-patch."
        )
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise errors.Invalid("Request body must be a JSON array of operation objects.")
    if len(body) > schemas.MAX_ITEMS:
        raise errors.Invalid(f"At most {schemas.MAX_ITEMS} operations fit in one PATCH.")
    return [_change(item, version) for item in body]


def apply(image: Image, change: Change) -> None:
    """Make one change. Forbidden, Invalid or Conflict as the image's state has it."""
    schemas.check_writable(change.name)
    if change.name in _NOT_CHANGEABLE:
        raise errors.Forbidden(f"Attribute '{change.name}' is read-only.")
    if change.name in schemas.WRITABLE:
        _apply_core(image, change)
    else:
        _apply_own(image, change)


def _change(item: dict[str, Any], version: str) -> Change:
    operation = item.get("op")
    if version == "2.0":
        named = [name for name in OPERATIONS if name in item]
        operation = named[0] if len(named) == 1 else None
    if operation not in OPERATIONS:
        raise errors.Invalid(f"Every operation must be one of: {', '.join(OPERATIONS)}.")
    path = item.get("path") if version == "2.1" else item.get(operation)
    if operation != "remove" and "value" not in item:
        raise errors.Invalid(f'Operation "{operation}" requires a member named "value".')
    return Change(operation, _attribute(path), item.get("value"))


def _attribute(path: Any) -> str:
    """The attribute a JSON pointer of one level names."""
    if not isinstance(path, str) or not path.startswith("/") or len(path) < 2:
        raise errors.Invalid("Every operation needs a path like /name.")
    parts = path[1:].split("/")
    if len(parts) > 1 and parts[0] != "locations":
        raise errors.Invalid(f"The path {path[:300]} has more than one level.")
    name = parts[0].replace("~1", "/").replace("~0", "~")
    if len(name) > schemas.MAX_NAME:
        raise errors.Invalid(f"An attribute's name has at most {schemas.MAX_NAME} characters.")
    return name


def _apply_core(image: Image, change: Change) -> None:
    name = change.name
    if change.operation == "remove":
        raise errors.Forbidden(f"Property '{name}' may not be removed.")
    if name in _ONLY_QUEUED and image.status != records.QUEUED:
        raise errors.Forbidden(f"Attribute {name} can be only replaced for a queued image.")
    schemas.check_attribute(name, change.value)
    value = sorted(set(change.value)) if name == "tags" else change.value
    setattr(image, FIELDS.get(name, name), value)


def _apply_own(image: Image, change: Change) -> None:
    if change.operation == "add":
        if change.name not in image.properties and len(image.properties) >= schemas.MAX_ITEMS:
            raise errors.TooLarge(f"An image has at most {schemas.MAX_ITEMS} own properties.")
    elif change.name not in image.properties:
        raise errors.Conflict(f"Property {change.name} does not exist.")
    if change.operation == "remove":
        del image.properties[change.name]
        return
    schemas.check_attribute(change.name, change.value)
    image.properties[change.name] = change.value

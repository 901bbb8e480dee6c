"""Words that the schemas of bodies share."""

from typing import Any

Json = dict[str, Any]

# Printable, and no blank at either end.
NAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(?![\s])[^\x00-\x1f\x7f]*(?<![\s])$",
}
# As NAME; blanks at the ends are cut off, as Nova did for v2.
LOOSE_NAME: Json = {**NAME, "pattern": r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"}
TEXT: Json = {
    "type": ["string", "null"],
    "maxLength": 255,
    "pattern": r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
}
LONG_TEXT: Json = {**TEXT, "maxLength": 65535}
BOOLEAN: Json = {
    "enum": [
        *(True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t"),
        *(False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"),
    ]
}
UUID: Json = {"type": "string", "format": "uuid", "maxLength": 36}
HOSTNAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[a-zA-Z0-9\-._]*$",
}
IPV4: Json = {"type": "string", "format": "ipv4", "maxLength": 15}
IPV6: Json = {"type": "string", "format": "ipv6", "maxLength": 45}
NOTHING: Json = {}


def integer(minimum: int, maximum: int = 2**31 - 1) -> Json:
    """A number, or its decimal digits as a string; `minimum` is -1, 0 or 1 for strings."""
    digits = {-1: r"^(-1|[0-9]{1,9})$", 0: r"^[0-9]{1,9}$"}.get(minimum, r"^[1-9][0-9]{0,8}$")
    return {
        "anyOf": [
            {"type": "integer", "minimum": minimum, "maximum": maximum},
            {"type": "string", "pattern": digits},
        ]
    }


def nullable(schema: Json) -> Json:
    """`schema`, or null."""
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [{"type": "null"}, schema]}


def items(schema: Json, most: int, *, unique: bool = False) -> Json:
    """A list of at most `most`."""
    return {"type": "array", "items": schema, "maxItems": most, "uniqueItems": unique}


def keys(value: Json, most: int = 1000) -> Json:
    """A dict with keys as metadata and extra specs have them."""
    return {
        "type": "object",
        "patternProperties": {r"^[a-zA-Z0-9\-_:. ]{1,255}$": value},
        "additionalProperties": False,
        "maxProperties": most,
    }


METADATA: Json = keys({"type": "string", "maxLength": 255})

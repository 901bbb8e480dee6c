"""JSON schemas of request bodies, and what a body that breaks one is told.

Keystone takes attributes of a client's own invention on most resources and
stores them, so objects stay open; their number is capped.
"""

from typing import Any

import jsonschema

from minova.common import errors

Schema = dict[str, Any]
MAX_BODY = 112 * 1024
MAX_EXTRA = 64

NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S"}
# Keystone's bound for the names of projects and domains; clients test for it.
SHORT_NAME: Schema = {**NAME, "maxLength": 64}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
REGION_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
DESCRIPTION: Schema = {"type": ["string", "null"], "maxLength": 1024}
URL: Schema = {"type": "string", "maxLength": 2048, "pattern": "^https?://"}
BOOLEAN: Schema = {"type": "boolean"}


class Check:
    """A compiled schema; calling it raises errors.Invalid naming the field and the cure."""

    def __init__(self, schema: Schema) -> None:
        self._validator = jsonschema.Draft202012Validator(schema)

    def __call__(self, body: Any) -> None:
        for error in self._validator.iter_errors(body):
            raise errors.Invalid(_explain(error))


def resource(member: str, properties: Schema, required: tuple[str, ...] = ()) -> Check:
    """The check of `{member: {properties…}}`."""
    inner = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "maxProperties": MAX_EXTRA,
    }
    return Check({"type": "object", "properties": {member: inner}, "required": [member]})


def nullable(schema: Schema) -> Schema:
    """`schema`, or null."""
    return {**schema, "type": [schema["type"], "null"]}


_DOMAIN: Schema = {"type": "object", "properties": {"id": ID, "name": NAME}}
_NAMED: Schema = {"type": "object", "properties": {"id": ID, "name": NAME, "domain": _DOMAIN}}


def auth(max_password: int) -> Check:
    """The check of POST /v3/auth/tokens."""
    password = {"type": "string", "maxLength": max_password}
    user = {
        "type": "object",
        "properties": {**_NAMED["properties"], "password": password},
        "required": ["password"],
    }
    identity = {
        "type": "object",
        "properties": {
            "methods": {
                "type": "array",
                "items": {"type": "string", "maxLength": 64},
                "minItems": 1,
                "maxItems": 8,
            },
            "password": {"type": "object", "properties": {"user": user}, "required": ["user"]},
            "token": {
                "type": "object",
                "properties": {"id": {"type": "string", "minLength": 1}},
                "required": ["id"],
            },
        },
        "required": ["methods"],
    }
    system = {"type": "object", "properties": {"all": {"const": True}}, "required": ["all"]}
    scopes = {
        "type": "object",
        "properties": {
            "project": _NAMED,
            "domain": _DOMAIN,
            "system": system,
            "unscoped": {"type": "object"},
        },
    }
    scope = {"if": {"type": "string"}, "then": {"enum": ["unscoped"]}, "else": scopes}
    return resource("auth", {"identity": identity, "scope": scope}, required=("identity",))


# What is wrong, by the schema's keyword. The value itself is never shown: it may be a password.
_REASONS = {
    "type": "must be of type {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "maxProperties": "must have at most {} attributes",
    "enum": "must be one of {}",
    "const": "must be {}",
    "pattern": "must match the pattern {}",
}


def _explain(error: jsonschema.ValidationError) -> str:
    path = ".".join(str(part) for part in error.absolute_path) or "body"
    given: Any = error.instance
    limit: Any = error.validator_value
    if error.validator == "required":
        missing = [name for name in limit if name not in given]
        return (
            f"Invalid input for {path}: '{missing[0]}' is a required property. Add it to the "
            "request and try again."
        )
    shown = ", ".join(map(str, limit)) if isinstance(limit, list) else str(limit)
    reason = _REASONS.get(str(error.validator), "is not valid").format(shown)
    return f"Invalid input for field '{path}': it {reason}. Correct it and try again."

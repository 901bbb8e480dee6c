"""Shapes of answers: JSON schemas with objects whose fields come and go with the versions.

A `Shape` stands anywhere in a schema where an object is; `resolve` gives the
plain JSON schema that holds for one version. Answers are strict: a field
that is not listed is a mistake, and so is a listed one that is missing,
unless it `may` be there.
"""

from collections.abc import Mapping
from typing import Any

from minova.api.microversions import MAX, MIN, Version
from minova.api.validation import Field

Json = dict[str, Any]


class Shape:
    """An object with these fields and, when `more` is a schema, any others that meet it."""

    def __init__(self, *fields: Field, more: Any = None) -> None:
        self.fields = fields
        self._more = more

    def at(self, version: Version) -> Json:
        """The JSON schema that holds for `version`."""
        known = [field for field in self.fields if field.since <= version <= field.until]
        return {
            "type": "object",
            "properties": {field.name: resolve(field.schema, version) for field in known},
            "required": [field.name for field in known if field.required],
            "additionalProperties": False if self._more is None else resolve(self._more, version),
        }


def resolve(schema: Any, version: Version) -> Any:
    """`schema` as plain JSON schema: every Shape in it as `version` has it."""
    if isinstance(schema, Shape):
        return schema.at(version)
    if isinstance(schema, Mapping):
        return {key: resolve(value, version) for key, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [resolve(value, version) for value in schema]
    return schema


def has(name: str, schema: Any, since: Version = MIN, until: Version = MAX) -> Field:
    """A field that is always there in these versions."""
    return Field(name, schema, since, until, required=True)


def may(name: str, schema: Any, since: Version = MIN, until: Version = MAX) -> Field:
    """A field that is there for some: by policy, state, or what the resource has."""
    return Field(name, schema, since, until)


def of(name: str, schema: Any) -> Shape:
    """`{name: …}`, as most answers are."""
    return Shape(has(name, schema))


def every(schema: Any) -> Json:
    """A list of these."""
    return {"type": "array", "items": schema}


def listed(name: str, schema: Any, since: Version = MIN) -> Shape:
    """A list that comes in pages from `since` on."""
    return Shape(has(name, every(schema)), may(f"{name}_links", LINKS, since))


def maybe(schema: Any) -> Json:
    """`schema` or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def by_name(schema: Any) -> Json:
    """An object whose keys are names that users or operators gave."""
    return {"type": "object", "additionalProperties": schema}


STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}
COUNT: Json = {"type": "integer", "minimum": 0}
FLAG: Json = {"type": "boolean"}
UUID: Json = {
    "type": "string",
    "pattern": r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}
# `2026-11-21T11:15:36Z` and `2026-11-21T11:15:36.000000`.
STAMP: Json = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
PRECISE: Json = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"}
LINK = Shape(has("rel", STRING), has("href", {"type": "string", "format": "uri"}))
LINKS: Json = {"type": "array", "items": LINK}
STRINGS: Json = by_name(STRING)

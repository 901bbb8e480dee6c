"""Checks request bodies and query strings against jsonschema, per microversion.

A `Body` is a list of fields, each with the versions it exists in. The
validator of a version is compiled on first use and kept; an answer to a bad
body names the field and what is wrong with it.
"""

import datetime as dt
import ipaddress
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import falcon
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from minova.api.microversions import MAX, MIN, Version
from minova.common import errors, wsgi

Schema = Mapping[str, Any]
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_SHOWN = 120
_formats = FormatChecker(formats=())


@dataclass(frozen=True)
class Field:
    """A field of a body, and the versions that know it (both included)."""

    name: str
    schema: Schema
    since: Version = MIN
    until: Version = MAX
    required: bool = False
    required_since: Version | None = None


class Body:
    """The body `{key: {fields}}` of a request; without `key` the fields stand at the top.

    `beside` are fields beside `key`. Unknown fields are refused, unless
    `pattern` (name pattern → schema) takes them.
    """

    def __init__(
        self,
        key: str | None,
        *fields: Field,
        beside: Iterable[Field] = (),
        pattern: Mapping[str, Schema] | None = None,
    ) -> None:
        self._key, self._fields, self._beside = key, fields, tuple(beside)
        self._pattern = pattern or {}
        self._validators: dict[Version, Draft202012Validator] = {}
        self._lock = threading.Lock()

    def of(self, req: falcon.Request) -> dict[str, Any]:
        """The request's whole body, checked; errors.Invalid names what is wrong."""
        body: dict[str, Any] = wsgi.body_of(req)
        self.check(req.context.version, body)
        return body

    def check(self, version: Version, body: Any) -> None:
        """Check a body one has."""
        with self._lock:
            validator = self._validators.get(version)
            if validator is None:
                validator = self._validators[version] = compiled(self.schema(version))
        refuse(validator, body)

    def schema(self, version: Version) -> dict[str, Any]:
        """The JSON schema that holds for `version`."""
        inner = _object(self._fields, version, self._pattern)
        if self._key is None:
            return inner
        outer = _object(self._beside, version, {})
        outer["properties"][self._key] = inner
        outer["required"] = [*outer["required"], self._key]
        return outer


def _object(fields: Iterable[Field], version: Version, pattern: Mapping[str, Schema]) -> Any:
    known = [field for field in fields if field.since <= version <= field.until]
    return {
        "type": "object",
        "properties": {field.name: field.schema for field in known},
        "required": [f.name for f in known if f.required or _required_by(f, version)],
        "patternProperties": dict(pattern),
        "additionalProperties": False,
    }


def _required_by(field: Field, version: Version) -> bool:
    return field.required_since is not None and version >= field.required_since


def compiled(schema: Schema) -> Draft202012Validator:
    """A validator that knows our formats."""
    return Draft202012Validator(_to_the_end(schema), format_checker=_formats)


def _to_the_end(schema: Any) -> Any:
    """`schema` with patterns that end where JSON schema means: Python's `$` lets a newline pass."""
    if isinstance(schema, list):
        return [_to_the_end(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    strict: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "pattern" and isinstance(value, str):
            strict[key] = _ended(value)
        elif key == "patternProperties":
            strict[key] = {_ended(name): _to_the_end(inner) for name, inner in value.items()}
        else:
            strict[key] = _to_the_end(value)
    return strict


def _ended(pattern: str) -> str:
    return pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern


def refuse(
    validator: Draft202012Validator,
    body: Any,
    *,
    where: str = "field/attribute",
    depth: int | None = None,
) -> None:
    """Raise errors.Invalid, in Nova's words, with the first thing wrong with `body`, if any.

    The message names the place in it (the last of the path's first `depth` parts) as `where`.
    """
    error = next(validator.iter_errors(body), None)
    if error is None:
        return
    path = list(error.absolute_path)[:depth]
    what = _explain(error)
    raise errors.Invalid(
        f"Invalid input for {where} {str(path[-1])[:64]}. {what}" if path else what
    )


def _explain(error: ValidationError) -> str:
    if error.validator in ("oneOf", "anyOf") and error.context:
        # What the closest alternative complains of says more than "not valid under any": the
        # one that agrees with most of the value, and with its type.
        best = min(error.context, key=lambda e: (e.validator == "type", -len(e.absolute_path)))
        return _explain(best)
    if error.validator == "additionalProperties":
        return _unexpected(error)
    said = error.message
    if len(said) > 2 * _SHOWN or error.validator == "pattern":
        rule = str(error.validator_value).replace(r"\Z", "$")[:_SHOWN]
        said = f"it does not meet {error.validator} {rule}"
    # Among the values of a whole object may be a password, and messages are traced.
    if isinstance(error.instance, dict):
        return said
    value = repr(error.instance)
    value = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    return f"Value: {value}. {said}"


def _unexpected(error: ValidationError) -> str:
    schema: Any = error.schema
    known = [re.compile(pattern) for pattern in schema.get("patternProperties", ())]
    names = sorted(
        str(name)
        for name in set(error.instance) - set(schema.get("properties", ()))  # type: ignore[arg-type]
        if not any(pattern.search(name) for pattern in known)
    )
    shown = ", ".join(repr(name[:64]) for name in names[:5])
    were = "was" if len(names) == 1 else "were"
    return f"Additional properties are not allowed ({shown} {were} unexpected)"


def _format(name: str) -> Callable[[Callable[[str], bool]], Callable[[str], bool]]:
    def register(check: Callable[[str], bool]) -> Callable[[str], bool]:
        @_formats.checks(name, raises=ValueError)
        def checked(value: object) -> bool:
            return not isinstance(value, str) or check(value)

        return check

    return register


@_format("uuid")
def is_uuid(value: str) -> bool:
    """Whether `value` is a uuid, with or without dashes."""
    return _UUID.fullmatch(value) is not None


@_format("ipv4")
def _is_ipv4(value: str) -> bool:
    ipaddress.IPv4Address(value)
    return True


@_format("ipv6")
def _is_ipv6(value: str) -> bool:
    ipaddress.IPv6Address(value)
    return True


@_format("date-time")
def _is_time(value: str) -> bool:
    parse_time(value)
    return True


@_format("regex")
def _is_regex(value: str) -> bool:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def parse_time(value: str) -> dt.datetime:
    """An ISO 8601 time, aware; without a zone it is UTC. ValueError if it is none."""
    # A "+" of a zone arrives as a blank when the client did not escape it.
    parsed = dt.datetime.fromisoformat(
        value.strip().replace(" ", "+", 1) if _zoned(value) else value
    )
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def _zoned(value: str) -> bool:
    return re.search(r"T\S* \d{2}:?\d{2}$", value) is not None


def boolean(value: Any) -> bool:
    """What the words of schemas.types.BOOLEAN mean."""
    return value is True or str(value).lower() in ("true", "1", "on", "yes", "y", "t")


def address(value: str | None) -> str | None:
    """An IP address in its shortest writing, as RFC 5952 has it; None for none or an empty one."""
    return str(ipaddress.ip_address(value)) if value else None

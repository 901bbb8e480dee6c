"""Dataclasses and datetimes as JSON and back, for RPC and stored blobs.

A class takes part by the `record` decorator. A record becomes a dict tagged
with the class's module and name; fields a peer does not know are dropped, missing ones
take their default, so that neighbouring versions can talk.
"""

import dataclasses
import datetime as dt
import functools
from typing import Any, TypeVar

T = TypeVar("T")
TAG = "minova.type"
_PLAIN = frozenset((str, int, float, bool))
_records: dict[str, type] = {}
_names: dict[type, str] = {}


def record(cls: type[T]) -> type[T]:
    """Register a dataclass (applied above `@dataclass`) to travel by name."""
    _names[cls] = _name_of(cls)
    _records[_names[cls]] = cls
    return cls


def _name_of(cls: type) -> str:
    return f"{cls.__module__.removeprefix('minova.')}.{cls.__name__}"


@functools.cache
def _fields_of(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def dump(value: Any) -> Any:
    """`value` as JSON-safe data; records and datetimes are tagged."""
    # Nearly everything is plain, and every message passes here.
    if value is None or type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {name: dump(getattr(value, name)) for name in _fields_of(type(value))}
        return {TAG: _names.get(type(value)) or _name_of(type(value)), **fields}
    if isinstance(value, dict):
        plain = {key: dump(item) for key, item in value.items()}
        # A user's own dict may hold our tag; wrapped, it can never pose as a record.
        return {TAG: "dict", "items": plain} if TAG in plain else plain
    if isinstance(value, (list, tuple, set, frozenset)):
        return [dump(item) for item in value]
    if isinstance(value, dt.datetime):
        return {TAG: "datetime", "iso": value.isoformat()}
    return value


def load(value: Any) -> Any:
    """The reverse of `dump`. Unknown tags raise KeyError: a peer is too new."""
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, list):
        return [load(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(TAG)
    if tag is None:
        return {key: load(item) for key, item in value.items()}
    if tag == "dict":
        return {key: load(item) for key, item in value["items"].items()}
    if tag == "datetime":
        return dt.datetime.fromisoformat(value["iso"])
    cls = _records[tag]
    names = _fields_of(cls)
    fields = {
        name: item if (item := value[name]) is None or type(item) in _PLAIN else load(item)
        for name in names
        if name in value
    }
    if len(fields) < len(names):
        return cls(**fields)
    # A frozen dataclass sets its fields one by one, which takes longer than all of the above.
    whole: Any = object.__new__(cls)
    whole.__dict__.update(fields)
    return whole

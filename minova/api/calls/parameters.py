"""Query parameters that several calls take. Values are texts."""

from minova.api.calls.shape import Json
from minova.api.microversions import MAX, MIN, Version
from minova.api.validation import Field

TEXT: Json = {"type": "string", "maxLength": 1024, "pattern": r"^[^\x00-\x1f\x7f]*$"}
NUMBER: Json = {"type": "string", "pattern": r"^[0-9]{1,10}$"}
TIME: Json = {"type": "string", "format": "date-time"}


def one_of(*words: str) -> Json:
    """One of these words."""
    return {"enum": list(words)}


def paged(since: Version = MIN, until: Version = MAX) -> tuple[Field, Field]:
    """`limit` and `marker` of a list in pages."""
    return Field("limit", NUMBER, since, until), Field("marker", TEXT, since, until)


def texts(*names: str, since: Version = MIN, until: Version = MAX) -> tuple[Field, ...]:
    """Parameters that may be any printable text."""
    return tuple(Field(name, TEXT, since, until) for name in names)

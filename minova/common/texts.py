"""Which texts every database stores: no NUL, and no half of a surrogate pair."""

import re
from typing import Any

from minova.common import errors

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# What JSON has to have for a text in it to be unstorable: an escape of such a
# character, its bytes, or another encoding than UTF-8.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]|\0")
_SHOWN = 200


def is_storable(text: str) -> bool:
    """Whether a database can hold `text`, or compare with it."""
    return (text.isascii() and "\0" not in text) or _UNSTORABLE.search(text) is None


def require_storable(value: Any) -> None:
    """errors.Invalid for a text, anywhere in a JSON value, that no database takes."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, str):
            _require(each, path)
        elif isinstance(each, dict):
            for key, item in each.items():
                _require(str(key), path)
                waiting.append((f"{path}/{key}"[:_SHOWN], item))
        elif isinstance(each, list):
            waiting += ((path, item) for item in each)


def _require(text: str, path: str) -> None:
    if not is_storable(text):
        raise errors.Invalid(
            f"Invalid input for field/attribute {path[1:] or 'body'}: its text has a character "
            "that cannot be stored (NUL or half of a surrogate pair); leave it out."
        )


def is_suspect(raw: bytes) -> bool:
    """Whether the JSON `raw` may hold such a text; nearly none does."""
    return _SUSPECT.search(raw) is not None

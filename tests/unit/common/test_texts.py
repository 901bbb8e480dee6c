"""No text that a database refuses gets past a request's body."""

import json
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from falcon.util import Context

from minova.common import errors, texts, wsgi

GOOD = ["", "plain", "née 😀", "\n\t", "\\u0000", '"', "\ud7ff\ue000"]
BAD = ["\0", "a\0b", "\ud800", "x\udfff", "\ude00\ud83d"]


def body_of(raw: bytes) -> Any:
    stream = BytesIO(raw)
    context = Context()
    context.max_body = 10_000
    req: Any = SimpleNamespace(
        content_type=None, content_length=len(raw), bounded_stream=stream, context=context
    )
    return wsgi.body_of(req)


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", GOOD)
def test_good_texts_pass(text: str, ascii_only: bool) -> None:
    value = {"a": [{"b": text}], text: 1}
    assert body_of(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", BAD)
def test_bad_texts_are_refused_wherever_they_are(
    text: str, ascii_only: bool, encoding: str
) -> None:
    for value in (text, [text], {"a": {"b": [text]}}, {"a": {text: 1}}):
        raw = json.dumps(value, ensure_ascii=ascii_only).encode(encoding, "surrogatepass")
        with pytest.raises(errors.Invalid, match="cannot be stored"):
            body_of(raw)


def test_deep_values_are_looked_through() -> None:
    value: Any = "\0"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(errors.Invalid):
        texts.require_storable(value)

"""A span as it travels to the collector and is stored."""

from typing import Any, NamedTuple


class SpanRecord(NamedTuple):
    """Times are nanoseconds since the epoch; `end` is None while the span runs.

    `step`, `instance`, `server_name` and `audit_id` are attributes taken out
    because they are searched for. A tuple, because a launch makes a hundred
    and they travel as JSON lists.
    """

    span_id: str
    trace_id: str
    parent_id: str | None
    name: str
    process: str
    service: str
    code: str
    transport: str | None
    start: int
    end: int | None
    ok: bool
    reason: str | None
    step: int | None
    instance: str | None
    server_name: str | None
    audit_id: str | None
    attributes: dict[str, Any]

"""A launch as the X-ray tells it: seventeen steps out of the spans."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from minova.model import steps
from minova.xray.record import SpanRecord

# Every try to place a launch begins with step 6 and has its host with step 7.
FIRST_REPEATED, PLACED = 6, 7
OK, FAILED, UNFINISHED, NOT_REACHED = "ok", "failed", "unfinished", "not reached"


@dataclass(frozen=True)
class StepView:
    """One step as it happened. `start` is seconds since the epoch, durations are ms."""

    number: int
    title: str
    process: str
    transport: str
    start: float | None
    duration_ms: float | None
    status: str
    code: str
    reason: str | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The step as `minova xray --json` prints it."""
        started = None
        if self.start is not None:
            started = dt.datetime.fromtimestamp(self.start, dt.UTC).isoformat()
        return {
            "step": self.number,
            "title": self.title,
            "process": self.process,
            "transport": self.transport,
            "start": started,
            "duration_ms": self.duration_ms,
            "status": self.status,
            "code": self.code,
            "reason": self.reason,
            "note": self.note,
        }


def view(spans: list[SpanRecord]) -> list[StepView]:
    """All seventeen steps; of a launch tried on several hosts, the last try.

    A try for which no host was left tells nothing the one before it does not.
    """
    before: list[SpanRecord] = []
    tries: list[list[SpanRecord]] = [[]]
    for span in spans:
        if span.step == FIRST_REPEATED:
            tries.append([])
        (before if (span.step or 0) < FIRST_REPEATED else tries[-1]).append(span)
    while len(tries) > 2 and not _was_placed(tries[-1]) and _was_placed(tries[-2]):
        tries.pop()
    last = {span.step: span for span in [*before, *tries[-1]] if span.step is not None}
    return [_view_of(step, last.get(step.number)) for step in steps.LAUNCH]


def _was_placed(spans: list[SpanRecord]) -> bool:
    """Whether a host was found; a try that is still looking counts as one that finds."""
    return not any(span.step == PLACED and span.end is not None and not span.ok for span in spans)


def _view_of(step: steps.Step, span: SpanRecord | None) -> StepView:
    if span is None:
        return StepView(
            step.number, step.title, step.process, step.transport, None, None, NOT_REACHED, ""
        )
    if span.end is None:
        status, duration = UNFINISHED, None
    else:
        status = OK if span.ok else FAILED
        duration = round((span.end - span.start) / 1e6, 1)
    return StepView(
        number=step.number,
        title=step.title,
        process=span.service or step.process,
        transport=step.transport,
        start=span.start / 1e9,
        duration_ms=duration,
        status=status,
        code=str(span.attributes.get("handler") or span.code),
        reason=span.reason,
        note=", ".join(
            f"{name} {span.attributes[name]}"
            for name in ("host", "queued_ms", "cache", "accelerator")
            if name in span.attributes
        ),
    )


def server_name(spans: list[SpanRecord]) -> str | None:
    """The name the server was launched with, if the spans say."""
    return next((span.server_name for span in reversed(spans) if span.server_name), None)

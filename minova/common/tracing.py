"""Spans across REST, RPC, DB and libvirt, by OpenTelemetry.

`span` opens one; `inject` and `extract` carry the trace in REST headers and
in the RPC context as a W3C `traceparent`. Every span knows the service it
ran in and the `file:function` that opened it. Attributes never hold a token
or a password: callers pass ids and names only.

Without `setup` the API's no-op spans are used and cost next to nothing.
"""

import functools
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from minova.common import context

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("minova")
_PACKAGE = Path(__file__).resolve().parent.parent.parent


def setup(process: str, sampler: Sampler, *processors: SpanProcessor) -> None:
    """Start recording in this process; call once, before services start.

    `process` names it in every span (`minova-compute`, `minova run`). The
    sampler decides which traces are recorded; each processor sees the start
    and end of their spans.
    """
    provider = TracerProvider(sampler=sampler, resource=Resource({"service.name": process}))
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)


def code_location(depth: int = 1) -> str:
    """`minova/compute/build.py:build` of the caller `depth` frames up."""
    code = sys._getframe(depth).f_code
    return f"{_shown(code.co_filename)}:{code.co_name}"


@functools.cache
def _shown(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(_PACKAGE) if path.is_relative_to(_PACKAGE) else path.name)


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: otel_context.Context | None = None,
    code: str | None = None,
    **attributes: Any,
) -> AbstractContextManager[Span]:
    """Run the block in a span; an exception marks it failed with its message.

    `attributes` are named in Python's way and stored as `minova.<name>`.
    """
    around = trace.get_current_span(parent)
    if not _may_record(around):
        # The trace is not recorded, and neither is any part of it.
        return nullcontext(around) if parent is None else _Within(around)
    known = {f"minova.{key}": value for key, value in attributes.items() if value is not None}
    known["minova.service"] = context.current_service()
    known["code"] = code or code_location(2)
    return _Within(_tracer.start_span(name, parent, kind, known), ends=True)


class _Within:
    """The block runs in a span. OpenTelemetry's own three generators for it cost a launch,
    which has eighty spans, as much as a REST call."""

    __slots__ = ("_ends", "_span", "_token")

    def __init__(self, span: Span, ends: bool = False) -> None:
        self._span, self._ends = span, ends

    def __enter__(self) -> Span:
        self._token = otel_context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        otel_context.detach(self._token)
        if not self._ends:
            return
        if isinstance(error, Exception):
            reason = getattr(error, "message", None) or type(error).__name__
            self._span.set_status(Status(StatusCode.ERROR, str(reason)))
        self._span.end()


def _may_record(around: Span) -> bool:
    """False within a trace whose first span was not worth recording."""
    known = around.get_span_context()
    return not known.is_valid or known.trace_flags.sampled


def annotate(**attributes: Any) -> None:
    """Add attributes to the span that runs now."""
    current = trace.get_current_span()
    if not current.is_recording():
        return
    for key, value in attributes.items():
        if value is not None:
            current.set_attribute(f"minova.{key}", value)


def mark_failed(reason: str) -> None:
    """The span that runs now ends in an error that is answered, not raised."""
    trace.get_current_span().set_status(Status(StatusCode.ERROR, reason))


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current trace into `carrier` (`traceparent`)."""
    _propagator.inject(carrier)


def extract(carrier: Mapping[str, str]) -> otel_context.Context:
    """The context to use as `parent` for what `carrier` brought."""
    return _propagator.extract(carrier)


def carrier() -> dict[str, str]:
    """The current trace as a dict, to be kept with work that outlives its message."""
    values: dict[str, str] = {}
    inject(values)
    return values

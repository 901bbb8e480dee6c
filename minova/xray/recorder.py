"""Carries the spans of this process to the collector, a few times a second.

What is recorded starts with a REST request that changes something; reads
and the services' own heartbeats are not, and cost nothing. The decision
travels with the trace, so a launch is whole or absent.
"""

import logging
import os
import queue
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)

from minova.common.context import service_context, set_service
from minova.xray.record import SpanRecord
from minova.xray.rpcapi import XrayAPI

LOG = logging.getLogger(__name__)
_FLUSH_SECONDS = 0.3
_BATCH = 500
_MOST_WAITING = 20000
_CHANGES = ("POST ", "PUT ", "PATCH ", "DELETE ")


class _Changes(Sampler):
    """Root spans worth recording: REST requests that change something."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        rest = (attributes or {}).get("minova.transport") == "REST"
        keep = rest and name.startswith(_CHANGES)
        return SamplingResult(Decision.RECORD_AND_SAMPLE if keep else Decision.DROP)

    def get_description(self) -> str:
        return "requests that change something"


def sampler() -> Sampler:
    """The sampler for `tracing.setup`."""
    return ParentBased(_Changes())


class Recorder(SpanProcessor):
    """A span processor and a service: queues spans, and a thread casts them in batches."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._waiting: queue.SimpleQueue[SpanRecord] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        # A step that has begun is told at once: its process may not live to end it.
        if span.attributes and "minova.step" in span.attributes:
            self._put(span)

    def on_end(self, span: ReadableSpan) -> None:
        self._put(span)

    def start(self) -> None:
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._loop, name="xray", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._stopping.set()
            self._thread.join(timeout=5)
            self._thread = None

    def _put(self, span: ReadableSpan) -> None:
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(_record_of(span, self._process))

    def _loop(self) -> None:
        set_service("minova-xray")
        api, ctxt = XrayAPI(), service_context()
        while not self._stopping.wait(_FLUSH_SECONDS):
            self._flush(api, ctxt)
        self._flush(api, ctxt)

    def _flush(self, api: XrayAPI, ctxt: Any) -> None:
        while not self._waiting.empty():
            batch: list[SpanRecord] = []
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            try:
                api.add_spans(ctxt, batch)
            except Exception as error:
                LOG.warning("%d spans are lost: %s", len(batch), error)


def _record_of(span: ReadableSpan, process: str) -> SpanRecord:
    attributes: dict[str, Any] = {
        name.removeprefix("minova."): value for name, value in (span.attributes or {}).items()
    }
    take = attributes.pop
    context = span.get_span_context()
    assert context is not None
    return SpanRecord(
        span_id=f"{context.span_id:016x}",
        trace_id=f"{context.trace_id:032x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        name=span.name,
        process=process,
        service=take("service", None),
        code=take("code", ""),
        transport=take("transport", None),
        start=span.start_time or 0,
        end=span.end_time,
        ok=span.status.is_ok,
        reason=span.status.description,
        step=take("step", None),
        instance=take("instance", None),
        server_name=take("server_name", None),
        audit_id=take("audit_id", None),
        attributes=attributes,
    )


def otlp_processors() -> list[SpanProcessor]:
    """An exporter to a collector of one's own, if the standard OTEL_* variables name one."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not any(os.environ.get(name) for name in names):
        return []
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        LOG.warning("OTEL_* is set, but the extra 'otlp' is not installed; spans stay here")
        return []
    return [BatchSpanProcessor(OTLPSpanExporter())]

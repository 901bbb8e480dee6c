"""Step 1 in the X-ray: the login's span carries audit ids, and no secret."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from minova.common import tracing
from tests.functional.identity.server import PASSWORDS, Identity, in_project


def test_the_x_ray_finds_the_login_of_a_token(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    first = identity.authenticate("demo")
    second = identity.rescope(first.headers["X-Subject-Token"], in_project("demo"))

    spans = exporter.get_finished_spans()
    logins = [s for s in spans if s.attributes and s.attributes.get("minova.step") == 1]
    unscoped, scoped = (dict(span.attributes or {}) for span in logins)
    assert unscoped["minova.audit_id"] == first.json()["token"]["audit_ids"][0]
    assert "minova.audit_parent" not in unscoped
    assert scoped["minova.audit_id"] == second.json()["token"]["audit_ids"][0]
    assert scoped["minova.audit_parent"] == unscoped["minova.audit_id"]
    assert scoped["minova.transport"] == "REST"
    assert scoped["minova.service"] == "minova-identity"
    everything = "".join(span.to_json() for span in spans)
    for secret in (PASSWORDS["demo"], first.headers["X-Subject-Token"]):
        assert secret not in everything

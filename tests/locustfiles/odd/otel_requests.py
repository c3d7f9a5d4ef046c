"""Requests that OpenTelemetry's own instrumentation traces, below spans that the locustfile begins."""

import json
import os

import witness  # noqa: F401
from locust import HttpUser, constant, events, task
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exported = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exported))
trace.set_tracer_provider(provider)
RequestsInstrumentor().instrument()
tracer = trace.get_tracer("locustfile")


class Shopper(HttpUser):
    wait_time = constant(0.05)

    @task
    def buy(self):
        self.client.get("/traced/ok", name="/direct")
        with tracer.start_as_current_span("checkout"):
            self.client.post("/traced/echo", name="/below", json={"item": 1})


@events.quit.add_listener
def _on_quit(**_kwargs):
    spans = [
        {
            "name": span.name,
            "trace_id": f"{span.context.trace_id:032x}",
            "span_id": f"{span.context.span_id:016x}",
            "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
        }
        for span in exported.get_finished_spans()
    ]
    with open(os.path.join(os.environ["WITNESS"], "spans.json"), "w") as file:
        json.dump(spans, file)

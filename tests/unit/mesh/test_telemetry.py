"""Spans continue the trace of their request, from HTTP over gRPC and the broker to the worker."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from mesh import context, telemetry
from mesh.bus import Bus
from mesh.settings import MeshSettings
from tests.support.broker import Tasks, eventually
from tests.support.mesh_server import serving

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where spans end up."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("pagemesh"))
    return exporter


def described(exporter: InMemorySpanExporter) -> dict[str, tuple[str, SpanKind]]:
    """Name of the parent, and the kind, of each span; a parent that is not ours is named by its id."""
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans if span.context}
    return {span.name: (_parent(span, names), span.kind) for span in spans}


def _parent(span: ReadableSpan, names: dict[int, str]) -> str:
    if span.parent is None:
        return ""
    return names.get(span.parent.span_id, f"{span.parent.span_id:016x}")


async def nothing() -> None:
    """Does nothing."""


async def test_a_span_continues_the_trace(exporter: InMemorySpanExporter) -> None:
    """Inside it is the parent of what goes out; afterwards the request's own trace is again."""
    context.traceparent.set(TRACE)
    with telemetry.span("outer"):
        outer = context.traceparent.get()
        with telemetry.span("inner"):
            inner = context.traceparent.get()
    assert TRACE == context.traceparent.get()
    assert {TRACE.split("-")[1]} == {each.split("-")[1] for each in (outer, inner)}
    assert 3 == len({each.split("-")[2] for each in (TRACE, outer, inner)})
    expected = {"outer": ("b7ad6b7169203331", SpanKind.INTERNAL), "inner": ("outer", SpanKind.INTERNAL)}
    assert expected == described(exporter)


async def test_without_an_exporter_the_trace_passes_through() -> None:
    """The next service sees what the caller sent."""
    context.traceparent.set(TRACE)
    with telemetry.span("outer"):
        assert TRACE == context.traceparent.get()


async def test_calls_are_below_their_callers(exporter: InMemorySpanExporter, settings: MeshSettings) -> None:
    """HTTP request → gRPC call, and the HTTP request below its client's trace."""
    async with serving(settings, nothing) as peer:
        context.bearer_token.set(peer.signer.token())
        context.traceparent.set(TRACE)
        with telemetry.span("GET request", SpanKind.SERVER):
            await peer.ask()
            await peer.follow()
    assert {
        "GET request": ("b7ad6b7169203331", SpanKind.SERVER),
        "ListEngines": ("GET request", SpanKind.SERVER),
        "Analyze": ("GET request", SpanKind.SERVER),
    } == described(exporter)
    assert {int(TRACE.split("-")[1], 16)} == {
        span.context.trace_id for span in exporter.get_finished_spans() if span.context
    }


async def test_tasks_are_below_who_published_them(exporter: InMemorySpanExporter, bus: Bus) -> None:
    """The worker's span, and what its handler does, continue the trace through the broker."""
    tasks = Tasks(bus)

    async def handle(payload: bytes) -> None:
        with telemetry.span("reading"):
            return

    context.traceparent.set(TRACE)
    with telemetry.span("SubmitJob", SpanKind.SERVER):
        await tasks.put(b"task")
    worker = tasks.worker(handle)
    await worker.start()
    await eventually(tasks.all_done)
    await worker.stop(1)
    assert {
        "SubmitJob": ("b7ad6b7169203331", SpanKind.SERVER),
        f"work.{tasks.kind}": ("SubmitJob", SpanKind.CONSUMER),
        "reading": (f"work.{tasks.kind}", SpanKind.INTERNAL),
    } == described(exporter)


async def test_an_error_ends_its_span(exporter: InMemorySpanExporter) -> None:
    """It goes on through, and the request's trace is restored."""
    context.traceparent.set(TRACE)

    def fail() -> None:
        with telemetry.span("failing"):
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        fail()
    assert (TRACE, ["failing"]) == (context.traceparent.get(), list(described(exporter)))


async def test_a_span_tells_an_error_by_its_type_alone(exporter: InMemorySpanExporter) -> None:
    """Its message may repeat what people sent."""

    def fail() -> None:
        with telemetry.span("failing"):
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        fail()
    [span] = exporter.get_finished_spans()
    assert "ValueError" == span.status.description
    assert "secret" not in span.to_json()

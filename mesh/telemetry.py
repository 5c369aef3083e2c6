"""Metrics for Prometheus and spans for OpenTelemetry."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from mesh import context
from mesh.settings import MeshSettings

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

RPC_SECONDS = Histogram("pagemesh_rpc_seconds", "Time of a gRPC call.", ["method", "status"], buckets=_SECONDS)
TASK_SECONDS = Histogram("pagemesh_task_seconds", "Time of a worker's task.", ["kind", "outcome"], buckets=_SECONDS)
TASKS_IN_HAND = Gauge("pagemesh_tasks_in_hand", "Tasks that this worker holds.", ["kind"])
DEAD_LETTERS = Counter("pagemesh_dead_letters_total", "Tasks given up after repeated deliveries.", ["kind"])
SANDBOX_DEATHS = Counter(
    "pagemesh_sandbox_deaths_total", "Sandboxed children that died or were ended.", ["pool", "why"]
)

_tracer: trace.Tracer | None = None
"""Where spans go; None while nobody exports them."""


def start(service: str, settings: MeshSettings) -> None:
    """Opens the metrics page and, when an OTLP endpoint is configured, exports spans to it."""
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host)
    if settings.otlp_endpoint:
        _export_spans(service, settings)


def _export_spans(service: str, settings: MeshSettings) -> None:
    global _tracer
    # Imported here since the SDK costs every service a quarter second of start that most installations do not use.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": f"pagemesh-{service}", "service.instance.id": settings.instance})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
    trace.set_tracer_provider(provider)
    _tracer = provider.get_tracer("pagemesh")


@contextmanager
def _noting(current: Span) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        current.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[None]:
    """A span below the request's trace; calls and messages sent inside carry it on.

    Without an exporter the trace context passes through unchanged.
    """
    if _tracer is None:
        yield
        return
    parent = propagate.extract({context.TRACEPARENT_KEY: context.traceparent.get()})
    # Messages of exceptions may repeat what people sent; so spans are told of no exception but by its type.
    opened = _tracer.start_as_current_span(
        name, context=parent, kind=kind, record_exception=False, set_status_on_exception=False
    )
    with opened as current, _noting(current):
        if not current.is_recording():
            yield
            return
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        token = context.traceparent.set(carrier.get(context.TRACEPARENT_KEY, context.traceparent.get()))
        try:
            yield
        finally:
            context.traceparent.reset(token)

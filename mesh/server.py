"""The one way a gRPC server is built, so that no service can forget health, reflection, identity, deadlines or drain.

Every call passes these layers, outermost first:

1. `_measured`: time and status of everything below, errors included.
2. `_in_context`: the request's id and trace, so that every layer below can log and trace.
3. `_errors_told`: turns what is raised below into a status; tells nothing of defects.
4. `_identify`: the caller, before any work; health, reflection and the methods named public pass without.
5. `_permit`: whether the caller's token has the scope that the method's proto asks for.
6. `_bounded`: a deadline for callers that set none, around the work alone.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.trace import SpanKind

from mesh import context, identity, scopes, telemetry, tls
from mesh.errors import DeadlineExceeded, Internal, PagemeshError, Unauthenticated, to_status
from mesh.settings import MeshSettings

log = logging.getLogger(__name__)

_DEFAULT_SECONDS = 60.0
_READINESS_SECONDS = 1.0
_OPTIONS = [
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.max_send_message_length", 32 << 20),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
]
_OPEN_PREFIXES = ("/grpc.health.v1.", "/grpc.reflection.")

if TYPE_CHECKING:  # these are generic for the type checker alone
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class ServiceSpec:
    """What a service puts behind its server."""

    name: str
    register: Callable[[grpc.aio.Server], list[str]]
    """Adds the servicers and returns the full names of their gRPC services."""
    verifier: identity.TokenVerifier
    public_methods: frozenset[str] = frozenset()
    """Full method names, `/package.Service/Method`, that take no credential."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    """Dependencies by name; each raises while it is away. The service is ready while none raises.

    Their states are told as health of their names, too.
    """


class MeshServer:
    """A running gRPC server with its readiness."""

    def __init__(self, spec: ServiceSpec, settings: MeshSettings) -> None:
        self._spec = spec
        self._settings = settings
        self._server = grpc.aio.server(interceptors=[_Layers(spec)], options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._names: list[str] = []
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens; ready as soon as every dependency answers."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = self._spec.register(self._server)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        tls.add_port(self._server, self._settings)
        await self._server.start()
        await self._tell_readiness()
        self._watch = asyncio.create_task(self._watch_readiness())
        log.info("listening", extra={"listen": self._settings.listen})

    async def stop(self) -> None:
        """Turns unready, lets calls in hand finish within the drain time, then closes."""
        if self._watch:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.drain_seconds)

    async def _watch_readiness(self) -> None:
        while True:
            await asyncio.sleep(_READINESS_SECONDS)
            await self._tell_readiness()

    async def _tell_readiness(self) -> None:
        states = await asyncio.gather(*(_answers(name, check) for name, check in self._spec.checks.items()))
        for name, answers in zip(self._spec.checks, states, strict=True):
            await self._health.set(name, _serving(answers))
        for name in ("", self._spec.name, *self._names):
            await self._health.set(name, _serving(all(states)))


def _serving(answers: bool) -> "health_pb2.HealthCheckResponse.ServingStatus.ValueType":
    kinds = health_pb2.HealthCheckResponse
    return kinds.SERVING if answers else kinds.NOT_SERVING


async def _answers(name: str, check: Check) -> bool:
    try:
        await asyncio.wait_for(check(), timeout=5)
    except Exception as error:  # a dependency may fail in any way; all of them mean "not ready"
        log.warning("dependency is away", extra={"dependency": name, "error": type(error).__name__})
        return False
    return True


@dataclass
class _Call:
    method: str
    context: "Context"
    metadata: dict[str, str]
    spec: ServiceSpec
    status: str = "OK"


@contextmanager
def _measured(call: _Call) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        telemetry.RPC_SECONDS.labels(call.method, call.status).observe(time.perf_counter() - started)


@contextmanager
def _in_context(call: _Call) -> Iterator[None]:
    context.request_id.set(context.accept_request_id(call.metadata.get(context.REQUEST_ID_KEY)))
    context.traceparent.set(context.accept_traceparent(call.metadata.get(context.TRACEPARENT_KEY)))
    with telemetry.span(call.method.rpartition("/")[2], SpanKind.SERVER):
        yield


@asynccontextmanager
async def _errors_told(call: _Call) -> AsyncIterator[None]:
    try:
        yield
    except PagemeshError as error:
        call.status = error.status.name
        await call.context.abort_with_status(to_status(error))
    except (asyncio.CancelledError, grpc.aio.AbortError):
        call.status = "CANCELLED"
        raise
    except Exception:
        log.exception("call failed", extra={"method": call.method})
        call.status = "INTERNAL"
        await call.context.abort_with_status(to_status(Internal("Something went wrong on our side.")))


async def _identify(call: _Call) -> None:
    identity.become(None)
    context.bearer_token.set("")
    if call.method not in call.spec.public_methods:
        scheme, _, token = call.metadata.get(context.AUTHORIZATION_KEY, "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("This needs a bearer token.")
        identity.become(await call.spec.verifier.verify(token))
        context.bearer_token.set(token)


def _permit(call: _Call) -> None:
    if call.method not in call.spec.public_methods:
        scopes.require(identity.current(), scopes.of_method(call.method))


@asynccontextmanager
async def _bounded(call: _Call) -> AsyncIterator[None]:
    given = call.context.time_remaining()
    try:
        async with asyncio.timeout(_DEFAULT_SECONDS if given is None else None):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded("This took too long.") from error


@asynccontextmanager
async def _layered(call: _Call) -> AsyncIterator[None]:
    with _measured(call), _in_context(call):
        async with _errors_told(call):
            await _identify(call)
            _permit(call)
            yield


class _Layers(grpc.aio.ServerInterceptor):
    """Puts the layers around every method."""

    def __init__(self, spec: ServiceSpec) -> None:
        self._spec = spec

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        details = handler_call_details
        handler = await continuation(details)
        method = str(details.method)
        if handler is None or method.startswith(_OPEN_PREFIXES):
            return handler
        metadata = {str(key): value for key, value in details.invocation_metadata or () if isinstance(value, str)}
        return _wrapped(handler, lambda ctx: _Call(method, ctx, metadata, self._spec))


def _wrapped(handler: "Handler", make_call: "Callable[[Context], _Call]") -> "Handler":
    async def answer_once(request: Any, ctx: "Context") -> Any:
        call = make_call(ctx)
        async with _layered(call), _bounded(call):
            return await behaviour(request, ctx)

    async def answer_many(request: Any, ctx: "Context") -> AsyncIterator[Any]:
        call = make_call(ctx)
        async with _layered(call):  # a stream lives as long as its reader; it has no deadline of ours
            async for response in behaviour(request, ctx):
                yield response

    kind = (bool(handler.request_streaming), bool(handler.response_streaming))
    attribute, factory = _SHAPES[kind]
    behaviour = getattr(handler, attribute)
    return factory(
        answer_many if kind[1] else answer_once,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


_SHAPES: "dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]]" = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}

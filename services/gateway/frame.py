"""What every request and answer has, whoever serves it: an id, a trace, the API's version; and its count."""

import time

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh import context, telemetry
from services.gateway import admission
from services.gateway.surfaces import version_of
from services.gateway.traffic import HTTP_SECONDS, ROUTE


class Framed:
    """An ASGI application around another, whose requests may be held."""

    def __init__(self, app: ASGIApp, hold: ASGIApp) -> None:
        self._app = app
        self._hold = hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request in its context."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _enter(Headers(scope=scope))
        started, status = time.perf_counter(), 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer[context.REQUEST_ID_KEY] = request_id
                answer.setdefault("api-version", version_of(scope["path"]))
                answer.raw.extend(admission.headers_of(scope))
            await send(message)

        try:
            with telemetry.span(f"{scope['method']} request", SpanKind.SERVER):
                await self._app(scope, receive, send_framed)
            await self._hold(scope, receive, send_framed)
        finally:
            labels = HTTP_SECONDS.labels(scope["method"], scope.get(ROUTE, "unknown"), status)
            labels.observe(time.perf_counter() - started)


def _enter(headers: Headers) -> str:
    """Makes the request the one in hand; its id."""
    request_id = context.accept_request_id(headers.get(context.REQUEST_ID_KEY))
    context.request_id.set(request_id)
    context.traceparent.set(context.accept_traceparent(headers.get(context.TRACEPARENT_KEY)))
    context.bearer_token.set("")
    return request_id

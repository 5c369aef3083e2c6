"""Where live connections come in: `WS /api/v1/ws/{user_id}`, and the same without its prefix.

A connection is let in by its credential, counted as one request, and closed with a code that tells why not: it is
accepted first, since browsers show their pages nothing of a handshake that was refused.
"""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from mesh import context
from mesh.errors import Forbidden, PagemeshError
from mesh.identity import Identity
from services.gateway import admission, problems
from services.gateway.admission import Admission
from services.gateway.credentials import Credentials
from services.gateway.live import closing, handshake
from services.gateway.live.hub import Hub
from services.gateway.live.protocol import WRITE_NOW
from services.gateway.live.reader import Reader
from services.gateway.surfaces.platform import API_VERSION, PREFIX
from services.gateway.traffic import LIVE_CLOSED

_PATHS = (f"{PREFIX}/ws/", "/ws/")
_JSON = (b"content-type", b"application/json")
_FOREIGN_PAGE = Forbidden("Pages of this origin may not call this API.")


class LiveDoor:
    """An ASGI application around another, which serves everything but live connections."""

    def __init__(
        self, app: ASGIApp, hub: Hub, credentials: Credentials, admission: Admission, origins: Collection[str]
    ) -> None:
        self._app = app
        self._hub = hub
        self._credentials = credentials
        self._admission = admission
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a live connection, or passes the request on."""
        user_id = _user_of(scope.get("path", ""))
        if scope["type"] == "websocket":
            await self._open(user_id, scope, receive, send)
        elif scope["type"] == "http" and user_id is not None:
            await _ask_for_upgrade(scope, send)
        else:
            await self._app(scope, receive, send)

    async def _open(self, user_id: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # `websocket.connect`
        if user_id is None:
            await _refuse(problems.NOT_FOUND, send)
        elif not handshake.may_open(scope, self._origins):
            await _refuse(_FOREIGN_PAGE, send)
        else:
            await self._serve(user_id, scope, receive, send)

    async def _serve(self, user_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _framed(scope)
        credential = handshake.credential(scope)
        try:
            caller = await self._let_in(credential, user_id, scope)
        except PagemeshError as error:
            await _accept(request_id, scope, send)
            await _close(closing.of_error(error), send)
            return
        await _accept(request_id, scope, send)
        reader = Reader(caller, credential, scope["extensions"][WRITE_NOW])
        self._hub.join(reader)
        try:
            await reader.run(receive, send)
        finally:
            self._hub.leave(reader)

    async def _let_in(self, credential: str, user_id: str, scope: Scope) -> Identity:
        caller = await self._credentials.verify(credential)
        await self._admission.admit(scope, caller)
        if caller.user_id != user_id:
            raise Forbidden(closing.NOT_YOURS.reason)
        return caller


def _user_of(path: str) -> str | None:
    for prefix in _PATHS:
        if path.startswith(prefix) and "/" not in path[len(prefix) :]:
            return path[len(prefix) :].lower()
    return None


def _framed(scope: Scope) -> bytes:
    """The request's id, which with its trace is that of all that comes of it."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    request_id = context.accept_request_id(headers.get(context.REQUEST_ID_KEY.encode()))
    context.request_id.set(request_id)
    context.traceparent.set(context.accept_traceparent(headers.get(context.TRACEPARENT_KEY.encode())))
    return request_id.encode()


async def _accept(request_id: bytes, scope: Scope, send: Send) -> None:
    told = [(context.REQUEST_ID_KEY.encode(), request_id), (b"api-version", API_VERSION.encode())]
    headers = [*told, *admission.headers_of(scope)]
    protocol = handshake.subprotocol(scope.get("subprotocols", ()))
    await send({"type": "websocket.accept", "subprotocol": protocol, "headers": headers})


async def _close(why: closing.Closing, send: Send) -> None:
    LIVE_CLOSED.labels(why.code).inc()
    await send({"type": "websocket.close", "code": why.code, "reason": why.reason})


async def _refuse(error: PagemeshError, send: Send) -> None:
    """Answers a handshake as an HTTP request (the ASGI extension `websocket.http.response`)."""
    answer = problems.response(error)
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": bytes(answer.body)})


async def _ask_for_upgrade(scope: Scope, send: Send) -> None:
    if scope["method"] in ("GET", "HEAD"):
        status, how = 426, [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
        body = problems.body("upgrade_required", "This is a WebSocket.")
    else:
        status, how = 405, [(b"allow", b"GET")]
        body = problems.body("method_not_allowed", "This takes GET.")
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *how]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

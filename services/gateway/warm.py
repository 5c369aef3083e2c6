"""Polls of warm jobs, answered before any routing: no call, no query, no rendering.

Answers exactly what `GET /api/v1/jobs/{job_id}` answers by the long way, or leaves the request to it: when the
credential was not seen before, the job is not warm, or a header asks for more than this knows (`Prefer`, `Origin`).
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from mesh import context
from services.gateway import polling
from services.gateway.credentials import Credentials
from services.gateway.feed import Entry, Feed
from services.gateway.surfaces.platform import PREFIX
from services.gateway.traffic import WARM_POLLS

_PATH = f"{PREFIX}/jobs/"
_LENGTH = len(_PATH) + 36
_LONG_WAY = (b"prefer", b"origin")
# What the CORS layer adds to every answer.
_VARY = (b"vary", b"Origin")


class WarmPolls:
    """An ASGI application in front of another."""

    def __init__(self, app: ASGIApp, feed: Feed, credentials: Credentials) -> None:
        self._app = app
        self._feed = feed
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a warm poll, or passes the request on."""
        path = scope.get("path", "")
        if path.startswith(_PATH) and len(path) == _LENGTH and scope["type"] == "http" and scope["method"] == "GET":
            headers = dict(scope["headers"])
            entry = self._warm(path, headers)
            if entry is not None:
                WARM_POLLS.inc()
                await _answer(entry, headers, send)
                return
        await self._app(scope, receive, send)

    def _warm(self, path: str, headers: dict[bytes, bytes]) -> Entry | None:
        caller = self._credentials.known(headers.get(b"authorization", b""))
        if caller is None or any(name in headers for name in _LONG_WAY):
            return None
        return self._feed.warm((caller.organization_id, path[len(_PATH) :]))


async def _answer(entry: Entry, headers: dict[bytes, bytes], send: Send) -> None:
    offered = headers.get(b"x-request-id")
    request_id = context.accept_request_id(offered.decode("latin-1") if offered else None).encode()
    status, known = entry.status, headers.get(b"if-none-match")
    if known is not None and polling.matches(known.decode("latin-1"), status.etag):
        code, prepared, body = 304, status.unchanged_headers, b""
    else:
        code, prepared, body = 200, status.headers, status.body
    prepared = [*prepared, _VARY, (b"x-request-id", request_id)]
    await send({"type": "http.response.start", "status": code, "headers": prepared})
    await send({"type": "http.response.body", "body": body})

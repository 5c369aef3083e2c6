"""Polls of warm jobs, answered before any routing: no call, no query, no rendering.

Answers exactly what `GET /api/v1/jobs/{job_id}` answers by the long way, or leaves the request to it: when the
credential or the limits of its organization are not known, the job is not warm, the request is over a limit, or a
header asks for more than this knows (`Prefer`, `Origin`). What is counted here is not counted again there.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from mesh import context
from mesh.errors import Unavailable
from mesh.identity import Identity
from services.gateway import polling
from services.gateway.admission import Admission
from services.gateway.credentials import Credentials
from services.gateway.feed import Entry, Feed
from services.gateway.job_access import JobAccess
from services.gateway.limits import Headers
from services.gateway.surfaces.platform import PREFIX
from services.gateway.traffic import WARM_POLLS

_PATH = f"{PREFIX}/jobs/"
_LENGTH = len(_PATH) + 36
_SCOPE = "jobs.read"
_LONG_WAY = (b"prefer", b"origin")
VARY = (b"vary", b"Origin")
"""What the CORS layer adds to every answer."""


class WarmPolls:
    """An ASGI application in front of another."""

    def __init__(
        self, app: ASGIApp, feed: Feed, access: JobAccess, credentials: Credentials, admission: Admission
    ) -> None:
        self._app = app
        self._feed = feed
        self._access = access
        self._credentials = credentials
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a warm poll, or passes the request on."""
        if not await self._served(scope, send):
            await self._app(scope, receive, send)

    async def _served(self, scope: Scope, send: Send) -> bool:
        if not _is_poll(scope):
            return False
        headers = dict(scope["headers"])
        caller = self._caller(headers)
        if caller is None or not await self._answered(scope, headers, caller, send):
            return False
        WARM_POLLS.inc()
        return True

    def _caller(self, headers: dict[bytes, bytes]) -> Identity | None:
        if any(name in headers for name in _LONG_WAY):
            return None
        caller = self._credentials.known(headers)
        if caller is None or (caller.scopes is not None and _SCOPE not in caller.scopes):
            return None
        return caller

    async def _answered(self, scope: Scope, headers: dict[bytes, bytes], caller: Identity, send: Send) -> bool:
        key = (caller.organization_id, scope["path"][len(_PATH) :])
        if not self._access.is_known(caller, key[1]):
            return False
        policy = self._admission.policy(caller)
        if policy is None or self._feed.warm(key) is None:
            return False
        try:
            verdict = await self._admission.count(scope, caller, policy)
        except Unavailable:
            return False
        entry = self._feed.warm(key)  # once more: counting takes its time
        if entry is None or not verdict.accepted:
            return False
        await _answer(entry, headers, verdict.headers(), send)
        return True


def _is_poll(scope: Scope) -> bool:
    path = scope.get("path", "")
    if not path.startswith(_PATH) or len(path) != _LENGTH or scope["type"] != "http":
        return False
    return bool(scope["method"] == "GET" and not scope["query_string"])  # there are no parameters; the long way says so


async def _answer(entry: Entry, headers: dict[bytes, bytes], limits: Headers, send: Send) -> None:
    offered = headers.get(b"x-request-id")
    request_id = context.accept_request_id(offered.decode("latin-1") if offered else None).encode()
    status, known = entry.status, headers.get(b"if-none-match")
    if known is not None and polling.matches(known.decode("latin-1"), status.etag):
        code, prepared, body = 304, status.unchanged_headers, b""
    else:
        code, prepared, body = 200, status.headers, status.body
    prepared = [*prepared, VARY, (b"x-request-id", request_id), *limits]
    await send({"type": "http.response.start", "status": code, "headers": prepared})
    await send({"type": "http.response.body", "body": body})

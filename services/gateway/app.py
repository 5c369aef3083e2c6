"""The ASGI application, outermost part first.

1. `Counted`: counts requests, warm polls included.
2. `WarmPolls`: answers polls of warm jobs by itself.
3. `Framed`: the request's id and trace.
4. Starlette: errors in our form, CORS, routes made from the endpoints' declarations.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from mesh.errors import PagemeshError
from services.gateway import problems
from services.gateway.admission import Admission
from services.gateway.credentials import Credentials
from services.gateway.endpoints import AnyEndpoint, Desk
from services.gateway.feed import Feed
from services.gateway.frame import Framed
from services.gateway.idempotency import Idempotency
from services.gateway.job_access import JobAccess
from services.gateway.openapi import with_documents
from services.gateway.settings import GatewaySettings
from services.gateway.traffic import Traffic
from services.gateway.warm import WarmPolls

_READABLE_BY_BROWSERS = (
    "API-Version",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
    "X-Zero-Log",
)


def build(
    endpoints: Sequence[AnyEndpoint],
    credentials: Credentials,
    admission: Admission,
    idempotency: Idempotency,
    feed: Feed,
    access: JobAccess,
    traffic: Traffic,
    settings: GatewaySettings,
) -> ASGIApp:
    """The whole application."""
    desk = Desk(credentials, admission, idempotency, settings.json_body_bytes)
    starlette = Starlette(
        routes=desk.routes(with_documents(endpoints)),
        middleware=[_cors(settings)],
        exception_handlers={
            PagemeshError: problems.on_error,
            HTTPException: problems.on_http,
            ClientDisconnect: problems.on_disconnect,
            Exception: problems.on_defect,
        },
    )
    starlette.router.redirect_slashes = False
    return Counted(WarmPolls(Framed(starlette), feed, access, credentials, admission), traffic)


class Counted:
    """Counts requests."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts one and passes it on."""
        self._traffic.requests += 1
        await self._app(scope, receive, send)


def _cors(settings: GatewaySettings) -> Middleware:
    # Credentials are never allowed: tokens go by header, which needs none, and a wildcard forbids them.
    return Middleware(
        CORSMiddleware,
        allow_origins=("*",) if settings.environment == "development" else settings.cors_origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("*",),
        expose_headers=_READABLE_BY_BROWSERS,
    )

"""The ASGI application, outermost part first.

1. `Counted`: counts requests, warm polls included.
2. `WarmPolls`: answers polls of warm jobs by itself.
3. `Framed`: the request's id and trace; it has long polls and event streams held after the rest has let them in.
4. `LiveDoor`: WebSockets.
5. `Browsers`: CORS.
6. Starlette: errors in our form, routes made from the endpoints' declarations.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from mesh.errors import PagemeshError
from services.gateway import problems
from services.gateway.admission import Admission
from services.gateway.browsers import Browsers, allowed_origins
from services.gateway.credentials import Credentials
from services.gateway.endpoints import AnyEndpoint, Desk
from services.gateway.feed import Feed
from services.gateway.frame import Framed
from services.gateway.held import Holding
from services.gateway.idempotency import Idempotency
from services.gateway.job_access import JobAccess
from services.gateway.live.door import LiveDoor
from services.gateway.live.hub import Hub
from services.gateway.openapi import with_documents
from services.gateway.settings import GatewaySettings
from services.gateway.traffic import Traffic
from services.gateway.warm import WarmPolls


def build(
    endpoints: Sequence[AnyEndpoint],
    credentials: Credentials,
    admission: Admission,
    idempotency: Idempotency,
    feed: Feed,
    access: JobAccess,
    traffic: Traffic,
    hub: Hub,
    holding: Holding,
    settings: GatewaySettings,
) -> ASGIApp:
    """The whole application."""
    desk = Desk(credentials, admission, idempotency, settings.json_body_bytes)
    starlette = Starlette(
        routes=desk.routes(with_documents(endpoints)),
        exception_handlers={
            PagemeshError: problems.on_error,
            HTTPException: problems.on_http,
            ClientDisconnect: problems.on_disconnect,
            Exception: problems.on_defect,
        },
    )
    starlette.router.redirect_slashes = False
    door = LiveDoor(Browsers(starlette, settings), hub, credentials, admission, allowed_origins(settings))
    framed = Framed(door, holding)
    return Counted(WarmPolls(framed, feed, access, credentials, admission), traffic)


class Counted:
    """Counts requests."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts one and passes it on."""
        self._traffic.requests += 1
        await self._app(scope, receive, send)

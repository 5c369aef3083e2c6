"""What browsers may do (CORS, as the Fetch standard has it).

Source: contract/conventions.md, "CORS".
"""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from mesh.errors import InvalidArgument
from services.gateway import problems
from services.gateway.settings import GatewaySettings

_READABLE = (
    "Allow",
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
    "WWW-Authenticate",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def allowed_origins(settings: GatewaySettings) -> tuple[str, ...]:
    """From where pages may call."""
    return ("*",) if settings.environment == "development" else settings.cors_origins


class Browsers(CORSMiddleware):
    """Answers preflights, before any credential is looked at or anything counted, and names allowed origins.

    Credentials are never allowed: tokens go by header, which needs none, and a wildcard forbids them.
    """

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        super().__init__(app, allowed_origins(settings), _METHODS, ("*",), expose_headers=_READABLE)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's; a refusal in the one form of errors."""
        response = super().preflight_response(request_headers)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        refusal = problems.response(InvalidArgument("Browsers may not call from there.", "INVALID_REQUEST"))
        refusal.headers["vary"] = response.headers["vary"]
        return refusal

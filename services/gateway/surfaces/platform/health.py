"""How the installation and this gateway are; what this is; its keys."""

from datetime import UTC, datetime

from starlette.responses import Response

from mesh import client
from pagemesh.auth.v1 import auth_pb2
from services.gateway import VERSION, problems
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.neighbours import Neighbours
from services.gateway.readiness import Readiness
from services.gateway.surfaces import VERSIONS
from services.gateway.surfaces.platform import API_VERSION, PREFIX, shapes
from services.gateway.traffic import Traffic
from services.gateway.validation import NoBody, NoQuery

_JWKS = "application/jwk-set+json"


class Health:
    """What anybody may know."""

    def __init__(self, neighbours: Neighbours, readiness: Readiness, traffic: Traffic, environment: str) -> None:
        self._neighbours = neighbours
        self._readiness = readiness
        self._traffic = traffic
        self._environment = environment

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            get(
                "/",
                self.root,
                "What this is",
                {200: Answer("Names and versions.", shapes.Root)},
                public=True,
                counted=False,
                standalone=True,
            ),
            get(
                "/health",
                self.health,
                "How the installation is",
                {200: Answer("Healthy or degraded.", shapes.Health), 503: Answer("Unhealthy.", shapes.Health)},
                public=True,
                counted=False,
            ),
            get(
                f"{PREFIX}/status",
                self.status,
                "How this gateway is",
                {200: Answer("Figures since its start.", shapes.GatewayStatus)},
                public=True,
                counted=False,
                standalone=True,
            ),
            get(
                "/.well-known/jwks.json",
                self.jwks,
                "Public keys of access tokens (RFC 7517)",
                {200: Answer("A JWK Set.", media_types=(_JWKS,))},
                public=True,
                counted=False,
            ),
        ]

    async def root(self, call: Call[NoBody, NoQuery]) -> Response:
        """Names and versions."""
        root: shapes.Root = {
            "name": "pagemesh",
            "version": VERSION,
            "status": "ok",
            "apis": dict(VERSIONS),
            "documentation": "/docs",
        }
        return json_response(root)

    async def health(self, call: Call[NoBody, NoQuery]) -> Response:
        """State of every dependency."""
        services, status = await self._readiness.services(), await self._readiness.status()
        body = {
            "status": status,
            "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
            "version": VERSION,
            "services": {name: "healthy" if fine else "unhealthy" for name, fine in services.items()},
        }
        headers = {"cache-control": "no-store"}
        if status != "unhealthy":
            return json_response(body, headers=headers)
        return json_response(body, 503, {**headers, "retry-after": str(problems.RETRY_SECONDS)})

    async def status(self, call: Call[NoBody, NoQuery]) -> Response:
        """Figures of this gateway."""
        status: shapes.GatewayStatus = {
            "api_version": API_VERSION,
            "environment": self._environment,
            "uptime_seconds": round(self._traffic.uptime_seconds, 3),
            "request_count": self._traffic.requests,
            "active_connections": self._traffic.connections(),
        }
        return json_response(status, headers={"cache-control": "no-store"})

    async def jwks(self, call: Call[NoBody, NoQuery]) -> Response:
        """The public keys."""
        answer = await client.call(self._neighbours.tokens.GetJwks, auth_pb2.GetJwksRequest())
        return Response(answer.jwks_json, headers={"cache-control": "public, max-age=60"}, media_type=_JWKS)

"""How the installation is."""

from typing import Literal

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes.common import Time


class HealthServices(TypedDict):
    """What the gateway depends on."""

    database: Literal["healthy", "unhealthy"]
    messaging: Literal["healthy", "unhealthy"]
    storage: Literal["healthy", "unhealthy"]
    auth: Literal["healthy", "unhealthy"]
    ingest: Literal["healthy", "unhealthy"]
    ocr: Literal["healthy", "unhealthy"]
    analysis: Literal["healthy", "unhealthy"]
    results: Literal["healthy", "unhealthy"]


class Health(TypedDict):
    """How the installation is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: Time
    version: str
    services: HealthServices


class GatewayStatus(TypedDict):
    """How this gateway is."""

    api_version: str
    environment: str
    uptime_seconds: float
    request_count: int
    active_connections: int


class Root(TypedDict):
    """What this is."""

    name: str
    version: str
    status: Literal["ok"]
    apis: dict[str, str]
    documentation: str

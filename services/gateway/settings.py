"""Settings of the gateway, beside those that every service has."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from mesh.settings import MeshSettings
from services.gateway.plans import PLANS, Plan
from services.gateway.quotas import ADDRESS, TIERS, WindowLimits


class GatewaySettings(MeshSettings):
    """How the gateway listens and how much it remembers."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65_535)
    public_url: str = ""
    """URL by which clients reach the gateway, for metadata that names it; empty: as the request has it."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins that browsers may call from in production, comma-separated in the environment; development allows any."""
    jobs_remembered: int = Field(default=20_000, ge=1)
    """Jobs whose status is kept in memory; about 3 KiB each."""
    live_readers_per_user: int = Field(default=256, ge=1)
    """WebSockets that one user may have open at this gateway."""
    live_ping_seconds: float = Field(default=20.0, gt=0)
    """How often clients of WebSockets are pinged."""
    live_pong_seconds: float = Field(default=60.0, gt=0)
    """How long a client may take to answer a ping before it counts as dead."""
    upload_held_bytes: int = Field(default=1 << 20, ge=0)
    """How much of a file is held back until the fields after it are known."""
    upload_seconds: float = Field(default=3_600.0, gt=0)
    """How long one upload may take."""
    json_body_bytes: int = Field(default=1 << 20, ge=1)
    """Largest JSON body."""
    idempotency_seconds: int = Field(default=86_400, ge=1)
    """How long the answer to a request with an idempotency key is remembered."""
    idempotency_lease_seconds: float = Field(default=5.0, ge=0.5)
    """How long a gateway that does not say so any more is believed to be at work on such a request."""
    idempotency_secret: SecretStr = SecretStr("")
    """Seals remembered answers together with the clients' keys; the same for all gateways of an installation."""
    limits: dict[str, WindowLimits] = Field(default_factory=lambda: dict(TIERS))
    """Requests by tier and window, JSON in the environment; what it leaves out stays as it is."""
    plans: dict[str, Plan] = Field(default_factory=lambda: dict(PLANS))
    """What a tier may use in a month, JSON in the environment; what it leaves out stays as it is."""
    address_limits: WindowLimits = Field(default_factory=lambda known: ADDRESS[known.get("environment", "production")])
    """Requests without a credential from one client address."""
    trusted_proxies: str = ""
    """Addresses or networks, comma-separated, whose `X-Forwarded-For` says where a request comes from."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("limits", mode="before")
    @classmethod
    def _complete_limits(cls, value: object) -> object:
        return _completed(TIERS, value)

    @field_validator("plans", mode="before")
    @classmethod
    def _complete_plans(cls, value: object) -> object:
        return _completed(PLANS, value)


def _completed(usual: Mapping[str, BaseModel], value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    given: dict[str, Any] = {str(tier): fields for tier, fields in value.items()}
    if unknown := sorted(given.keys() - usual.keys()):
        raise ValueError(f"no such tier: {', '.join(unknown)}")
    return {**usual, **{tier: _merged(usual[tier], fields) for tier, fields in given.items()}}


def _merged(usual: BaseModel, given: object) -> object:
    return {**usual.model_dump(), **given} if isinstance(given, Mapping) else given

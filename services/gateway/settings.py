"""Settings of the gateway, beside those that every service has."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from mesh.settings import MeshSettings


class GatewaySettings(MeshSettings):
    """How the gateway listens and how much it remembers."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65_535)
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins that browsers may call from in production, comma-separated in the environment; development allows any."""
    jobs_remembered: int = Field(default=10_000, ge=1)
    """Jobs whose status is kept in memory; about 3 KiB each."""
    upload_held_bytes: int = Field(default=1 << 20, ge=0)
    """How much of a file is held back until the fields after it are known."""
    upload_seconds: float = Field(default=3_600.0, gt=0)
    """How long one upload may take."""
    json_body_bytes: int = Field(default=1 << 20, ge=1)
    """Largest JSON body."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

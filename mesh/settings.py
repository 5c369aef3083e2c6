"""Settings that every service reads, once, from `PAGEMESH_*` environment variables."""

import os
import socket
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class MeshSettings(BaseSettings):
    """How a service reaches its neighbours. Addresses are gRPC targets: `host:port` or `unix:/path`."""

    model_config = SettingsConfigDict(env_prefix="PAGEMESH_", frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "production"] = "development"
    instance: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    listen: str = "127.0.0.1:7000"
    """Where this service's gRPC server listens."""
    metrics_port: int = 0
    """Port of the Prometheus page on 127.0.0.1; 0 for none."""
    metrics_host: str = "127.0.0.1"

    nats_url: SecretStr = SecretStr("nats://127.0.0.1:4222")
    database_url: SecretStr = SecretStr("")
    """SQLAlchemy URL with the psycopg driver, `postgresql+psycopg://…`."""
    storage_url: str = "file:///var/lib/pagemesh/blobs"
    stream_replicas: int = 1

    auth_url: str = "127.0.0.1:7001"
    ingest_url: str = "127.0.0.1:7002"
    ocr_url: str = "127.0.0.1:7003"
    analysis_url: str = "127.0.0.1:7004"
    results_url: str = "127.0.0.1:7005"
    service_secret: SecretStr = SecretStr("")
    """Shared by the services of one installation; `auth` gives service tokens for it."""

    arrival_secret: SecretStr = SecretStr("")
    """Shared by `ingest` and `results` alone, for what one vouches for to the other."""

    tls_cert: str = ""
    """PEM file of this service's certificate; empty for plain text (one machine, or a mesh that encrypts)."""
    tls_key: str = ""
    tls_ca: str = ""
    """PEM file of the authority that signed the others; with it the other side must show a certificate as well."""

    allowed_private_networks: str = ""
    """Networks beyond the public Internet that URLs named by callers may lead to, with blanks or commas between them;
    `*` for all."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str = ""
    """OTLP/gRPC endpoint for spans; empty for none."""
    drain_seconds: float = 20.0
    """How long a stopping service finishes what it has in hand."""

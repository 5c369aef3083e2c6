"""Settings of the auth service."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from mesh.revocations import LONGEST_TOKEN_SECONDS
from mesh.settings import MeshSettings
from services.auth import master_keys
from services.auth.provider_settings import NAME, ProviderSettings, with_kinds


class AuthSettings(MeshSettings):
    """How accounts and tokens behave. One of the two master key settings is required."""

    # A refused setting is named, never shown: it may be the master key.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    listen: str = "127.0.0.1:7001"
    default_tier: Literal["free", "pro", "enterprise"] = "free"
    """Plan of a new organization."""
    access_token_seconds: int = Field(default=1800, ge=1, le=1800)
    refresh_token_days: int = Field(default=30, ge=1, le=30)
    service_token_seconds: int = Field(default=900, ge=1, le=1800)
    oauth_token_seconds: int = Field(default=LONGEST_TOKEN_SECONDS, ge=1, le=LONGEST_TOKEN_SECONDS)
    """Life of access tokens of OAuth clients."""
    client_secret_grace_hours: int = Field(default=24, ge=0, le=24 * 30)
    """How long an OAuth client's secret is good for after it got another."""
    login_failures: int = Field(default=10, ge=1)
    """Wrong passwords for an account from one address before it is refused for a while; ten times so many from all."""
    login_window_seconds: int = Field(default=900, ge=1)
    """How long wrong passwords are counted together."""
    key_rotation_days: int = Field(default=30, ge=1)
    """How long a signing key signs; it verifies for as long again."""
    admin_secret: SecretStr = SecretStr("")
    """What operators show, `pagemesh admin` for them; without one, the secret that services share."""
    master_key: SecretStr = SecretStr("")
    """Base64 of the 32 bytes that encrypt keys at rest; several, while one takes another's place: the new one first."""
    master_key_file: Path | None = None
    """File with the same, for installations that mount their secrets; looked at again while the service runs."""
    sign_in_providers: dict[Annotated[str, StringConstraints(pattern=NAME)], ProviderSettings] = Field(
        default_factory=dict
    )
    """Whom people can sign in with, by name."""
    sign_in_providers_file: Path | None = None
    """File with the same."""

    @model_validator(mode="before")
    @classmethod
    def _reads_providers(cls, values: dict[str, Any]) -> dict[str, Any]:
        providers = values.get("sign_in_providers", {})
        if path := values.get("sign_in_providers_file"):
            try:
                providers = json.loads(Path(path).read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise ValueError("PAGEMESH_SIGN_IN_PROVIDERS_FILE cannot be read as JSON") from error
        return {**values, "sign_in_providers": with_kinds(providers)}

    @model_validator(mode="after")
    def _has_master_key(self) -> Self:
        self.master_keys()
        return self

    def master_keys(self) -> tuple[bytes, ...]:
        """The master keys, 32 bytes each, at least one. Raises ValueError without a usable one."""
        try:
            text = self._master_key_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError("the master key cannot be read as base64") from error
        return master_keys.parse(text)

    def operators_secret(self) -> str:
        """What operators show; empty: nobody is one."""
        return self.admin_secret.get_secret_value() or self.service_secret.get_secret_value()

    def _master_key_text(self) -> str:
        if self.master_key_file is not None:
            return self.master_key_file.read_text("utf-8")
        return self.master_key.get_secret_value()

"""Settings of the providers that people sign in with."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

NAME = r"^[a-z][a-z0-9-]{0,31}$"
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


def check_endpoint(url: str) -> str:
    """The URL, if codes and secrets may be sent there: https, or http on this machine. Raises ValueError."""
    parts = urlsplit(url)
    if not url.isascii() or not parts.hostname or parts.fragment or parts.username is not None:
        raise ValueError("this is not the URL of an endpoint")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("only https is safe beyond this machine")
    return url


def _check_issuer(url: str) -> str:
    if urlsplit(url).query:
        raise ValueError("an issuer has no query")
    return check_endpoint(url)


def _check_redirect(uri: str) -> str:
    parts = urlsplit(uri)
    if not uri.isascii() or not parts.scheme or "#" in uri:  # RFC 6749 section 3.1.2
        raise ValueError("this is not an absolute URI without a fragment")
    return uri


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Endpoint = Annotated[str, AfterValidator(check_endpoint)]
Issuer = Annotated[str, AfterValidator(_check_issuer)]
Redirect = Annotated[str, AfterValidator(_check_redirect)]
Domain = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[^@\s]+$")]


class _Client(BaseModel):
    """What the provider knows this installation by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    redirect_uri: Redirect
    """Where the provider sends the browser back to, with `code` and `state`: a page of the web application."""
    email_domains: tuple[Domain, ...] = ()
    """Domains of the addresses that the provider is trusted with; empty: of all."""


class OpenIdSettings(_Client):
    """An OpenID Connect issuer."""

    kind: Literal["oidc"] = "oidc"
    issuer: Issuer
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "PS256", "ES256", "EdDSA"), min_length=1)
    """What ID tokens may be signed with."""


class GoogleSettings(OpenIdSettings):
    """Google, an OpenID Connect issuer."""

    kind: Literal["google"] = "google"  # type: ignore[assignment]  # told apart by it
    issuer: Issuer = "https://accounts.google.com"


class GithubSettings(_Client):
    """GitHub, or a GitHub Enterprise Server: OAuth 2.0 without ID tokens."""

    kind: Literal["github"] = "github"
    url: Endpoint = "https://github.com"
    api_url: Endpoint = "https://api.github.com"


ProviderSettings = Annotated[OpenIdSettings | GoogleSettings | GithubSettings, Field(discriminator="kind")]


def with_kinds(providers: object) -> object:
    """The providers as given, each with its kind: its name where that is a kind, else an OpenID Connect issuer."""
    if not isinstance(providers, Mapping):
        return providers
    return {name: _with_kind(name, given) for name, given in providers.items()}


def _with_kind(name: object, given: object) -> object:
    usual = name if name in ("google", "github") else "oidc"
    return {"kind": usual, **given} if isinstance(given, Mapping) else given

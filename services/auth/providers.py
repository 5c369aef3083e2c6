"""Providers that vouch for people."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.auth import fields
from services.auth.provider_settings import GithubSettings, OpenIdSettings, ProviderSettings
from services.auth.records import ExternalIdentity
from services.auth.sign_in_states import SignInState


class Provider(Protocol):
    """One way to sign in. Every method raises Unavailable while the provider is away."""

    async def authorization_url(self, state: SignInState, sealed: str) -> str:
        """The page that the browser goes to; it comes back with a code and the sealed state."""

    async def identify(self, code: str, state: SignInState) -> ExternalIdentity:
        """Whom the code stands for. Raises InvalidArgument (INVALID_OAUTH_CODE)."""


def providers_of(settings: Mapping[str, ProviderSettings]) -> dict[str, Provider]:
    """The configured providers by name."""
    return {name: _provider(name, each) for name, each in settings.items()}


def _provider(name: str, settings: ProviderSettings) -> Provider:
    # A sixth of a second to import, which only installations with providers pay.
    from services.auth.github import GithubProvider
    from services.auth.openid import OpenIdProvider

    match settings:
        case GithubSettings():
            return GithubProvider(name, settings)
        case OpenIdSettings():
            return OpenIdProvider(name, settings)


def vouched_email(email: object, verified: object, domains: Sequence[str]) -> str:
    """The address, if the provider says that it is verified and may say so of its domain, else nothing."""
    if verified is not True and verified != "true":  # some issuers send their booleans as text
        return ""
    if not isinstance(email, str) or not fields.is_email(email):
        return ""
    return email if not domains or email.rpartition("@")[2].lower() in domains else ""

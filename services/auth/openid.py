"""OpenID Connect: any issuer that publishes its metadata. Source: OpenID Connect Core 1.0 section 3.1."""

import logging
from typing import Any

from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError

from services.auth.id_tokens import UNKNOWN_KEY, Claims, Expected, verified_claims
from services.auth.issuer import IssuerDocuments, Metadata
from services.auth.outgoing import Outgoing, fetch_json, wrong_code
from services.auth.provider_settings import OpenIdSettings
from services.auth.providers import vouched_email
from services.auth.records import ExternalIdentity
from services.auth.sign_in_states import SignInState

log = logging.getLogger(__name__)

_SCOPE = "openid email profile"
# Google's ID tokens may name it without a scheme. Source: Google Identity, "OpenID Connect", `iss`.
_OTHER_NAMES = {"https://accounts.google.com": ("accounts.google.com",)}


class OpenIdProvider:
    """An issuer."""

    def __init__(self, name: str, settings: OpenIdSettings) -> None:
        self._name = name
        self._settings = settings
        self._outgoing = Outgoing(name)
        self._issuer = IssuerDocuments(settings.issuer, self._outgoing)

    async def authorization_url(self, state: SignInState, sealed: str) -> str:
        """The issuer's page to sign in."""
        metadata = await self._issuer.metadata()
        async with self._outgoing.client(**self._registration(metadata)) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint, state=sealed, code_verifier=state.verifier, nonce=state.nonce
            )
        return str(url)

    async def identify(self, code: str, state: SignInState) -> ExternalIdentity:
        """The subject of the ID token, with the address if it is verified."""
        metadata = await self._issuer.metadata()
        async with self._outgoing.client(**self._registration(metadata)) as client:
            token = await client.fetch_token(metadata.token_endpoint, code=code, code_verifier=state.verifier)
            claims = await self._claims(token, state.nonce)
            if "email" not in claims and metadata.userinfo_endpoint:
                claims = await self._with_userinfo(client, metadata, token, claims)
        email = vouched_email(claims.get("email"), claims.get("email_verified"), self._settings.email_domains)
        name = claims.get("name") or claims.get("preferred_username")
        return ExternalIdentity(self._settings.issuer, claims["sub"], email, name if isinstance(name, str) else "")

    async def _claims(self, token: Any, nonce: str) -> Claims:
        id_token, access_token = token.get("id_token"), token.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise wrong_code()
        expected = Expected(
            issuers=(self._settings.issuer, *_OTHER_NAMES.get(self._settings.issuer, ())),
            client_id=self._settings.client_id,
            nonce=nonce,
            access_token=access_token,
            algorithms=self._settings.algorithms,
        )
        try:
            try:
                return verified_claims(id_token, await self._issuer.keys(), expected)
            except UNKNOWN_KEY:
                return verified_claims(id_token, await self._issuer.keys(anew=True), expected)
        except (JoseError, ValueError, TypeError) as error:
            # Which check failed, never what was checked.
            log.warning("an ID token is refused", extra={"provider": self._name, "reason": type(error).__name__})
            raise wrong_code() from error

    async def _with_userinfo(self, client: AsyncOAuth2Client, metadata: Metadata, token: Any, claims: Claims) -> Claims:
        told = await fetch_json(client, metadata.userinfo_endpoint, token["access_token"])
        if not isinstance(told, dict) or told.get("sub") != claims["sub"]:  # section 5.3.2
            raise wrong_code()
        return {**told, **claims}

    def _registration(self, metadata: Metadata) -> dict[str, str]:
        return {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.get_secret_value(),
            "token_endpoint_auth_method": metadata.token_endpoint_auth_method,
            "redirect_uri": self._settings.redirect_uri,
            "scope": _SCOPE,
            "code_challenge_method": "S256",
        }

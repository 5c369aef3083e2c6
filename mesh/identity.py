"""Who calls: access tokens, verified locally by every service.

Tokens are JWTs (RFC 7519) signed with Ed25519 (EdDSA, RFC 8037); `auth` alone can sign them. The caller's
organization is the token's `org` claim and never a field of a request.
"""

import json
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jwt

from mesh.errors import Forbidden, Unauthenticated, Unavailable

ISSUER = "pagemesh"
AUDIENCE = "pagemesh"
ALGORITHM = "EdDSA"
_REFRESH_SECONDS = 300.0
_UNKNOWN_KEY_PAUSE_SECONDS = 2.0
_AWAY_PAUSE_SECONDS = 5.0
_REMEMBERED_TOKENS = 10_000
_CLOCK_SKEW_SECONDS = 5

JwksSource = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller."""

    user_id: str
    organization_id: str
    role: str
    tier: str
    session_id: str
    expires_at: float

    def require_role(self, *roles: str) -> None:
        """Raises Forbidden unless the caller has one of the roles."""
        if self.role not in roles:
            raise Forbidden("Your role does not allow this.")


_current: ContextVar[Identity | None] = ContextVar("identity", default=None)


def current() -> Identity:
    """The caller of the request in hand. Raises Unauthenticated when there is none."""
    identity = _current.get()
    if identity is None:
        raise Unauthenticated("This needs a credential.")
    return identity


def become(identity: Identity | None) -> None:
    """Makes the identity the caller of the request in hand."""
    _current.set(identity)


class TokenVerifier:
    """Verifies access tokens against a JWK Set that it fetches when it meets a key for the first time."""

    def __init__(self, fetch_jwks: JwksSource) -> None:
        self._fetch_jwks = fetch_jwks
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -_REFRESH_SECONDS
        self._remembered: dict[str, Identity] = {}

    async def verify(self, token: str) -> Identity:
        """The caller that the token proves. Raises Unauthenticated; Unavailable when the keys cannot be had."""
        known = self._remembered.get(token)
        if known is not None and known.expires_at > time.time():
            return known
        identity = _identity(await self._claims(token))
        if len(self._remembered) >= _REMEMBERED_TOKENS:
            self._remembered.clear()
        self._remembered[token] = identity
        return identity

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "org"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated("The credential is malformed, expired or revoked.") from error
        return claims

    async def _key(self, kid: str) -> jwt.PyJWK:
        age = time.monotonic() - self._fetched_at
        # A forged key id must not make every request fetch the set again.
        if age > _REFRESH_SECONDS or (kid not in self._keys and age > _UNKNOWN_KEY_PAUSE_SECONDS):
            await self._refresh(required=kid not in self._keys)
        if kid not in self._keys:
            raise Unauthenticated("The credential is malformed, expired or revoked.")
        return self._keys[kid]

    async def _refresh(self, required: bool) -> None:
        try:
            jwks = json.loads(await self._fetch_jwks())
        except Unavailable:
            if required:
                raise
            self._fetched_at += _AWAY_PAUSE_SECONDS  # what is known goes on being good
        else:
            self._keys = {key["kid"]: jwt.PyJWK(key, algorithm=ALGORITHM) for key in jwks["keys"]}
            self._fetched_at = time.monotonic()


def _identity(claims: dict[str, Any]) -> Identity:
    return Identity(
        user_id=str(claims["sub"]),
        organization_id=str(claims["org"]),
        role=str(claims.get("role", "user")),
        tier=str(claims.get("tier", "free")),
        session_id=str(claims.get("sid", "")),
        expires_at=float(claims["exp"]),
    )

"""Who calls: access tokens, verified locally by every service.

Tokens are JWTs (RFC 7519) signed with Ed25519 (EdDSA, RFC 8037); `auth` alone can sign them. The caller's
organization is the token's `org` claim and never a field of a request.
"""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import jwt

from mesh.errors import Forbidden, Unauthenticated, Unavailable
from mesh.revocations import Revocations

ISSUER = "pagemesh"
AUDIENCE = "pagemesh"
OPERATOR_AUDIENCE = "pagemesh-operators"
"""Of operators' tokens, which `auth` alone takes."""
OPERATOR_ROLE = "operator"
"""Of operators, who belong to no organization."""
ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"  # noqa: S105  # no password
"""Of access tokens alone (RFC 9068 section 2.1): whatever else the keys sign is none."""
_REFRESH_SECONDS = 300.0
_UNKNOWN_KEY_PAUSE_SECONDS = 2.0
_AWAY_PAUSE_SECONDS = 5.0
_REMEMBERED_TOKENS = 10_000
_CLOCK_SKEW_SECONDS = 5

JwksSource = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    `session_id` is empty for whoever has not logged in: API keys, OAuth clients, services.
    """

    user_id: str
    organization_id: str
    role: str
    tier: str
    session_id: str
    expires_at: float
    generation: int = 0
    """Grows when the user's earlier tokens are declared dead."""
    token_id: str = field(default="", compare=False)
    """The token's `jti`."""
    key_id: str = ""
    """The API key that the token was given for."""
    scopes: frozenset[str] | None = None
    """What the token is for; None when it has no list and may do whatever its role may."""
    organization_generation: int = 0
    """Grows when the organization is disabled."""

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
    """Verifies access tokens against a JWK Set that it fetches when it meets a key for the first time.

    Whoever was good once is remembered, but asked every time whether the token is dead since.
    """

    def __init__(
        self, fetch_jwks: JwksSource, revocations: Revocations | None = None, audiences: Sequence[str] = (AUDIENCE,)
    ) -> None:
        self._fetch_jwks = fetch_jwks
        self._audiences = audiences
        self._revocations = revocations or Revocations()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -_REFRESH_SECONDS
        self._remembered: dict[str, Identity] = {}

    async def verify(self, token: str) -> Identity:
        """The caller that the token proves. Raises Unauthenticated.

        Raises Unavailable when the keys cannot be had, and until it is known which tokens are dead.
        """
        if not self._revocations.complete:
            raise Unavailable("It is not known yet which credentials were revoked.", dependency="nats")
        caller = self._known(token) or self._remember(token, _identity(await self._claims(token)))
        if self.denies(caller):
            raise _refused()
        return caller

    def denies(self, caller: Identity) -> bool:
        """Whether the token of a caller that was verified before is dead by now."""
        return self._revocations.denies(caller)

    def _known(self, token: str) -> Identity | None:
        known = self._remembered.get(token)
        return known if known is not None and known.expires_at > time.time() else None

    def _remember(self, token: str, caller: Identity) -> Identity:
        if len(self._remembered) >= _REMEMBERED_TOKENS:
            self._remembered.clear()
        self._remembered[token] = caller
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TOKEN_TYPE:
                raise _refused()
            key = await self._key(str(header.get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=self._audiences,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "org"]},
            )
        except jwt.PyJWTError as error:
            raise _refused() from error
        return claims

    async def _key(self, kid: str) -> jwt.PyJWK:
        age = time.monotonic() - self._fetched_at
        # A forged key id must not make every request fetch the set again.
        if age > _REFRESH_SECONDS or (kid not in self._keys and age > _UNKNOWN_KEY_PAUSE_SECONDS):
            await self._refresh(required=kid not in self._keys)
        if kid not in self._keys:
            raise _refused()
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


def _refused() -> Unauthenticated:
    return Unauthenticated("The credential is malformed, expired or revoked.")


def _identity(claims: dict[str, Any]) -> Identity:
    return Identity(
        user_id=str(claims["sub"]),
        organization_id=str(claims["org"]),
        role=str(claims.get("role", "user")),
        tier=str(claims.get("tier", "free")),
        session_id=str(claims.get("sid", "")),
        expires_at=float(claims["exp"]),
        generation=int(claims.get("gen", 0)),
        token_id=str(claims.get("jti", "")),
        key_id=str(claims.get("key", "")),
        scopes=frozenset(str(claims["scope"]).split()) if "scope" in claims else None,
        organization_generation=int(claims.get("ogen", 0)),
    )

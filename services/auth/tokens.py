"""Access tokens that every service verifies by itself, and refresh tokens that only this one knows."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt

from mesh.identity import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE
from services.auth.keys import KeyRing

_REFRESH_PREFIX = "pmr_"
_INVITATION_PREFIX = "pmi_"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token speaks for. Services have a name for an id and no session; API keys have a `key_id` instead.

    A subject with `scopes` may do what they say, one without whatever its role may.
    """

    id: str
    organization_id: str
    role: str
    tier: str
    session_id: str = ""
    generation: int = 0
    key_id: str = ""
    scopes: tuple[str, ...] | None = None
    organization_generation: int = 0


class AccessTokens:
    """Issues access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037)."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def issue(self, subject: Subject, life: timedelta, audience: str = AUDIENCE) -> str:
        """A token with the claims that `mesh.identity` reads."""
        now = datetime.now(UTC)
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject.id,
            "org": subject.organization_id,
            "role": subject.role,
            "tier": subject.tier,
            "sid": subject.session_id,
            "gen": subject.generation,
            "ogen": subject.organization_generation,
            "iat": now,
            "exp": now + life,
            "jti": str(uuid4()),
        }
        if subject.key_id:
            claims["key"] = subject.key_id
        if subject.scopes is not None:
            claims["scope"] = " ".join(subject.scopes)
        key = self._keys.signing(now)
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid, "typ": TOKEN_TYPE})


def new_refresh_token() -> str:
    """An opaque token of 256 random bits; the prefix lets secret scanners know it."""
    return _REFRESH_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_invitation_token() -> str:
    """As a refresh token, to join an organization with."""
    return _INVITATION_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def fingerprint(token: str) -> bytes:
    """What is stored of a secret that was made here: 32 bytes. Nothing slower is needed for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()

"""Who sends a request: bearer tokens of the `Authorization` header (RFC 6750)."""

import time

from mesh import context, identity
from mesh.errors import Unauthenticated
from mesh.identity import Identity, TokenVerifier

_REMEMBERED = 10_000
_CHALLENGE = 'Bearer realm="pagemesh", error="invalid_token"'


class Credentials:
    """Verifies credentials and remembers, by the header's bytes, those that were good."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier
        self._remembered: dict[bytes, Identity] = {}

    def known(self, header: bytes) -> Identity | None:
        """The caller of an `Authorization` header that was good before and is not expired yet."""
        caller = self._remembered.get(header)
        return caller if caller is not None and caller.expires_at > time.time() else None

    async def identify(self, header: str | None) -> Identity:
        """The caller, who becomes the one that calls to services are made for. Raises Unauthenticated, Unavailable."""
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("This needs a credential: Authorization: Bearer <access token>.")
        caller = await self._verified(token)
        self._remember((header or "").encode("latin-1"), caller)
        context.bearer_token.set(token)
        identity.become(caller)
        return caller

    async def _verified(self, token: str) -> Identity:
        try:
            return await self._verifier.verify(token)
        except Unauthenticated as error:
            raise Unauthenticated(error.message, error.reason, challenge=_CHALLENGE) from error

    def _remember(self, header: bytes, caller: Identity) -> None:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[header] = caller

"""Who sends a request: bearer tokens of the `Authorization` header (RFC 6750), and API keys there or in `X-API-Key`."""

import sys
import time
from collections.abc import Mapping

from starlette.datastructures import Headers

from mesh import context, identity
from mesh.errors import Unauthenticated
from mesh.identity import Identity, TokenVerifier
from services.gateway.exchange import PREFIX, KeyExchange

_REMEMBERED = 10_000
_SERVICE = "service"
_CHALLENGE = 'Bearer realm="pagemesh", error="invalid_token"'


class Credentials:
    """Verifies credentials and remembers, by the header's bytes, those that were good."""

    def __init__(self, verifier: TokenVerifier, exchange: KeyExchange) -> None:
        self._verifier = verifier
        self._exchange = exchange
        self._remembered: dict[bytes, Identity] = {}

    def known(self, headers: Mapping[bytes, bytes]) -> Identity | None:
        """The caller whose credential was good before and is neither expired nor revoked yet."""
        caller = self._remembered.get(_known_by(headers.get(b"authorization"), headers.get(b"x-api-key")))
        if caller is None or caller.expires_at <= time.time() or self._verifier.denies(caller):
            return None
        return caller

    async def identify(self, headers: Headers) -> Identity:
        """The caller, who becomes the one that calls to services are made for. Raises Unauthenticated, Unavailable."""
        caller = await self.verify(_credential(headers))
        sent = (headers.get(name) for name in ("authorization", "x-api-key"))
        self._remember(_known_by(*(None if value is None else value.encode("latin-1") for value in sent)), caller)
        return caller

    async def verify(self, credential: str) -> Identity:
        """As `identify`, for an access token or API key that came otherwise than by a header."""
        try:
            token, caller = await self._verified(credential)
        except Unauthenticated as error:
            raise Unauthenticated(error.message, error.reason, challenge=_CHALLENGE) from error
        if caller.role == _SERVICE:  # it speaks for no account, and to other services alone
            raise Unauthenticated("The credential is not for this API.", challenge=_CHALLENGE)
        context.bearer_token.set(sys.intern(token))  # thousands of held requests share it
        identity.become(caller)
        return caller

    def denies(self, caller: Identity) -> bool:
        """Whether the credential of a caller that was verified before is dead by now."""
        return self._verifier.denies(caller)

    async def _verified(self, credential: str) -> tuple[str, Identity]:
        if not credential.startswith(PREFIX):
            return credential, await self._verifier.verify(credential)
        token = await self._exchange.token(credential)
        try:
            return token, await self._verifier.verify(token)
        except Unauthenticated:  # the token is dead; whether the key is, `auth` knows
            self._exchange.forget(credential)
            token = await self._exchange.token(credential)
            return token, await self._verifier.verify(token)

    def _remember(self, header: bytes, caller: Identity) -> None:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[header] = caller


def _known_by(authorization: bytes | None, key: bytes | None) -> bytes:
    """What a good credential is remembered by; the key counts only where there is no `Authorization`."""
    return b"X-API-Key " + (key or b"") if authorization is None else authorization


def _credential(headers: Headers) -> str:
    authorization, key = headers.get("authorization"), headers.get("x-api-key", "").strip()
    if authorization is None and key:
        if not key.startswith(PREFIX):
            raise Unauthenticated("This is not an API key.", challenge=_CHALLENGE)
        return key
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("This needs a credential: Authorization: Bearer <access token>, or X-API-Key.")
    return token.strip()

"""Tokens of OAuth clients: the client credentials grant (RFC 6749 section 4.4), revocation, introspection."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, InvalidArgument, Unauthenticated
from mesh.identity import Identity, TokenVerifier
from mesh.scopes import GRANTABLE
from services.auth.accounts import Herald
from services.auth.records import IdentityEvent, OAuthClient
from services.auth.tokens import AccessTokens, Subject, fingerprint

ROLE = "client"


class SecretBook(Protocol):
    """Where clients are looked up by their secrets. Every method raises Unavailable while it is away."""

    async def client_by_secret(self, client_id: UUID, secret_hash: bytes) -> OAuthClient | None:
        """The client, if the secret is its and good."""

    async def revoke_token(self, token_id: UUID, life: timedelta) -> IdentityEvent:
        """Records that one token is dead, which would have lived so long."""


class ClientTokens:
    """What clients ask for. Every method raises Unauthenticated (INVALID_CLIENT) for a wrong id or secret."""

    def __init__(
        self, book: SecretBook, access: AccessTokens, verifier: TokenVerifier, herald: Herald, life: timedelta
    ) -> None:
        self._book = book
        self._access = access
        self._verifier = verifier
        self._herald = herald
        self.life = life

    async def issue(self, client_id: str, secret: str, scopes: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """A token and what it is for; without scopes asked for, all of the client's.

        Raises InvalidArgument (INVALID_SCOPE).
        """
        client = await self._proven(client_id, secret)
        if not set(scopes) <= set(client.scopes):
            raise InvalidArgument("The client may not have this scope.", "INVALID_SCOPE")
        granted = tuple(scope for scope in client.scopes if not scopes or scope in scopes)
        subject = Subject(
            id=str(client.id),
            organization_id=str(client.organization_id),
            role=ROLE,
            tier=client.tier,
            scopes=granted,
            organization_generation=client.organization_generation,
        )
        return self._access.issue(subject, self.life), granted

    async def revoke(self, client_id: str, secret: str, token: str) -> Sequence[IdentityEvent]:
        """Declares the client's token dead; one that is no good here, as another organization's, is left alone.

        Raises Forbidden (UNAUTHORIZED_CLIENT) for a good one of somebody else. Source: RFC 7009 section 2.1.
        """
        client = await self._proven(client_id, secret)
        holder = await self._holder(token, client)
        if holder is None:
            return []
        if holder.user_id != str(client.id):
            raise Forbidden("The token belongs to another client.", "UNAUTHORIZED_CLIENT")
        life = timedelta(seconds=max(0.0, holder.expires_at - time.time()))
        events = [await self._book.revoke_token(UUID(holder.token_id), life)]
        self._herald.announce(events)
        return events

    async def introspect(self, client_id: str, secret: str, token: str) -> Identity | None:
        """Whom a token of the client's organization speaks for; None for any other, and for what is no good."""
        return await self._holder(token, await self._proven(client_id, secret))

    async def _holder(self, token: str, client: OAuthClient) -> Identity | None:
        try:
            holder = await self._verifier.verify(token)
        except Unauthenticated:
            return None
        return holder if holder.organization_id == str(client.organization_id) else None

    async def _proven(self, client_id: str, secret: str) -> OAuthClient:
        number = _uuid(client_id)
        client = await self._book.client_by_secret(number, fingerprint(secret)) if number else None
        if client is None:
            raise Unauthenticated("The client is unknown, or its secret is wrong.", "INVALID_CLIENT")
        return client


def scopes_of(caller: Identity) -> list[str]:
    """What a token is for, in the usual order; nothing when it has no list."""
    return [scope for scope in GRANTABLE if scope in (caller.scopes or ())]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

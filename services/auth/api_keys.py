"""API keys: made by people, exchanged for short access tokens that every service verifies by itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, InvalidArgument, Unauthenticated
from mesh.identity import Identity
from mesh.scopes import GRANTABLE
from services.auth import fields
from services.auth.accounts import Accounts, Herald
from services.auth.new_secrets import NewSecrets
from services.auth.records import ApiKey, IdentityEvent, NewApiKey, User
from services.auth.tokens import AccessTokens, Subject, fingerprint

PREFIX = "pmk_"
TOKEN_LIFE = timedelta(minutes=5)
_SHOWN = 12


class ApiKeyBook(Protocol):
    """Where keys are recorded. Every method raises Unavailable while it is away."""

    async def add_api_key(self, user: User, key: NewApiKey) -> ApiKey | None:
        """Records a key; one that is there already stays as it is and is answered.

        None when what the account had has been declared dead since `user` was read.
        """

    async def api_keys(self, user_id: UUID, limit: int, offset: int) -> tuple[list[ApiKey], int]:
        """The user's keys, newest first, and how many there are."""

    async def revoke_api_key(self, user_id: UUID, key_id: UUID, life: timedelta) -> IdentityEvent:
        """Revokes one of the user's keys. Raises NotFound."""

    async def use_api_key(self, key_hash: bytes) -> tuple[ApiKey, User] | None:
        """The key and its owner, while both are good; notes that it was used."""


class ApiKeys:
    """Keys of people."""

    def __init__(
        self, book: ApiKeyBook, accounts: Accounts, access: AccessTokens, herald: Herald, secrets: NewSecrets
    ) -> None:
        self._book = book
        self._accounts = accounts
        self._access = access
        self._herald = herald
        self._secrets = secrets

    async def create(
        self,
        caller: Identity,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None,
        request_id: UUID | None = None,
    ) -> tuple[ApiKey, str]:
        """A key and its text, the same for the same request id.

        Raises InvalidArgument naming the field, Forbidden for who has not logged in.
        """
        if not caller.session_id:
            raise Forbidden("Keys are made by people who have logged in.")
        user = await self._accounts.me(caller)
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise InvalidArgument("This is in the past.", field="expires_at")
        key = self._secrets.make(PREFIX, user.id, request_id)
        made = NewApiKey(
            name=fields.check_name(name, "name"),
            key_hash=fingerprint(key),
            prefix=key[:_SHOWN],
            scopes=check_scopes(scopes) or None,
            expires_at=expires_at,
        )
        recorded = await self._book.add_api_key(user, made)
        if recorded is None:
            raise Unauthenticated("The session has ended.")
        return recorded, key

    async def list(self, caller: Identity, page: int, per_page: int) -> tuple[Sequence[ApiKey], int]:
        """One page of the caller's keys, pages from 1, and how many there are."""
        user = await self._accounts.me(caller)
        if page < 1 or not 1 <= per_page <= 100:
            raise InvalidArgument("Pages go from 1 and hold 1 to 100.", field="page")
        return await self._book.api_keys(user.id, per_page, (page - 1) * per_page)

    async def revoke(self, caller: Identity, key_id: UUID) -> Sequence[IdentityEvent]:
        """Revokes one of the caller's keys. Raises NotFound."""
        user = await self._accounts.me(caller)
        events = [await self._book.revoke_api_key(user.id, key_id, TOKEN_LIFE)]
        self._herald.announce(events)
        return events

    async def exchange(self, key: str) -> tuple[str, timedelta]:
        """An access token of the key's owner, restricted as the key is, and its life. Raises Unauthenticated."""
        used = await self._book.use_api_key(fingerprint(key)) if key.startswith(PREFIX) else None
        if used is None:
            raise Unauthenticated("The API key is unknown, expired or revoked.")
        known, owner = used
        life = TOKEN_LIFE
        if known.expires_at is not None:
            life = max(timedelta(seconds=1), min(life, known.expires_at - datetime.now(UTC)))
        subject = Subject(
            id=str(owner.id),
            organization_id=str(owner.organization.id),
            role=owner.role,
            tier=owner.organization.tier,
            generation=owner.generation,
            key_id=str(known.id),
            scopes=known.scopes,
            organization_generation=owner.organization.generation,
        )
        return self._access.issue(subject, life), life


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes, each once, in their usual order. Raises InvalidArgument for one that cannot be granted."""
    unknown = sorted(set(scopes) - set(GRANTABLE))
    if unknown:
        raise InvalidArgument(f"There is no scope {unknown[0]!r}.", field="scopes")
    return tuple(scope for scope in GRANTABLE if scope in scopes)

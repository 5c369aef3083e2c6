"""Keys for providers of language models: stored for a person, opened for the service that asks the providers."""

import logging
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from mesh.errors import IllegalState, InvalidArgument, Unavailable
from mesh.identity import Identity
from services.auth import envelope
from services.auth.accounts import Accounts
from services.auth.envelope import Envelope
from services.auth.master_keys import KeyHolder, MasterKeys, WrongMasterKey
from services.auth.model_providers import PROVIDERS, check_key, check_provider, masked
from services.auth.records import ProviderKey, User

log = logging.getLogger(__name__)

_MOST_ASKED = 100
_TRIES = 3


class ProviderKeyBook(Protocol):
    """Where keys are recorded. Every method raises Unavailable while it is away."""

    async def put_provider_key(
        self, user_id: UUID, provider: str, masked_key: str, sealed: Envelope
    ) -> ProviderKey | None:
        """Records a key in place of one before; None when its master key wraps no more. Raises NotFound."""

    async def provider_keys(self, user_id: UUID, limit: int, offset: int) -> tuple[list[ProviderKey], int]:
        """The user's keys by provider, and how many there are."""

    async def masked_provider_key(self, user_id: UUID, provider: str) -> str | None:
        """What is shown of a key."""

    async def erase_provider_key(self, user_id: UUID, provider: str) -> None:
        """Erases a key. Raises NotFound."""

    async def sealed_provider_key(
        self, organization_id: UUID, user_id: UUID, providers: Sequence[str]
    ) -> tuple[str, Envelope] | None:
        """The first of these keys that an active user of an active organization has."""


class ProviderKeys:
    """Keys of people."""

    def __init__(self, book: ProviderKeyBook, accounts: Accounts, master: KeyHolder) -> None:
        self._book = book
        self._accounts = accounts
        self._master = master

    async def put(self, caller: Identity, provider: str, key: str) -> ProviderKey:
        """Stores a key of the caller's. Raises InvalidArgument naming the field, Unavailable."""
        user = await self._accounts.me(caller)
        check_provider(provider)
        check_key(key)
        for _ in range(_TRIES):
            sealed = envelope.seal(key, bound_to(user.id, provider), await self._fresh())
            stored = await self._book.put_provider_key(user.id, provider, masked(key), sealed)
            if stored:
                return stored
        raise _replacing()

    async def list(self, caller: Identity, page: int, per_page: int) -> tuple[Sequence[ProviderKey], int]:
        """One page of the caller's keys, pages from 1, and how many there are."""
        user = await self._accounts.me(caller)
        if page < 1 or not 1 <= per_page <= 100:
            raise InvalidArgument("Pages go from 1 and hold 1 to 100.", field="page")
        return await self._book.provider_keys(user.id, per_page, (page - 1) * per_page)

    async def erase(self, caller: Identity, provider: str) -> None:
        """Erases a key of the caller's. Raises NotFound, InvalidArgument."""
        user = await self._accounts.me(caller)
        await self._book.erase_provider_key(user.id, check_provider(provider))

    async def masked(self, user: User, provider: str) -> str | None:
        """What is shown of a user's key."""
        return await self._book.masked_provider_key(user.id, provider)

    async def open(self, caller: Identity, user_id: str, providers: Sequence[str]) -> tuple[str, str]:
        """The first of these keys that the user has: its provider and the key; two empty texts when there is none.

        The caller is a service that acts inside the user's organization. Raises IllegalState
        (PROVIDER_KEY_UNREADABLE), InvalidArgument, Unavailable.
        """
        if len(providers) > _MOST_ASKED:
            raise InvalidArgument(f"At most {_MOST_ASKED} providers.", field="providers")
        user = _uuid(user_id)
        if user is None:
            return "", ""
        try:
            return await self._open(caller, user, providers)
        except WrongMasterKey:  # read before the master key was replaced, and opened after
            await self._fresh()
        try:
            return await self._open(caller, user, providers)
        except WrongMasterKey as error:
            log.error("a provider key does not open", extra={"user": user_id, "why": type(error).__name__})
            raise IllegalState("The stored key cannot be read. Store it again.", "PROVIDER_KEY_UNREADABLE") from error

    async def _open(self, caller: Identity, user_id: UUID, providers: Sequence[str]) -> tuple[str, str]:
        known = [name for name in providers if name in PROVIDERS]
        found = await self._book.sealed_provider_key(UUID(caller.organization_id), user_id, known)
        if found is None:
            return "", ""
        provider, sealed = found
        key = envelope.unseal(sealed, bound_to(user_id, provider), await self._master.known())
        log.info("a provider key was opened", extra={"user": str(user_id), "provider": provider, "by": caller.user_id})
        return provider, key

    async def _fresh(self) -> MasterKeys:
        try:
            return await self._master.fresh()
        except WrongMasterKey as error:
            log.error("the record's master key is not among those given here")
            raise _replacing() from error


def bound_to(user_id: UUID, provider: str) -> bytes:
    """What a key is encrypted together with: whose it is, and for whom."""
    return f"provider key\x00{user_id}\x00{provider}".encode()


def _replacing() -> Unavailable:
    return Unavailable("The master key is being replaced. Try again shortly.", dependency="master_key")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:  # a service, or nobody: it has no keys
        return None

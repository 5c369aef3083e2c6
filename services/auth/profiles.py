"""What people change of their own accounts."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import InvalidArgument
from mesh.identity import Identity
from services.auth import fields
from services.auth.accounts import Accounts, Herald
from services.auth.records import IdentityEvent, User

_THEME = re.compile(r"[A-Za-z0-9-]{1,32}")
# Source: RFC 5646 section 2.1, without checking subtags against the registry.
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")


class ProfileBook(Protocol):
    """Where accounts are changed. Every method raises Unavailable while it is away."""

    async def change_user(self, user_id: UUID, full_name: str | None, preferences: Mapping[str, object]) -> User:
        """Changes what is given. Raises NotFound."""

    async def delete_user(self, organization_id: UUID, user_id: UUID, life: timedelta) -> list[IdentityEvent]:
        """Deletes an account. Raises NotFound, IllegalState (LAST_ADMIN)."""


class Profiles:
    """People's own accounts."""

    def __init__(self, book: ProfileBook, accounts: Accounts, herald: Herald, token_life: timedelta) -> None:
        self._book = book
        self._accounts = accounts
        self._herald = herald
        self._token_life = token_life

    async def change(self, caller: Identity, full_name: str | None, preferences: Mapping[str, object]) -> User:
        """Changes what is given of the caller's account. Raises InvalidArgument naming the field."""
        user = await self._accounts.me(caller)
        name = None if full_name is None else fields.check_name(full_name, "full_name")
        _check(preferences, "theme", _THEME)
        _check(preferences, "language", _LANGUAGE)
        return await self._book.change_user(user.id, name, preferences)

    async def delete(self, caller: Identity) -> list[IdentityEvent]:
        """Deletes the caller's account. Raises IllegalState (LAST_ADMIN) while other members need this admin."""
        user = await self._accounts.me(caller)
        events = await self._book.delete_user(user.organization.id, user.id, self._token_life)
        self._herald.announce(events)
        return events


def _check(preferences: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> None:
    if name in preferences and not pattern.fullmatch(str(preferences[name])):
        raise InvalidArgument(f"This is not a {name}.", field=f"preferences.{name}")

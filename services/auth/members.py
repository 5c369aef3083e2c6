"""What admins govern: their organization and its members."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, InvalidArgument
from mesh.identity import Identity
from services.auth import fields
from services.auth.accounts import Accounts, Herald
from services.auth.records import IdentityEvent, MemberChange, Organization, User

_RANGES = {"max_file_size_mb": (1, 500), "retention_days": (1, 3_650)}


class MemberBook(Protocol):
    """Where organizations and members are recorded. Every method raises Unavailable while it is away."""

    async def change_organization(
        self, organization_id: UUID, name: str | None, settings: Mapping[str, object]
    ) -> Organization:
        """Changes what is given. Raises NotFound."""

    async def members(self, organization_id: UUID, limit: int, offset: int) -> tuple[list[User], int]:
        """Accounts of the organization, oldest first, and how many there are."""

    async def change_member(
        self, organization_id: UUID, user_id: UUID, change: MemberChange, life: timedelta
    ) -> tuple[User, list[IdentityEvent]]:
        """Changes role or state. Raises NotFound, IllegalState (LAST_ADMIN)."""

    async def delete_user(self, organization_id: UUID, user_id: UUID, life: timedelta) -> list[IdentityEvent]:
        """Deletes an account. Raises NotFound, IllegalState (LAST_ADMIN)."""


async def require_admin(accounts: Accounts, caller: Identity) -> User:
    """The caller's account, an admin's as the record has it now, whatever the token says. Raises Forbidden."""
    user = await accounts.me(caller)
    if user.role != "admin":
        raise Forbidden("This is for admins of the organization.")
    return user


class Members:
    """Organizations, governed by their admins: all methods raise Forbidden for everybody else."""

    def __init__(self, book: MemberBook, accounts: Accounts, herald: Herald, token_life: timedelta) -> None:
        self._book = book
        self._accounts = accounts
        self._herald = herald
        self._token_life = token_life

    async def change_organization(
        self, caller: Identity, name: str | None, settings: Mapping[str, object]
    ) -> Organization:
        """Changes what is given; settings merge. Raises InvalidArgument naming the field."""
        admin = await require_admin(self._accounts, caller)
        checked = None if name is None else fields.check_name(name, "name")
        for setting, (least, most) in _RANGES.items():
            if setting in settings and not least <= int(str(settings[setting])) <= most:
                raise InvalidArgument(f"This goes from {least} to {most}.", field=f"settings.{setting}")
        return await self._book.change_organization(admin.organization.id, checked, settings)

    async def members(self, caller: Identity, page: int, per_page: int) -> tuple[list[User], int]:
        """One page of the organization's accounts, pages from 1, and how many accounts there are."""
        admin = await require_admin(self._accounts, caller)
        if page < 1 or not 1 <= per_page <= 100:
            raise InvalidArgument("Pages go from 1 and hold 1 to 100.", field="page")
        return await self._book.members(admin.organization.id, per_page, (page - 1) * per_page)

    async def change(self, caller: Identity, user_id: UUID, change: MemberChange) -> tuple[User, list[IdentityEvent]]:
        """Changes a member's role or state. Raises NotFound, IllegalState (LAST_ADMIN)."""
        admin = await require_admin(self._accounts, caller)
        member, events = await self._book.change_member(admin.organization.id, user_id, change, self._token_life)
        self._herald.announce(events)
        return member, events

    async def remove(self, caller: Identity, user_id: UUID) -> list[IdentityEvent]:
        """Deletes a member's account. Raises NotFound, IllegalState (LAST_ADMIN)."""
        admin = await require_admin(self._accounts, caller)
        events = await self._book.delete_user(admin.organization.id, user_id, self._token_life)
        self._herald.announce(events)
        return events

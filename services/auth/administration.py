"""What operators do to organizations, accounts and keys. Each change is recorded with who made it, and logged."""

import logging
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from mesh.errors import InvalidArgument, NotFound
from services.auth import fields, strength
from services.auth.accounts import Herald
from services.auth.actions import OperatorAction, Outcome
from services.auth.keys import KeyRing, SealedKey, SigningKey
from services.auth.passwords import Passwords
from services.auth.records import NewUser, Organization, User

log = logging.getLogger(__name__)

_MOST_REQUESTS = 1_000_000_000
_LONGEST_SEARCH = 254

T = TypeVar("T")


class AdministrationBook(Protocol):
    """Where everything is recorded. Methods raise Unavailable while it is away, NotFound for what is not there."""

    async def create_organization(self, operator: str, name: str, tier: str) -> Outcome[Organization]:
        """Makes an organization without members."""

    async def organization(self, organization_id: UUID) -> Organization:
        """One organization."""

    async def organizations(self, search: str, limit: int, offset: int) -> tuple[list[Organization], int]:
        """Those found, oldest first, and how many there are."""

    async def set_tier(self, operator: str, organization_id: UUID, tier: str) -> Outcome[Organization]:
        """Puts it on another plan."""

    async def set_rate_limits(
        self, operator: str, organization_id: UUID, limits: Mapping[str, int | None]
    ) -> Outcome[Organization]:
        """Sets the windows that are given; None: as the tier."""

    async def disable_organization(self, operator: str, organization_id: UUID) -> Outcome[Organization]:
        """Ends its members' sessions and declares every token of it dead."""

    async def enable_organization(self, operator: str, organization_id: UUID) -> Outcome[Organization]:
        """Lets its members, API keys and OAuth clients in again."""

    async def create_user(self, operator: str, organization_id: UUID, user: NewUser, role: str) -> Outcome[User]:
        """Makes an account. Raises AlreadyExists (EMAIL_TAKEN)."""

    async def user(self, user_id: UUID) -> User | None:
        """The account, unless it was deleted."""

    async def user_by_email(self, email: str) -> User | None:
        """The account, whatever the case of the address."""

    async def people(
        self, organization_id: UUID | None, search: str, limit: int, offset: int
    ) -> tuple[list[User], int]:
        """Those found, oldest first, and how many there are."""

    async def set_user_active(self, operator: str, user: User, is_active: bool, life: timedelta) -> Outcome[User]:
        """Disables or enables an account."""

    async def add_signing_key(self, operator: str, candidate: SealedKey) -> OperatorAction | None:
        """Stores the candidate; None when another waits to sign already."""

    async def actions(self, organization_id: UUID | None, limit: int, offset: int) -> tuple[list[OperatorAction], int]:
        """What operators did, newest first, and how much there is."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: pages from 1, of 1 to 100."""

    number: int
    size: int

    @property
    def window(self) -> tuple[int, int]:
        """Limit and offset. Raises InvalidArgument."""
        if self.number < 1 or not 1 <= self.size <= 100:
            raise InvalidArgument("Pages go from 1 and hold 1 to 100.", field="page")
        return self.size, (self.number - 1) * self.size


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An account that an operator wants to be made."""

    organization_id: str
    email: str
    full_name: str
    role: str
    password: str = field(repr=False)


class Administration:
    """The installation, governed by operators, each named by what they call themselves.

    Ids are texts as operators type them: every method raises NotFound for those of nothing.
    """

    def __init__(
        self,
        book: AdministrationBook,
        passwords: Passwords,
        keys: KeyRing,
        herald: Herald,
        default_tier: str,
        token_life: timedelta,
    ) -> None:
        self._book = book
        self._passwords = passwords
        self._keys = keys
        self._herald = herald
        self._default_tier = default_tier
        self._token_life = token_life

    async def create_organization(self, operator: str, name: str, tier: str | None) -> Organization:
        """Makes an organization. Raises InvalidArgument for the name."""
        checked = fields.check_name(name, "name")
        return self._done(await self._book.create_organization(operator, checked, tier or self._default_tier))

    async def organization(self, organization_id: str) -> Organization:
        """One organization."""
        return await self._book.organization(_organization_id(organization_id))

    async def organizations(self, search: str, page: Page) -> tuple[list[Organization], int]:
        """Those whose name holds the text, or whose id it is, and how many. Raises InvalidArgument."""
        return await self._book.organizations(_check_search(search), *page.window)

    async def set_tier(self, operator: str, organization_id: str, tier: str) -> Organization:
        """Puts it on another plan."""
        return self._done(await self._book.set_tier(operator, _organization_id(organization_id), tier))

    async def set_rate_limits(self, operator: str, organization_id: str, limits: Mapping[str, int]) -> Organization:
        """Sets the windows that are given; 0: as the tier. Raises InvalidArgument naming the window."""
        if not limits:
            raise InvalidArgument("This needs at least one window.", field="per_minute")
        for window, limit in limits.items():
            if not 0 <= limit <= _MOST_REQUESTS:
                raise InvalidArgument(f"This goes from 1 to {_MOST_REQUESTS:,}; 0 clears it.", field=window)
        wanted = {window: limit or None for window, limit in limits.items()}
        return self._done(await self._book.set_rate_limits(operator, _organization_id(organization_id), wanted))

    async def set_organization_active(self, operator: str, organization_id: str, is_active: bool) -> Organization:
        """Disables or enables it."""
        change = self._book.enable_organization if is_active else self._book.disable_organization
        return self._done(await change(operator, _organization_id(organization_id)))

    async def create_user(self, operator: str, newcomer: Newcomer) -> User:
        """Makes an account. Raises InvalidArgument naming the field, WEAK_PASSWORD; AlreadyExists (EMAIL_TAKEN)."""
        organization = await self.organization(newcomer.organization_id)
        email = fields.check_email(newcomer.email)
        name = fields.check_name(newcomer.full_name, "full_name")
        strength.check_strength(newcomer.password, email)
        user = NewUser(email, name, await self._passwords.hash(newcomer.password))
        return self._done(await self._book.create_user(operator, organization.id, user, newcomer.role))

    async def user(self, reference: str) -> User:
        """The account of an id or a mail address."""
        user_id = _uuid(reference)
        if user_id is not None:
            user = await self._book.user(user_id)
        else:
            user = await self._book.user_by_email(reference) if fields.is_email(reference) else None
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def users(self, organization_id: str, search: str, page: Page) -> tuple[list[User], int]:
        """Those of an organization, or of all, whose address or name holds the text. Raises InvalidArgument."""
        within = (await self.organization(organization_id)).id if organization_id else None
        return await self._book.people(within, _check_search(search), *page.window)

    async def set_user_active(self, operator: str, reference: str, is_active: bool) -> User:
        """Disables or enables an account."""
        user = await self.user(reference)
        return self._done(await self._book.set_user_active(operator, user, is_active, self._token_life))

    async def rotate_keys(self, operator: str) -> tuple[SigningKey, SigningKey, bool]:
        """The key that signs now, the one that follows it, and whether that was made by this call."""
        action = await self._book.add_signing_key(operator, await self._keys.candidate())
        if action is not None:
            _note(action)
            self._herald.announce([])
        await self._keys.load()
        return self._keys.signing(datetime.now(UTC)), self._keys.newest, action is not None

    async def actions(self, organization_id: str, page: Page) -> tuple[list[OperatorAction], int]:
        """What operators did, to an organization or to anything, newest first."""
        within = (await self.organization(organization_id)).id if organization_id else None
        return await self._book.actions(within, *page.window)

    def _done(self, outcome: Outcome[T]) -> T:
        _note(outcome.action)
        self._herald.announce(outcome.events)
        return outcome.thing


def _note(action: OperatorAction) -> None:
    concerned = {"organization": action.organization_id, "user": action.user_id}
    told = {name: str(value) for name, value in concerned.items() if value}
    extra = {"operator": action.operator, "action": action.action, **told, "details": dict(action.details)}
    log.info("an operator made a change", extra=extra)


def _organization_id(text: str) -> UUID:
    number = _uuid(text)
    if number is None:  # no organization has such an id
        raise NotFound("There is no such organization.")
    return number


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _check_search(text: str) -> str:
    if len(text) > _LONGEST_SEARCH or any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        message = f"This takes at most {_LONGEST_SEARCH} characters, none of them a control character."
        raise InvalidArgument(message, field="search")
    return text

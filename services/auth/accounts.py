"""Registering, logging in, and keeping a session alive."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, Unauthenticated
from mesh.identity import Identity
from services.auth import fields, strength
from services.auth.passwords import Passwords
from services.auth.records import NewAccount, Organization, OrganizationSettings, Session, User
from services.auth.tokens import AccessTokens, Subject, fingerprint, new_refresh_token

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """What somebody gives to get an account. An empty organization name is derived from the person's."""

    email: str
    password: str = field(repr=False)
    full_name: str
    organization_name: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A session's tokens; `expires_in` is the access token's life in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


class AccountBook(Protocol):
    """Where accounts and sessions are recorded. Every method raises Unavailable while it is away."""

    async def register(self, account: NewAccount, token_hash: bytes, life: timedelta) -> Session:
        """Makes the account, its organization and a first session. Raises AlreadyExists."""

    async def user_by_email(self, email: str) -> User | None:
        """The account, whatever the case of the address."""

    async def open_session(self, user: User, token_hash: bytes, life: timedelta) -> Session:
        """Records a login."""

    async def replace_hash(self, user: User, password_hash: str) -> None:
        """Stores another hash of the same password."""

    async def rotate(self, spent: bytes, next_hash: bytes, life: timedelta) -> Session | None:
        """Spends a refresh token for the next one; None unless it was good."""

    async def end_session_of_spent(self, token_hash: bytes) -> UUID | None:
        """Ends the session whose refresh token this is, if it was spent before; the id of the session that ended."""

    async def session_user(self, session_id: UUID) -> User | None:
        """The user of a session that has not ended."""

    async def organization(self, organization_id: UUID) -> Organization:
        """The organization. Raises NotFound."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What new accounts and sessions get."""

    tier: str
    access_life: timedelta
    refresh_life: timedelta


class Accounts:
    """The accounts of one installation."""

    def __init__(self, book: AccountBook, passwords: Passwords, access: AccessTokens, terms: Terms) -> None:
        self._book = book
        self._passwords = passwords
        self._access = access
        self._terms = terms

    async def register(self, wanted: Registration) -> tuple[User, Tokens]:
        """Makes an account and the organization that it governs.

        Raises InvalidArgument (WEAK_PASSWORD for the password), AlreadyExists (EMAIL_TAKEN), Unavailable.
        """
        email = fields.check_email(wanted.email)
        name = fields.check_name(wanted.full_name, "full_name")
        organization = fields.check_name(wanted.organization_name or f"{name}'s organization", "organization_name")
        strength.check_strength(wanted.password, email)
        password_hash = await self._passwords.hash(wanted.password)
        account = NewAccount(email, name, password_hash, organization, self._terms.tier, OrganizationSettings())
        refresh = new_refresh_token()
        session = await self._book.register(account, fingerprint(refresh), self._terms.refresh_life)
        return session.user, self._tokens(session, refresh)

    async def login(self, email: str, password: str) -> tuple[User, Tokens]:
        """Opens a session. An unknown address takes the time, and gets the answer, of a wrong password.

        Raises Unauthenticated (INVALID_CREDENTIALS), Forbidden (ACCOUNT_DISABLED), Unavailable.
        """
        user = await self._book.user_by_email(email) if fields.is_email(email) else None
        good = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not good:
            raise Unauthenticated("The email or the password is wrong.", "INVALID_CREDENTIALS")
        if not user.may_log_in:
            raise Forbidden("This account is disabled.", "ACCOUNT_DISABLED")
        await self._renew_hash(user, password)
        refresh = new_refresh_token()
        session = await self._book.open_session(user, fingerprint(refresh), self._terms.refresh_life)
        return session.user, self._tokens(session, refresh)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Spends the token for a new pair. One that was spent before is in two hands: its session ends.

        Raises Unauthenticated (INVALID_REFRESH_TOKEN), Unavailable. Source: RFC 9700 section 4.14.2.
        """
        spent, following = fingerprint(refresh_token), new_refresh_token()
        session = await self._book.rotate(spent, fingerprint(following), self._terms.refresh_life)
        if session is None:
            ended = await self._book.end_session_of_spent(spent)
            if ended:
                log.warning("a spent refresh token came back; its session has ended", extra={"session": str(ended)})
            raise Unauthenticated("The refresh token is unknown, spent or expired.", "INVALID_REFRESH_TOKEN")
        return self._tokens(session, following)

    async def me(self, caller: Identity) -> User:
        """The caller's account. Raises Forbidden for a service, Unauthenticated once the session has ended."""
        caller.require_role("user", "admin")
        user = await self._book.session_user(UUID(caller.session_id))
        if user is None or not user.may_log_in:
            raise Unauthenticated("The session has ended.")
        return user

    async def organization(self, caller: Identity) -> Organization:
        """The caller's organization. Raises NotFound, Unavailable."""
        return await self._book.organization(UUID(caller.organization_id))

    async def _renew_hash(self, user: User, password: str) -> None:
        if self._passwords.is_outdated(user.password_hash):
            await self._book.replace_hash(user, await self._passwords.hash(password))

    def _tokens(self, session: Session, refresh: str) -> Tokens:
        user, life = session.user, self._terms.access_life
        organization = user.organization
        subject = Subject(str(user.id), str(organization.id), user.role, organization.tier, str(session.id))
        return Tokens(self._access.issue(subject, life), refresh, int(life.total_seconds()))

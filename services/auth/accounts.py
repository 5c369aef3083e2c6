"""Registering, logging in, and keeping a session alive."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, Unauthenticated
from mesh.identity import Identity
from services.auth import fields, strength
from services.auth.passwords import Passwords
from services.auth.records import (
    IdentityEvent,
    NewAccount,
    NewUser,
    Organization,
    OrganizationSettings,
    Session,
    User,
)
from services.auth.throttle import Attempt, Throttle
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

    async def open_session(self, user: User, token_hash: bytes, life: timedelta) -> Session | None:
        """Records a login; None when what the account had before has been declared dead since `user` was read.

        Raises Forbidden (ACCOUNT_DISABLED).
        """

    async def replace_hash(self, user: User, password_hash: str) -> None:
        """Stores another hash of the same password."""

    async def rotate(self, spent: bytes, next_hash: bytes, life: timedelta) -> Session | None:
        """Spends a refresh token for the next one; None unless it was good."""

    async def end_session_of_spent(self, token_hash: bytes, life: timedelta) -> IdentityEvent | None:
        """Ends the session whose refresh token this is, if it was spent before."""

    async def end_session(self, session_id: UUID, life: timedelta) -> IdentityEvent:
        """Ends a session."""

    async def session_user(self, session_id: UUID) -> User | None:
        """The user of a session that has not ended."""

    async def user(self, user_id: UUID) -> User | None:
        """The account, unless it was deleted."""

    async def organization(self, organization_id: UUID) -> Organization:
        """The organization. Raises NotFound."""


class Herald(Protocol):
    """Tells every verifier what is dead."""

    def announce(self, events: Sequence[IdentityEvent]) -> None:
        """Takes what was recorded; it is told soon, whatever is away now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What new accounts and sessions get."""

    tier: str
    access_life: timedelta
    refresh_life: timedelta


class Accounts:
    """The accounts of one installation."""

    def __init__(
        self,
        book: AccountBook,
        passwords: Passwords,
        access: AccessTokens,
        terms: Terms,
        herald: Herald,
        throttle: Throttle,
    ) -> None:
        self._book = book
        self._passwords = passwords
        self._access = access
        self._terms = terms
        self._herald = herald
        self._throttle = throttle

    async def register(self, wanted: Registration) -> tuple[User, Tokens]:
        """Makes an account and the organization that it governs.

        Raises InvalidArgument (WEAK_PASSWORD for the password), AlreadyExists (EMAIL_TAKEN), Unavailable.
        """
        email = fields.check_email(wanted.email)
        name = fields.check_name(wanted.full_name, "full_name")
        organization = fields.check_name(wanted.organization_name or fields.organization_of(name), "organization_name")
        await strength.require_strength(wanted.password, email, name, organization)
        password_hash = await self._passwords.hash(wanted.password)
        user = NewUser(email, name, password_hash)
        account = NewAccount(user, organization, self._terms.tier, OrganizationSettings())
        refresh = new_refresh_token()
        session = await self._book.register(account, fingerprint(refresh), self._terms.refresh_life)
        return session.user, self.tokens(session, refresh)

    async def login(self, email: str, password: str, address: str = "") -> tuple[User, Tokens]:
        """Opens a session. An unknown address takes the time, and gets the answer, of a wrong password.

        `address` is where the person is. Raises Unauthenticated (INVALID_CREDENTIALS), Forbidden (ACCOUNT_DISABLED),
        TooMuch (TOO_MANY_ATTEMPTS), Unavailable.
        """
        attempt = Attempt(email, address)
        await self._throttle.check(attempt)
        user = await self._book.user_by_email(email) if fields.is_email(email) else None
        good = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not good:
            await self._throttle.failed(attempt)
            raise _wrong_credentials()
        await self._throttle.succeeded(attempt)
        if not user.may_log_in:
            raise Forbidden("This account is disabled.", "ACCOUNT_DISABLED")
        await self._renew_hash(user, password)
        refresh = new_refresh_token()
        session = await self._book.open_session(user, fingerprint(refresh), self._terms.refresh_life)
        if session is None:
            raise _wrong_credentials()
        return session.user, self.tokens(session, refresh)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Spends the token for a new pair. One that was spent before is in two hands: its session ends.

        Raises Unauthenticated (INVALID_REFRESH_TOKEN), Unavailable. Source: RFC 9700 section 4.14.2.
        """
        spent, following = fingerprint(refresh_token), new_refresh_token()
        session = await self._book.rotate(spent, fingerprint(following), self._terms.refresh_life)
        if session is None:
            ended = await self._book.end_session_of_spent(spent, self._terms.access_life)
            if ended:
                self._herald.announce([ended])
                session_id = str(ended.subject_id)
                log.warning("a spent refresh token came back; its session has ended", extra={"session": session_id})
            raise Unauthenticated("The refresh token is unknown, spent or expired.", "INVALID_REFRESH_TOKEN")
        return self.tokens(session, following)

    async def logout(self, caller: Identity) -> list[IdentityEvent]:
        """Ends the caller's session, its access and refresh tokens. Raises Forbidden for who has none, Unavailable."""
        if not caller.session_id:
            raise Forbidden("This credential has no session that could end.")
        events = [await self._book.end_session(UUID(caller.session_id), self._terms.access_life)]
        self._herald.announce(events)
        return events

    async def me(self, caller: Identity) -> User:
        """The caller's account. Raises Forbidden for a service, Unauthenticated once the session has ended."""
        caller.require_role("user", "admin")
        user = await self._account(caller)
        if user is None or not user.may_log_in:
            raise Unauthenticated("The session has ended.")
        return user

    async def organization(self, caller: Identity) -> Organization:
        """The caller's organization. Raises NotFound, Unavailable."""
        return await self._book.organization(UUID(caller.organization_id))

    async def _account(self, caller: Identity) -> User | None:
        if caller.session_id:
            return await self._book.session_user(UUID(caller.session_id))
        return await self._book.user(UUID(caller.user_id))

    async def _renew_hash(self, user: User, password: str) -> None:
        if user.password_hash and self._passwords.is_outdated(user.password_hash):
            await self._book.replace_hash(user, await self._passwords.hash(password))

    def tokens(self, session: Session, refresh: str) -> Tokens:
        """The session's refresh token with a fresh access token."""
        user, life = session.user, self._terms.access_life
        organization = user.organization
        subject = Subject(
            id=str(user.id),
            organization_id=str(organization.id),
            role=user.role,
            tier=organization.tier,
            session_id=str(session.id),
            generation=user.generation,
            organization_generation=organization.generation,
        )
        return Tokens(self._access.issue(subject, life), refresh, int(life.total_seconds()))


def _wrong_credentials() -> Unauthenticated:
    return Unauthenticated("The email or the password is wrong.", "INVALID_CREDENTIALS")

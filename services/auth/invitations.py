"""Joining an organization by invitation."""

from datetime import timedelta
from typing import Protocol
from uuid import UUID

from mesh.errors import InvalidArgument
from mesh.identity import Identity
from services.auth import fields, strength
from services.auth.accounts import Accounts, Tokens
from services.auth.members import require_admin
from services.auth.passwords import Passwords
from services.auth.records import Invitation, NewUser, Session, User
from services.auth.tokens import fingerprint, new_invitation_token, new_refresh_token

LIFE = timedelta(days=7)


class InvitationBook(Protocol):
    """Where invitations are recorded. Every method raises Unavailable while it is away."""

    async def invite(
        self, organization_id: UUID, email: str, role: str, token_hash: bytes, life: timedelta
    ) -> Invitation:
        """Invites; an earlier invitation of the address is void. Raises AlreadyExists (EMAIL_TAKEN)."""

    async def invited(self, token_hash: bytes) -> tuple[str, str] | None:
        """Whose mail address the invitation is for, and its organization's name, while it is good."""

    async def accept_invitation(
        self, invitation_hash: bytes, user: NewUser, token_hash: bytes, life: timedelta
    ) -> Session:
        """Makes the account. Raises InvalidArgument (INVALID_INVITATION), AlreadyExists (EMAIL_TAKEN)."""


class Invitations:
    """Invitations: a token that an admin hands to somebody, good once, for a week."""

    def __init__(self, book: InvitationBook, accounts: Accounts, passwords: Passwords, refresh_life: timedelta) -> None:
        self._book = book
        self._accounts = accounts
        self._passwords = passwords
        self._refresh_life = refresh_life

    async def invite(self, caller: Identity, email: str, role: str) -> tuple[Invitation, str]:
        """The invitation and its token. Raises Forbidden, InvalidArgument, AlreadyExists (EMAIL_TAKEN)."""
        admin = await require_admin(self._accounts, caller)
        address, token = fields.check_email(email), new_invitation_token()
        return await self._book.invite(admin.organization.id, address, role, fingerprint(token), LIFE), token

    async def accept(self, token: str, password: str, full_name: str) -> tuple[User, Tokens]:
        """Makes the invited account and opens its first session.

        Raises InvalidArgument (INVALID_INVITATION; WEAK_PASSWORD; a field), AlreadyExists (EMAIL_TAKEN).
        """
        invited = await self._book.invited(fingerprint(token))
        if invited is None:
            raise InvalidArgument("The invitation is unknown, used or expired.", "INVALID_INVITATION")
        email, organization = invited
        name = fields.check_name(full_name, "full_name")
        await strength.require_strength(password, email, name, organization)
        user = NewUser(email, name, await self._passwords.hash(password))
        refresh = new_refresh_token()
        session = await self._book.accept_invitation(fingerprint(token), user, fingerprint(refresh), self._refresh_life)
        return session.user, self._accounts.tokens(session, refresh)

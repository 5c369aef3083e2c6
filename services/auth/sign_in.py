"""Signing in with an account elsewhere: two steps, with the provider's own in between."""

import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from mesh.errors import AlreadyExists, Forbidden, InvalidArgument, NotFound, Unavailable
from services.auth import fields
from services.auth.accounts import Accounts, Herald, Terms, Tokens
from services.auth.providers import Provider
from services.auth.records import (
    ExternalIdentity,
    IdentityEvent,
    NewAccount,
    NewUser,
    OrganizationSettings,
    Session,
    User,
)
from services.auth.sign_in_states import SignInState, States, wrong_state
from services.auth.tokens import fingerprint, new_refresh_token

log = logging.getLogger(__name__)

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# RFC 6749 appendix A.11; how long a code is its provider says.
_CODE = re.compile(r"[\x20-\x7e]{1,4096}")
_NAME_LENGTH = 200
_KEPT_AFTER_EXPIRY = timedelta(hours=1)  # clocks of replicas and database may differ


class IdentityBook(Protocol):
    """Where identities and spent states are recorded. Every method raises Unavailable while it is away."""

    async def sign_in(
        self, identity: ExternalIdentity, account: NewAccount | None, token_hash: bytes, life: timedelta
    ) -> tuple[Session, list[IdentityEvent]] | None:
        """A session of the identity's account, which is linked or made; None when neither is allowed.

        Raises Forbidden (ACCOUNT_DISABLED), and AlreadyExists when a repeat will find what somebody else just made.
        """

    async def spend_state(self, fingerprint: bytes, expires_at: datetime) -> bool:
        """Spends a state; whether it was unspent."""

    async def release_state(self, fingerprint: bytes) -> None:
        """Takes the spending back."""


class SignIn:
    """Sign-ins by the configured providers."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        states: States,
        book: IdentityBook,
        accounts: Accounts,
        terms: Terms,
        herald: Herald,
    ) -> None:
        self._providers = providers
        self._states = states
        self._book = book
        self._accounts = accounts
        self._terms = terms
        self._herald = herald

    async def begin(self, provider: str, challenge: str) -> str:
        """The URL of the provider's page. Raises NotFound, InvalidArgument for a malformed challenge, Unavailable."""
        known = self._provider(provider)
        if challenge and not _CHALLENGE.fullmatch(challenge):
            raise InvalidArgument("This is not a SHA-256 in base64url.", field="code_challenge")
        state, sealed = self._states.begin(provider, challenge)
        return await known.authorization_url(state, sealed)

    async def finish(
        self, provider: str, code: str, sealed: str, verifier: str
    ) -> tuple[User, Tokens, Sequence[IdentityEvent]]:
        """A session for whom the code stands for, and what is dead because of it.

        Raises NotFound; InvalidArgument (INVALID_OAUTH_STATE, INVALID_OAUTH_CODE); Forbidden (EMAIL_NOT_VERIFIED,
        ACCOUNT_DISABLED); Unavailable, and when the provider is away the state is still good.
        """
        known = self._provider(provider)
        state = self._states.open(provider, sealed)
        state.check_verifier(verifier)
        identity = await self._identify(known, code, state)
        refresh = new_refresh_token()
        session, events = await self._session(identity, fingerprint(refresh))
        if events:
            self._herald.announce(events)
            who = {"provider": provider, "user": str(session.user.id)}
            log.warning("an account whose address nobody had proved went to who proved it", extra=who)
        return session.user, self._accounts.tokens(session, refresh), events

    def _provider(self, name: str) -> Provider:
        if name not in self._providers:
            raise NotFound("There is no such provider.")
        return self._providers[name]

    async def _identify(self, provider: Provider, code: str, state: SignInState) -> ExternalIdentity:
        if not _CODE.fullmatch(code):
            raise InvalidArgument("This is not a code.", "INVALID_OAUTH_CODE")
        if not await self._book.spend_state(state.fingerprint, state.ends + _KEPT_AFTER_EXPIRY):
            raise wrong_state()
        try:
            return await provider.identify(code, state)
        except Unavailable:
            await self._book.release_state(state.fingerprint)
            raise

    async def _session(self, identity: ExternalIdentity, token_hash: bytes) -> tuple[Session, Sequence[IdentityEvent]]:
        account, life = self._account(identity), self._terms.refresh_life
        try:
            opened = await self._book.sign_in(identity, account, token_hash, life)
        except AlreadyExists:  # of two that sign in for the first time at once the second finds what the first made
            opened = await self._book.sign_in(identity, account, token_hash, life)
        if opened is None:
            message = "The provider does not say that your mail address is verified. Verify it there, then sign in."
            raise Forbidden(message, "EMAIL_NOT_VERIFIED")
        return opened

    def _account(self, identity: ExternalIdentity) -> NewAccount | None:
        """The account that a first sign-in makes; None without an address that the provider vouches for."""
        if not identity.email:
            return None
        name = _shown(identity.full_name) or _shown(identity.email.partition("@")[0])
        user = NewUser(identity.email, name, password_hash=None, email_verified=True)
        organization = fields.organization_of(name)
        return NewAccount(user, organization, self._terms.tier, OrganizationSettings())


def _shown(name: str) -> str:
    """The name as `fields.check_name` takes it."""
    shown = "".join(character for character in name if unicodedata.category(character) not in {"Cc", "Cs"})
    return shown.strip()[:_NAME_LENGTH].strip()

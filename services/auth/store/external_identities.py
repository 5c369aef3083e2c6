"""Accounts as providers know them, and the states of sign-ins that were spent."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.errors import AlreadyExists, Forbidden
from mesh.revocations import LONGEST_TOKEN_SECONDS
from services.auth.records import ExternalIdentity, IdentityEvent, NewAccount, Session
from services.auth.store.accounts import insert_account, insert_session, share_organization
from services.auth.store.database import Database
from services.auth.store.events import record_event
from services.auth.store.rows import USERS, user_of

_LONGEST = timedelta(seconds=LONGEST_TOKEN_SECONDS)


class ExternalIdentityStore(Database):
    """Which account is whose."""

    async def sign_in(
        self, identity: ExternalIdentity, account: NewAccount | None, token_hash: bytes, life: timedelta
    ) -> tuple[Session, list[IdentityEvent]] | None:
        """A session of the account that the identity is linked to.

        One that is not linked yet is linked to the account with the email of `account`, and that is made where there
        is none; without `account` the answer is None. Raises Forbidden (ACCOUNT_DISABLED), and nothing has changed
        then; AlreadyExists when somebody else does the same at this moment: a repeat finds what they made.
        """
        async with self._transaction() as connection:
            user_id: UUID | None = await connection.scalar(_LINKED, _key(identity))
            events: list[IdentityEvent] = []
            if user_id is None:
                if account is None:
                    return None
                user_id, events = await _link(connection, identity, account)
            user = user_of((await connection.execute(_USER, {"id": user_id})).one())
            if not user.may_log_in:
                raise Forbidden("This account is disabled.", "ACCOUNT_DISABLED")
            await share_organization(connection, user_id)
            await connection.execute(_RECORD_LOGIN, {"id": user_id})
            return await insert_session(connection, user_id, token_hash, life), events

    async def spend_state(self, fingerprint: bytes, expires_at: datetime) -> bool:
        """Spends a state; whether it was unspent."""
        values = {"fingerprint": fingerprint, "expires_at": expires_at}
        async with self._transaction() as connection:
            return await connection.scalar(_SPEND, values) is not None

    async def release_state(self, fingerprint: bytes) -> None:
        """Takes the spending back."""
        async with self._transaction() as connection:
            await connection.execute(_RELEASE, {"fingerprint": fingerprint})


async def _link(
    connection: AsyncConnection, identity: ExternalIdentity, account: NewAccount
) -> tuple[UUID, list[IdentityEvent]]:
    known = (await connection.execute(_BY_EMAIL, {"email": account.user.email})).one_or_none()
    user_id = known.id if known else await insert_account(connection, account)
    if await connection.scalar(_LINK, {**_key(identity), "user_id": user_id}) is None:
        raise AlreadyExists("This sign-in is linked already.")
    unproved = known is not None and known.email_verified_at is None
    return user_id, await _take_back(connection, user_id) if unproved else []


async def _take_back(connection: AsyncConnection, user_id: UUID) -> list[IdentityEvent]:
    """Ends whatever opens the account but the proof of its address: somebody else may have registered it."""
    generation: int = await connection.scalar(_FORGET_PASSWORD, {"id": user_id})
    await connection.execute(_END_SESSIONS, {"id": user_id})
    await connection.execute(_REVOKE_KEYS, {"id": user_id})
    await connection.execute(_ERASE_PROVIDER_KEYS, {"id": user_id})  # a stranger's would be sent the owner's documents
    events = [await record_event(connection, "user_signed_out", user_id, _LONGEST, generation)]
    organization_id = await connection.scalar(_LONE_ORGANIZATION, {"id": user_id})
    if organization_id is not None:
        await connection.execute(_DELETE_INVITATIONS, {"id": organization_id})
        await connection.execute(_DELETE_SECRETS, {"id": organization_id})
        clients = (await connection.scalars(_DELETE_CLIENTS, {"id": organization_id})).all()
        events += [await record_event(connection, "client_deleted", each, _LONGEST) for each in clients]
    return events


def _key(identity: ExternalIdentity) -> dict[str, object]:
    return {"issuer": identity.issuer, "subject": identity.subject}


_USER = text(f"{USERS} WHERE u.id = :id")
# The account stays as it is until the session is open.
_LINKED = text("""
    SELECT u.id FROM external_identities e JOIN users u ON u.id = e.user_id
    WHERE e.issuer = :issuer AND e.subject = :subject AND u.deleted_at IS NULL FOR UPDATE OF u
""")
_BY_EMAIL = text("""
    SELECT id, email_verified_at FROM users WHERE lower(email) = lower(:email) AND deleted_at IS NULL FOR UPDATE
""")
# A link to an account that is deleted links nothing.
_LINK = text("""
    INSERT INTO external_identities AS e (issuer, subject, user_id) VALUES (:issuer, :subject, :user_id)
    ON CONFLICT (issuer, subject) DO UPDATE SET user_id = excluded.user_id, linked_at = now()
        WHERE EXISTS (SELECT FROM users u WHERE u.id = e.user_id AND u.deleted_at IS NOT NULL)
    RETURNING user_id
""")
_RECORD_LOGIN = text("UPDATE users SET last_login = now() WHERE id = :id")
_FORGET_PASSWORD = text("""
    UPDATE users SET password_hash = NULL, email_verified_at = now(), generation = generation + 1, updated_at = now()
    WHERE id = :id RETURNING generation
""")
_END_SESSIONS = text("UPDATE sessions SET ended_at = now() WHERE user_id = :id AND ended_at IS NULL")
_REVOKE_KEYS = text("UPDATE api_keys SET revoked_at = now() WHERE user_id = :id AND revoked_at IS NULL")
_LONE_ORGANIZATION = text("""
    SELECT u.organization_id FROM users u WHERE u.id = :id AND NOT EXISTS (
        SELECT FROM users m WHERE m.organization_id = u.organization_id AND m.id <> u.id AND m.deleted_at IS NULL
    )
""")
_ERASE_PROVIDER_KEYS = text("DELETE FROM provider_keys WHERE user_id = :id")
_DELETE_INVITATIONS = text("DELETE FROM invitations WHERE organization_id = :id")
_DELETE_SECRETS = text("""
    DELETE FROM oauth_secrets s USING oauth_clients c WHERE c.id = s.client_id AND c.organization_id = :id
""")
_DELETE_CLIENTS = text("""
    UPDATE oauth_clients SET deleted_at = now() WHERE organization_id = :id AND deleted_at IS NULL RETURNING id
""")
_SPEND = text("""
    INSERT INTO spent_states (fingerprint, expires_at) VALUES (:fingerprint, :expires_at)
    ON CONFLICT DO NOTHING RETURNING fingerprint
""")
_RELEASE = text("DELETE FROM spent_states WHERE fingerprint = :fingerprint")

"""Accounts and their sessions."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.errors import AlreadyExists, Forbidden, NotFound
from services.auth.records import (
    IdentityEvent,
    NewAccount,
    NewUser,
    Organization,
    OrganizationSettings,
    Session,
    User,
)
from services.auth.store.database import Database
from services.auth.store.events import record_event
from services.auth.store.rows import ORGANIZATIONS, USERS, organization_of, user_of


class AccountStore(Database):
    """Organizations, users and sessions."""

    async def register(self, account: NewAccount, token_hash: bytes, life: timedelta) -> Session:
        """Makes the account, its organization and a first session. Raises AlreadyExists, EMAIL_TAKEN."""
        async with self._transaction() as connection:  # leaving by an error takes the organization back too
            return await insert_session(connection, await insert_account(connection, account), token_hash, life)

    async def user_by_email(self, email: str) -> User | None:
        """The account, whatever the case of the address."""
        async with self._transaction() as connection:
            row = (await connection.execute(_USER_BY_EMAIL, {"email": email})).one_or_none()
        return user_of(row) if row else None

    async def open_session(self, user: User, token_hash: bytes, life: timedelta) -> Session | None:
        """Records a login; the session's user carries its time. Raises Forbidden, ACCOUNT_DISABLED.

        None when what the account had before has been declared dead since `user` was read: its password may be, too.
        """
        async with self._transaction() as connection:
            # Who disables waits for this, and finds the session; or this waits, and finds the account disabled.
            await share_organization(connection, user.id)
            if await connection.scalar(_RECORD_LOGIN, {"id": user.id, "generation": user.generation}) is None:
                return None
            return await insert_session(connection, user.id, token_hash, life)

    async def replace_hash(self, user: User, password_hash: str) -> None:
        """Stores another hash of the same password, unless the password has changed meanwhile."""
        values = {"id": user.id, "before": user.password_hash, "after": password_hash}
        async with self._transaction() as connection:
            await connection.execute(_REPLACE_HASH, values)

    async def rotate(self, spent: bytes, next_hash: bytes, life: timedelta) -> Session | None:
        """Spends a refresh token for the next one; None unless it was good, and nothing has changed then."""
        async with self._transaction() as connection:
            session_id = await connection.scalar(_SPEND, {"token_hash": spent})
            if session_id is None:
                return None
            await _insert_token(connection, session_id, next_hash, life)
            row = (await connection.execute(_USER_OF_SESSION, {"id": session_id})).one_or_none()
        return Session(session_id, user_of(row)) if row else None

    async def end_session_of_spent(self, token_hash: bytes, life: timedelta) -> IdentityEvent | None:
        """Ends the session whose refresh token this is, if it was spent before."""
        async with self._transaction() as connection:
            ended = await connection.scalar(_END_SESSION_OF_SPENT, {"token_hash": token_hash})
            return await record_event(connection, "session_ended", ended, life) if ended else None

    async def end_session(self, session_id: UUID, life: timedelta) -> IdentityEvent:
        """Ends a session; one that has ended already ends again, for those who did not hear of it."""
        async with self._transaction() as connection:
            await connection.execute(_END_SESSION, {"id": session_id})
            return await record_event(connection, "session_ended", session_id, life)

    async def session_user(self, session_id: UUID) -> User | None:
        """The user of a session that has not ended."""
        async with self._transaction() as connection:
            row = (await connection.execute(_USER_OF_SESSION, {"id": session_id})).one_or_none()
        return user_of(row) if row else None

    async def user(self, user_id: UUID) -> User | None:
        """The account, unless it was deleted."""
        async with self._transaction() as connection:
            row = (await connection.execute(_USER, {"id": user_id})).one_or_none()
        return user_of(row) if row else None

    async def change_user(self, user_id: UUID, full_name: str | None, preferences: Mapping[str, object]) -> User:
        """Changes what is given; preferences that are not given stay. Raises NotFound."""
        values = {"id": user_id, "full_name": full_name, "preferences": json.dumps(dict(preferences))}
        async with self._transaction() as connection:
            await connection.execute(_CHANGE_USER, values)
            row = (await connection.execute(_USER, {"id": user_id})).one_or_none()
        if row is None:
            raise NotFound("There is no such user.")
        return user_of(row)

    async def organization(self, organization_id: UUID) -> Organization:
        """The organization. Raises NotFound."""
        async with self._transaction() as connection:
            row = (await connection.execute(_ORGANIZATION, {"id": organization_id})).one_or_none()
        if row is None:
            raise NotFound("There is no such organization.")
        return organization_of(row)

    async def change_organization(
        self, organization_id: UUID, name: str | None, settings: Mapping[str, object]
    ) -> Organization:
        """Changes what is given; settings that are not given stay. Raises NotFound."""
        values = {"id": organization_id, "name": name, "settings": json.dumps(dict(settings))}
        async with self._transaction() as connection:
            await connection.execute(_CHANGE_ORGANIZATION, values)
        return await self.organization(organization_id)

    async def forget_expired(self) -> None:
        """Deletes sessions, tokens, invitations and events that are past their time."""
        async with self._transaction() as connection:
            for table in ("refresh_tokens", "sessions", "invitations", "login_failures", "spent_states"):
                await connection.execute(text(f"DELETE FROM {table} WHERE expires_at < now()"))
            await connection.execute(_FORGET_EVENTS)


async def insert_account(connection: AsyncConnection, account: NewAccount) -> UUID:
    """Makes an account and its organization. Raises AlreadyExists, EMAIL_TAKEN."""
    organization_id = await insert_organization(connection, account.organization_name, account.tier, account.settings)
    return await insert_user(connection, account.user, organization_id, "admin")


async def insert_organization(
    connection: AsyncConnection, name: str, tier: str, settings: OrganizationSettings
) -> UUID:
    """Makes an organization."""
    values = {"name": name, "tier": tier, "settings": json.dumps(asdict(settings))}
    organization_id: UUID = await connection.scalar(_INSERT_ORGANIZATION, values)
    return organization_id


async def share_organization(connection: AsyncConnection, user_id: UUID) -> None:
    """Keeps the user's organization as it is until the transaction ends."""
    await connection.execute(_SHARE_ORGANIZATION, {"id": user_id})


async def insert_user(connection: AsyncConnection, user: NewUser, organization_id: UUID, role: str) -> UUID:
    """Makes an account. Raises AlreadyExists, EMAIL_TAKEN."""
    values = {
        "organization_id": organization_id,
        "email": user.email,
        "full_name": user.full_name,
        "password_hash": user.password_hash,
        "email_verified": user.email_verified,
        "role": role,
    }
    user_id: UUID | None = await connection.scalar(_INSERT_USER, values)
    if user_id is None:
        raise AlreadyExists("This email is registered already.", "EMAIL_TAKEN")
    return user_id


async def insert_session(connection: AsyncConnection, user_id: UUID, token_hash: bytes, life: timedelta) -> Session:
    """Opens a session with its first refresh token. Raises Forbidden, ACCOUNT_DISABLED."""
    session_id: UUID = await connection.scalar(_INSERT_SESSION, {"user_id": user_id, "life": life})
    await _insert_token(connection, session_id, token_hash, life)
    row = (await connection.execute(_USER_OF_SESSION, {"id": session_id})).one_or_none()
    if row is None or not user_of(row).may_log_in:  # since it was asked last
        raise Forbidden("This account is disabled.", "ACCOUNT_DISABLED")
    return Session(session_id, user_of(row))


async def _insert_token(connection: AsyncConnection, session_id: UUID, token_hash: bytes, life: timedelta) -> None:
    await connection.execute(_INSERT_TOKEN, {"session_id": session_id, "token_hash": token_hash, "life": life})


_INSERT_ORGANIZATION = text("""
    INSERT INTO organizations (name, tier, settings) VALUES (:name, :tier, CAST(:settings AS jsonb)) RETURNING id
""")
_INSERT_USER = text("""
    INSERT INTO users (organization_id, email, full_name, role, password_hash, email_verified_at)
    VALUES (:organization_id, :email, :full_name, :role, :password_hash, CASE WHEN :email_verified THEN now() END)
    ON CONFLICT (lower(email)) WHERE deleted_at IS NULL DO NOTHING
    RETURNING id
""")
_USER = text(f"{USERS} WHERE u.id = :id AND u.deleted_at IS NULL")
_USER_BY_EMAIL = text(f"{USERS} WHERE lower(u.email) = lower(:email) AND u.deleted_at IS NULL")
_USER_OF_SESSION = text(f"""
    {USERS} JOIN sessions s ON s.user_id = u.id WHERE s.id = :id AND s.ended_at IS NULL AND u.deleted_at IS NULL
""")
_ORGANIZATION = text(f"{ORGANIZATIONS} WHERE o.id = :id")
_SHARE_ORGANIZATION = text("""
    SELECT FROM organizations o JOIN users u ON u.organization_id = o.id WHERE u.id = :id FOR SHARE OF o
""")
_RECORD_LOGIN = text("""
    UPDATE users SET last_login = now() WHERE id = :id AND generation = :generation AND deleted_at IS NULL RETURNING id
""")
_REPLACE_HASH = text("UPDATE users SET password_hash = :after WHERE id = :id AND password_hash = :before")
_CHANGE_USER = text("""
    UPDATE users SET full_name = coalesce(CAST(:full_name AS text), full_name),
        preferences = preferences || CAST(:preferences AS jsonb), updated_at = now()
    WHERE id = :id AND deleted_at IS NULL
""")
_CHANGE_ORGANIZATION = text("""
    UPDATE organizations SET name = coalesce(CAST(:name AS text), name),
        settings = settings || CAST(:settings AS jsonb), updated_at = now()
    WHERE id = :id
""")

_INSERT_SESSION = text("INSERT INTO sessions (user_id, expires_at) VALUES (:user_id, now() + :life) RETURNING id")
# The session lives as long as its last token.
_INSERT_TOKEN = text("""
    WITH token AS (
        INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
        VALUES (:token_hash, :session_id, now() + :life)
        RETURNING session_id, expires_at
    )
    UPDATE sessions s SET expires_at = token.expires_at FROM token WHERE s.id = token.session_id
""")
# Of two that spend the same token at once the second waits here for the first, then finds it spent.
_SPEND = text("""
    UPDATE refresh_tokens t SET spent_at = now()
    FROM sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = u.organization_id
    WHERE t.token_hash = :token_hash AND t.spent_at IS NULL AND t.expires_at > now()
      AND s.id = t.session_id AND s.ended_at IS NULL AND u.is_active AND u.deleted_at IS NULL AND o.is_active
    RETURNING t.session_id
""")
_END_SESSION_OF_SPENT = text("""
    UPDATE sessions s SET ended_at = now()
    FROM refresh_tokens t
    WHERE t.token_hash = :token_hash AND t.spent_at IS NOT NULL AND s.id = t.session_id AND s.ended_at IS NULL
    RETURNING s.id
""")
_END_SESSION = text("UPDATE sessions SET ended_at = now() WHERE id = :id AND ended_at IS NULL")
_FORGET_EVENTS = text("DELETE FROM identity_events WHERE expires_at < now() - interval '1 hour'")

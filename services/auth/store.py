"""The record in PostgreSQL, schema `auth`; the only place with SQL."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mesh import db
from mesh.errors import AlreadyExists, NotFound, Unavailable
from services.auth.keys import SealedKey
from services.auth.records import NewAccount, Organization, OrganizationSettings, Session, User

SCHEMA = "auth"

_KEY_LOCK = 0x6B_65_79_73  # any constant that all replicas share
_KEY_NOTICE = timedelta(minutes=10)  # twice the time for which verifiers keep a key set

_ORGANIZATION_COLUMNS = """
    o.id AS organization_id, o.name, o.tier, o.settings, o.is_active AS organization_is_active,
    o.created_at AS organization_created_at, o.updated_at,
    (SELECT count(*) FROM users m WHERE m.organization_id = o.id) AS member_count
"""
_USER_COLUMNS = f"""
    u.id, u.email, u.full_name, u.role, u.is_active, u.created_at, u.last_login, u.password_hash,
    {_ORGANIZATION_COLUMNS}
"""
_USERS = f"SELECT {_USER_COLUMNS} FROM users u JOIN organizations o ON o.id = u.organization_id"  # noqa: S608  # constants


class Store:
    """Organizations, users, sessions and signing keys. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def register(self, account: NewAccount, token_hash: bytes, life: timedelta) -> Session:
        """Makes the account, its organization and a first session. Raises AlreadyExists, EMAIL_TAKEN."""
        async with self._transaction() as connection:
            organization_id = await connection.scalar(_INSERT_ORGANIZATION, _organization_values(account))
            user_id = await connection.scalar(
                _INSERT_USER,
                {
                    "organization_id": organization_id,
                    "email": account.email,
                    "full_name": account.full_name,
                    "password_hash": account.password_hash,
                },
            )
            if user_id is None:  # leaving by an error takes the organization back too
                raise AlreadyExists("This email is registered already.", "EMAIL_TAKEN")
            return await _insert_session(connection, user_id, token_hash, life)

    async def user_by_email(self, email: str) -> User | None:
        """The account, whatever the case of the address."""
        async with self._transaction() as connection:
            row = (await connection.execute(_USER_BY_EMAIL, {"email": email})).one_or_none()
        return _user(row) if row else None

    async def open_session(self, user: User, token_hash: bytes, life: timedelta) -> Session:
        """Records a login; the session's user carries its time."""
        async with self._transaction() as connection:
            await connection.execute(_RECORD_LOGIN, {"id": user.id})
            return await _insert_session(connection, user.id, token_hash, life)

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
            row = (await connection.execute(_USER_OF_SESSION, {"id": session_id})).one()
        return Session(session_id, _user(row))

    async def end_session_of_spent(self, token_hash: bytes) -> UUID | None:
        """Ends the session whose refresh token this is, if it was spent before; the id of the session that ended."""
        async with self._transaction() as connection:
            ended: UUID | None = await connection.scalar(_END_SESSION_OF_SPENT, {"token_hash": token_hash})
        return ended

    async def session_user(self, session_id: UUID) -> User | None:
        """The user of a session that has not ended."""
        async with self._transaction() as connection:
            row = (await connection.execute(_USER_OF_SESSION, {"id": session_id})).one_or_none()
        return _user(row) if row else None

    async def organization(self, organization_id: UUID) -> Organization:
        """The organization. Raises NotFound."""
        async with self._transaction() as connection:
            row = (await connection.execute(_ORGANIZATION, {"id": organization_id})).one_or_none()
        if row is None:
            raise NotFound("There is no such organization.")
        return _organization(row)

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> list[SealedKey]:
        """The keys that verify, oldest first.

        The candidate is stored first when there is no key, to sign at once, or when the newest has had its term, to
        sign after the notice that verifiers need. Replicas that start together agree on one.
        """
        values = {"kid": candidate.kid, "sealed": candidate.sealed, "term": term, "notice": _KEY_NOTICE}
        async with self._transaction() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEY_LOCK})
            await connection.execute(_INSERT_KEY_WHEN_DUE, values)
            rows = (await connection.execute(_VERIFYING_KEYS, {"twice": 2 * term})).all()
        return [SealedKey(row.kid, row.sealed, row.signs_from) for row in rows]

    async def forget_expired(self) -> None:
        """Deletes sessions and refresh tokens that are past their time."""
        async with self._transaction() as connection:
            await connection.execute(text("DELETE FROM refresh_tokens WHERE expires_at < now()"))
            await connection.execute(text("DELETE FROM sessions WHERE expires_at < now()"))

    async def check(self) -> None:
        """Raises Unavailable while the database is away."""
        await db.check(self._engine)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (*db.AWAY, PoolTimeout) as error:
            raise Unavailable("The database is away.", dependency="postgresql") from error


async def _insert_session(connection: AsyncConnection, user_id: UUID, token_hash: bytes, life: timedelta) -> Session:
    session_id: UUID = await connection.scalar(_INSERT_SESSION, {"user_id": user_id, "life": life})
    await _insert_token(connection, session_id, token_hash, life)
    row = (await connection.execute(_USER_OF_SESSION, {"id": session_id})).one()
    return Session(session_id, _user(row))


async def _insert_token(connection: AsyncConnection, session_id: UUID, token_hash: bytes, life: timedelta) -> None:
    await connection.execute(_INSERT_TOKEN, {"session_id": session_id, "token_hash": token_hash, "life": life})


def _organization_values(account: NewAccount) -> dict[str, str]:
    return {
        "name": account.organization_name,
        "tier": account.tier,
        "settings": json.dumps(asdict(account.settings)),
    }


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        email=row.email,
        full_name=row.full_name,
        organization=_organization(row),
        role=row.role,
        is_active=row.is_active,
        created_at=row.created_at,
        last_login=row.last_login,
        password_hash=row.password_hash,
    )


def _organization(row: Row[Any]) -> Organization:
    return Organization(
        id=row.organization_id,
        name=row.name,
        tier=row.tier,
        settings=OrganizationSettings(**row.settings),
        is_active=row.organization_is_active,
        created_at=row.organization_created_at,
        updated_at=row.updated_at,
        member_count=row.member_count,
    )


_INSERT_ORGANIZATION = text("""
    INSERT INTO organizations (name, tier, settings) VALUES (:name, :tier, CAST(:settings AS jsonb)) RETURNING id
""")
_INSERT_USER = text("""
    INSERT INTO users (organization_id, email, full_name, role, password_hash)
    VALUES (:organization_id, :email, :full_name, 'admin', :password_hash)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING id
""")
_USER_BY_EMAIL = text(f"{_USERS} WHERE lower(u.email) = lower(:email)")
_USER_OF_SESSION = text(f"{_USERS} JOIN sessions s ON s.user_id = u.id WHERE s.id = :id AND s.ended_at IS NULL")
_ORGANIZATION = text(f"SELECT {_ORGANIZATION_COLUMNS} FROM organizations o WHERE o.id = :id")  # noqa: S608  # constants
_RECORD_LOGIN = text("UPDATE users SET last_login = now() WHERE id = :id")
_REPLACE_HASH = text("UPDATE users SET password_hash = :after WHERE id = :id AND password_hash = :before")

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
      AND s.id = t.session_id AND s.ended_at IS NULL AND u.is_active AND o.is_active
    RETURNING t.session_id
""")
_END_SESSION_OF_SPENT = text("""
    UPDATE sessions s SET ended_at = now()
    FROM refresh_tokens t
    WHERE t.token_hash = :token_hash AND t.spent_at IS NOT NULL AND s.id = t.session_id AND s.ended_at IS NULL
    RETURNING s.id
""")

_INSERT_KEY_WHEN_DUE = text("""
    INSERT INTO signing_keys (kid, sealed, signs_from)
    SELECT :kid, :sealed, now() + CASE WHEN EXISTS (SELECT FROM signing_keys) THEN :notice ELSE interval '0' END
    WHERE NOT EXISTS (SELECT FROM signing_keys WHERE signs_from > now() - :term)
""")
_VERIFYING_KEYS = text("""
    SELECT kid, sealed, signs_from FROM signing_keys WHERE signs_from > now() - :twice ORDER BY signs_from
""")

"""API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from mesh.errors import NotFound
from services.auth.records import ApiKey, IdentityEvent, NewApiKey, User
from services.auth.store.database import Database
from services.auth.store.events import record_event
from services.auth.store.rows import USERS, user_of


class ApiKeyStore(Database):
    """Keys of users; the key itself is never stored."""

    async def add_api_key(self, user: User, key: NewApiKey) -> ApiKey | None:
        """Records a key; one that is there already stays as it is and is answered.

        None when what the account had has been declared dead since `user` was read.
        """
        values = {
            "user_id": user.id,
            "generation": user.generation,
            "name": key.name,
            "key_hash": key.key_hash,
            "prefix": key.prefix,
            "scopes": _listed(key.scopes),
            "expires_at": key.expires_at,
        }
        async with self._transaction() as connection:
            row = (await connection.execute(_INSERT, values)).one_or_none()
        return _key(row) if row else None

    async def api_keys(self, user_id: UUID, limit: int, offset: int) -> tuple[list[ApiKey], int]:
        """The user's keys, newest first, and how many there are."""
        values = {"user_id": user_id, "limit": limit, "offset": offset}
        async with self._transaction() as connection:
            rows = (await connection.execute(_LIST, values)).all()
            total = await connection.scalar(_COUNT, {"user_id": user_id})
        return [_key(row) for row in rows], int(total or 0)

    async def revoke_api_key(self, user_id: UUID, key_id: UUID, life: timedelta) -> IdentityEvent:
        """Revokes one of the user's keys. Raises NotFound."""
        async with self._transaction() as connection:
            if await connection.scalar(_REVOKE, {"user_id": user_id, "id": key_id}) is None:
                raise NotFound("There is no such key.")
            return await record_event(connection, "key_revoked", key_id, life)

    async def use_api_key(self, key_hash: bytes) -> tuple[ApiKey, User] | None:
        """The key and its owner, while both are good; notes that it was used."""
        async with self._transaction() as connection:
            row = (await connection.execute(_USE, {"key_hash": key_hash})).one_or_none()
            if row is None:
                return None
            owner = (await connection.execute(_OWNER, {"id": row.user_id})).one_or_none()
        return (_key(row), user_of(owner)) if owner else None


def _listed(scopes: Sequence[str] | None) -> list[str] | None:
    return None if scopes is None else list(scopes)


def _key(row: Row[Any]) -> ApiKey:
    expires_at: datetime | None = row.expires_at
    scopes = None if row.scopes is None else tuple(row.scopes)
    return ApiKey(row.id, row.name, row.prefix, scopes, row.created_at, expires_at, row.last_used_at)


_COLUMNS = "id, user_id, name, prefix, scopes, created_at, expires_at, last_used_at"
_INSERT = text(f"""
    INSERT INTO api_keys (user_id, name, key_hash, prefix, scopes, expires_at)
    SELECT u.id, CAST(:name AS text), CAST(:key_hash AS bytea), CAST(:prefix AS text), CAST(:scopes AS text[]),
        CAST(:expires_at AS timestamptz)
    FROM users u WHERE u.id = :user_id AND u.generation = :generation AND u.deleted_at IS NULL FOR SHARE OF u
    ON CONFLICT (key_hash) DO UPDATE SET key_hash = excluded.key_hash
    RETURNING {_COLUMNS}
""")
_LIST = text(f"""
    SELECT {_COLUMNS} FROM api_keys WHERE user_id = :user_id AND revoked_at IS NULL
    ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset
""")
_COUNT = text("SELECT count(*) FROM api_keys WHERE user_id = :user_id AND revoked_at IS NULL")
_REVOKE = text("""
    UPDATE api_keys SET revoked_at = now() WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL RETURNING id
""")
_USE = text(f"""
    UPDATE api_keys SET last_used_at = now()
    WHERE key_hash = :key_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    RETURNING {_COLUMNS}
""")
_OWNER = text(f"{USERS} WHERE u.id = :id AND u.is_active AND u.deleted_at IS NULL AND o.is_active")

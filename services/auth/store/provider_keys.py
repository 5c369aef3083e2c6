"""Keys for providers of language models, encrypted."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from mesh.errors import NotFound
from services.auth.envelope import Envelope
from services.auth.master_keys import Wrapped
from services.auth.records import ProviderKey
from services.auth.store.database import Database


class ProviderKeyStore(Database):
    """Keys of users."""

    async def put_provider_key(
        self, user_id: UUID, provider: str, masked_key: str, sealed: Envelope
    ) -> ProviderKey | None:
        """Records a key in place of one before; None when its master key wraps no more. Raises NotFound."""
        values = {
            "user_id": user_id,
            "provider": provider,
            "masked_key": masked_key,
            "master_key_id": sealed.data_key.master_key_id,
            "data_key": sealed.data_key.data,
            "sealed": sealed.sealed,
        }
        async with self._transaction() as connection:
            if await connection.scalar(_HOLD_MASTER_KEY, {"key_id": sealed.data_key.master_key_id}) is None:
                return None
            row = (await connection.execute(_PUT, values)).one_or_none()
        if row is None:
            raise NotFound("There is no such user.")
        return _provider_key(row)

    async def provider_keys(self, user_id: UUID, limit: int, offset: int) -> tuple[list[ProviderKey], int]:
        """The user's keys by provider, and how many there are."""
        values = {"user_id": user_id, "limit": limit, "offset": offset}
        async with self._transaction() as connection:
            rows = (await connection.execute(_LIST, values)).all()
            total = await connection.scalar(_COUNT, {"user_id": user_id})
        return [_provider_key(row) for row in rows], int(total or 0)

    async def masked_provider_key(self, user_id: UUID, provider: str) -> str | None:
        """What is shown of a key."""
        async with self._transaction() as connection:
            masked: str | None = await connection.scalar(_MASKED, {"user_id": user_id, "provider": provider})
        return masked

    async def erase_provider_key(self, user_id: UUID, provider: str) -> None:
        """Erases a key. Raises NotFound."""
        async with self._transaction() as connection:
            if await connection.scalar(_ERASE, {"user_id": user_id, "provider": provider}) is None:
                raise NotFound("There is no such key.")

    async def sealed_provider_key(
        self, organization_id: UUID, user_id: UUID, providers: Sequence[str]
    ) -> tuple[str, Envelope] | None:
        """The first of these keys that an active user of an active organization has."""
        values = {"organization_id": organization_id, "user_id": user_id, "providers": list(providers)}
        async with self._transaction() as connection:
            row = (await connection.execute(_SEALED, values)).one_or_none()
        return (row.provider, Envelope(Wrapped(row.data_key, row.master_key_id), row.sealed)) if row else None


def _provider_key(row: Row[Any]) -> ProviderKey:
    return ProviderKey(row.provider, row.masked_key, row.created_at, row.updated_at)


_COLUMNS = "provider, masked_key, created_at, updated_at"
# A rotation waits for those who hold the master key; whoever comes after it finds another one.
_HOLD_MASTER_KEY = text("SELECT key_id FROM master_key WHERE key_id = :key_id FOR SHARE")
# The deletion of an account erases its keys: whoever waits here for one finds no account to add a key to.
_PUT = text(f"""
    WITH owner AS (SELECT id FROM users WHERE id = :user_id AND deleted_at IS NULL FOR SHARE)
    INSERT INTO provider_keys (user_id, provider, masked_key, master_key_id, data_key, sealed)
    SELECT id, :provider, :masked_key, :master_key_id, :data_key, :sealed FROM owner
    ON CONFLICT (user_id, provider) DO UPDATE SET masked_key = excluded.masked_key, updated_at = now(),
        master_key_id = excluded.master_key_id, data_key = excluded.data_key, sealed = excluded.sealed
    RETURNING {_COLUMNS}
""")
_LIST = text(f"""
    SELECT {_COLUMNS} FROM provider_keys WHERE user_id = :user_id ORDER BY provider LIMIT :limit OFFSET :offset
""")
_COUNT = text("SELECT count(*) FROM provider_keys WHERE user_id = :user_id")
_MASKED = text("SELECT masked_key FROM provider_keys WHERE user_id = :user_id AND provider = :provider")
_ERASE = text("DELETE FROM provider_keys WHERE user_id = :user_id AND provider = :provider RETURNING provider")
_SEALED = text("""
    SELECT k.provider, k.master_key_id, k.data_key, k.sealed
    FROM provider_keys k JOIN users u ON u.id = k.user_id JOIN organizations o ON o.id = u.organization_id
    WHERE k.user_id = :user_id AND k.provider = ANY(:providers) AND u.organization_id = :organization_id
      AND u.is_active AND u.deleted_at IS NULL AND o.is_active
    ORDER BY array_position(CAST(:providers AS text[]), k.provider) LIMIT 1
""")

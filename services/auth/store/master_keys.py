"""Which master key wraps, and everything that one wrapped."""

from typing import Any

from sqlalchemy import Row, text

from services.auth.keys import SealedKey
from services.auth.master_keys import Wrapped
from services.auth.rotation import DataKey
from services.auth.store.database import Database
from services.auth.store.keys import lock_signing_keys, sealed_key_of


class MasterKeyStore(Database):
    """What a rotation reads and changes."""

    async def master_key_id(self) -> str | None:
        """Id of the master key that wraps; None before the first start."""
        async with self._transaction() as connection:
            key_id: str | None = await connection.scalar(_CURRENT)
        return key_id

    async def adopt_master_key(self, key_id: str) -> None:
        """Records the master key of a first start; later nothing changes."""
        async with self._transaction() as connection:
            await connection.execute(_ADOPT, {"key_id": key_id})

    async def make_current(self, key_id: str) -> None:
        """From now on nothing is recorded that another key wrapped: what is being recorded is waited for."""
        async with self._transaction() as connection:
            await lock_signing_keys(connection)
            await connection.execute(_REPLACE, {"key_id": key_id})

    async def signing_keys_beside(self, key_id: str) -> list[SealedKey]:
        """Signing keys that another key wrapped, those that verify no longer included."""
        async with self._transaction() as connection:
            rows = (await connection.execute(_SIGNING_KEYS, {"key_id": key_id})).all()
        return [sealed_key_of(row) for row in rows]

    async def replace_signing_key(self, before: SealedKey, after: SealedKey) -> None:
        """Records a signing key as it is wrapped now, if it is still as it was."""
        values = {"kid": before.kid, "before": before.sealed, "after": after.sealed, "key_id": after.master_key_id}
        async with self._transaction() as connection:
            await connection.execute(_REPLACE_SIGNING_KEY, values)

    async def data_keys_beside(self, key_id: str, after: DataKey | None, limit: int) -> list[DataKey]:
        """Data keys that another key wrapped, by user and provider, those after a given one."""
        values = {
            "key_id": key_id,
            "user_id": after.user_id if after else None,
            "provider": after.provider if after else "",
            "limit": limit,
        }
        async with self._transaction() as connection:
            return [_data_key(row) for row in (await connection.execute(_DATA_KEYS, values)).all()]

    async def replace_data_key(self, before: DataKey, after: Wrapped) -> None:
        """Records a data key as it is wrapped now, if it is still as it was."""
        values = {
            "user_id": before.user_id,
            "provider": before.provider,
            "before": before.wrapped.data,
            "after": after.data,
            "key_id": after.master_key_id,
        }
        async with self._transaction() as connection:
            await connection.execute(_REPLACE_DATA_KEY, values)


def _data_key(row: Row[Any]) -> DataKey:
    return DataKey(row.user_id, row.provider, Wrapped(row.data_key, row.master_key_id))


_CURRENT = text("SELECT key_id FROM master_key")
_ADOPT = text("INSERT INTO master_key (key_id) VALUES (:key_id) ON CONFLICT DO NOTHING")
_REPLACE = text("""
    INSERT INTO master_key (key_id) VALUES (:key_id)
    ON CONFLICT (is_only) DO UPDATE SET key_id = excluded.key_id, changed_at = now()
    WHERE master_key.key_id <> excluded.key_id
""")
_SIGNING_KEYS = text("""
    SELECT kid, sealed, signs_from, master_key_id FROM signing_keys
    WHERE master_key_id IS DISTINCT FROM :key_id ORDER BY kid
""")
_REPLACE_SIGNING_KEY = text("""
    UPDATE signing_keys SET sealed = :after, master_key_id = :key_id WHERE kid = :kid AND sealed = :before
""")
_DATA_KEYS = text("""
    SELECT user_id, provider, data_key, master_key_id FROM provider_keys
    WHERE master_key_id <> :key_id
      AND (CAST(:user_id AS uuid) IS NULL OR (user_id, provider) > (CAST(:user_id AS uuid), :provider))
    ORDER BY user_id, provider LIMIT :limit
""")
_REPLACE_DATA_KEY = text("""
    UPDATE provider_keys SET data_key = :after, master_key_id = :key_id
    WHERE user_id = :user_id AND provider = :provider AND data_key = :before
""")

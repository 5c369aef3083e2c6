"""Signing keys."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auth.actions import OperatorAction
from services.auth.keys import SealedKey
from services.auth.store.actions import record_action
from services.auth.store.database import Database

_KEY_LOCK = 0x6B_65_79_73  # any constant that all replicas share
_KEY_NOTICE = timedelta(minutes=10)  # twice the time for which verifiers keep a key set


class KeyStore(Database):
    """The signing keys of all replicas."""

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> list[SealedKey]:
        """The keys that verify, oldest first.

        The candidate is stored first when there is no key, to sign at once, or when the newest has had its term, to
        sign after the notice that verifiers need. Replicas that start together agree on one. A candidate whose master
        key has been replaced is not stored.
        """
        values = {
            "kid": candidate.kid,
            "sealed": candidate.sealed,
            "master_key_id": candidate.master_key_id,
            "term": term,
            "notice": _KEY_NOTICE,
        }
        async with self._transaction() as connection:
            await lock_signing_keys(connection)
            await connection.execute(_INSERT_KEY_WHEN_DUE, values)
            rows = (await connection.execute(_VERIFYING_KEYS, {"twice": 2 * term})).all()
        return [sealed_key_of(row) for row in rows]

    async def add_signing_key(self, operator: str, candidate: SealedKey) -> OperatorAction | None:
        """Stores the candidate, to sign after the notice; None when another waits to sign already.

        None, too, when the candidate's master key has been replaced meanwhile.
        """
        values = {
            "kid": candidate.kid,
            "sealed": candidate.sealed,
            "master_key_id": candidate.master_key_id,
            "notice": _KEY_NOTICE,
        }
        async with self._transaction() as connection:
            await lock_signing_keys(connection)
            if await connection.scalar(_INSERT_KEY_UNLESS_ONE_WAITS, values) is None:
                return None
            return await record_action(connection, operator, "signing_key_made", {"kid": candidate.kid})


async def lock_signing_keys(connection: AsyncConnection) -> None:
    """Holds signing keys, and the master key that wraps them, as they are until the transaction ends."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEY_LOCK})


def sealed_key_of(row: Row[Any]) -> SealedKey:
    """A row of signing keys."""
    return SealedKey(row.kid, row.sealed, row.signs_from, row.master_key_id)


_INSERT_KEY_WHEN_DUE = text("""
    INSERT INTO signing_keys (kid, sealed, master_key_id, signs_from)
    SELECT :kid, :sealed, :master_key_id,
        now() + CASE WHEN EXISTS (SELECT FROM signing_keys) THEN :notice ELSE interval '0' END
    WHERE NOT EXISTS (SELECT FROM signing_keys WHERE signs_from > now() - :term)
      AND NOT EXISTS (SELECT FROM master_key WHERE key_id <> :master_key_id)
""")
_INSERT_KEY_UNLESS_ONE_WAITS = text("""
    INSERT INTO signing_keys (kid, sealed, master_key_id, signs_from)
    SELECT :kid, :sealed, :master_key_id, now() + :notice
    WHERE NOT EXISTS (SELECT FROM signing_keys WHERE signs_from > now())
      AND NOT EXISTS (SELECT FROM master_key WHERE key_id <> :master_key_id)
    RETURNING kid
""")
_VERIFYING_KEYS = text("""
    SELECT kid, sealed, signs_from, master_key_id FROM signing_keys
    WHERE signs_from > now() - :twice ORDER BY signs_from
""")

"""The table `erasures`: tombstones; a row without `erased_at` is the intent to erase."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.tombstones import Tombstone

_NAMES = tuple(field.name for field in fields(Tombstone))
_COLUMNS = ", ".join(_NAMES)
_OWNED = "organization_id = :organization_id AND (CAST(:owner AS uuid) IS NULL OR user_id = :owner)"

# What was erased before and is here again, made anew by a late repeat under its old id, is erased anew. What a job
# leaves behind belongs to its document. A document that nobody sees is the input of a task or the text of a run, and is
# named for it.
_MARK_DOCUMENTS = text("""
    WITH marked AS (
        INSERT INTO erasures (id, organization_id, user_id, kind, reason, digest, known_as)
        SELECT d.id, d.organization_id, d.user_id, coalesce(whole.kind, 'document'), :reason, d.sha256, whole.id
        FROM documents d LEFT JOIN LATERAL (
            SELECT 'task' AS kind, j.id FROM jobs j WHERE j.document_id = d.id AND j.type = ANY(:task_types)
            UNION ALL
            SELECT 'run', r.id FROM runs r WHERE r.document_id = d.id
            LIMIT 1) whole ON d.hidden
        WHERE d.id = ANY(:ids) AND d.deleted_at IS NOT NULL
        ON CONFLICT (id) DO UPDATE
        SET reason = excluded.reason, digest = excluded.digest, blobs = NULL, try_at = now(), erased_at = NULL,
            objects = NULL, receipt = NULL, key_id = ''
        WHERE erasures.erased_at IS NOT NULL
        RETURNING id, organization_id, user_id, kind, known_as
    )
    INSERT INTO erasures (id, organization_id, user_id, kind, reason, part_of)
    SELECT part.id, m.organization_id, m.user_id, part.kind, :reason, m.id
    FROM marked m CROSS JOIN LATERAL (
        SELECT j.id, 'job' AS kind FROM jobs j WHERE j.document_id = m.id
        UNION ALL
        SELECT m.known_as, m.kind WHERE m.kind = 'run') part
    ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, part_of = excluded.part_of
""")
_RECORD = text(f"""
    INSERT INTO erasures ({_COLUMNS})
    VALUES (:id, :organization_id, :user_id, :kind, :reason, :digest,
            coalesce(CAST(:erased_at AS timestamptz), now()), :objects, NULL, NULL)
    ON CONFLICT (id) DO NOTHING
""")
_CLAIM = text(f"""
    UPDATE erasures SET try_at = now() + interval '5 minutes'
    WHERE id IN (
        SELECT id FROM erasures
        WHERE erased_at IS NULL AND part_of IS NULL AND try_at <= now() AND kind = ANY(:kinds)
        ORDER BY try_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")
# Counted before the first blob goes: whoever goes on after a crash finds fewer.
_COUNT_BLOBS = text("""
    UPDATE erasures SET blobs = greatest(coalesce(blobs, 0), :blobs) WHERE id = :id AND erased_at IS NULL
""")
_FINISH = text("""
    UPDATE erasures SET erased_at = now(), objects = coalesce(blobs, 0) + :rows, try_at = now()
    WHERE id = :id AND erased_at IS NULL
""")
# One step into the index for each key that has signed anything; without a signature it is ''.
_CLAIM_UNSIGNED = text(f"""
    WITH RECURSIVE keys AS (
        SELECT min(key_id) AS key_id FROM erasures WHERE erased_at IS NOT NULL AND part_of IS NULL
        UNION ALL
        SELECT (SELECT min(e.key_id) FROM erasures e
                WHERE e.erased_at IS NOT NULL AND e.part_of IS NULL AND e.key_id > k.key_id)
        FROM keys k WHERE k.key_id IS NOT NULL
    )
    UPDATE erasures SET try_at = now() + interval '5 minutes'
    WHERE id IN (
        SELECT id FROM erasures
        WHERE erased_at IS NOT NULL AND part_of IS NULL AND try_at <= now()
              AND key_id = ANY(ARRAY(SELECT k.key_id FROM keys k WHERE k.key_id <> ALL(:key_ids)))
        ORDER BY try_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")
_SIGN = text("""
    UPDATE erasures SET receipt = :receipt, key_id = :key_id WHERE id = :id AND erased_at = :erased_at
""")
_GET = text(f"SELECT {_COLUMNS} FROM erasures WHERE id = :id")
_WHOLE = "coalesce((SELECT part_of FROM erasures WHERE id = :id), :id)"
_OF_OWNER = text(f"SELECT {_COLUMNS} FROM erasures WHERE id = {_WHOLE} AND {_OWNED}")
_HAS_EXPIRED = text(f"SELECT FROM erasures WHERE id = :id AND reason = 'expired' AND {_OWNED}")
_DONE = f"{_OWNED} AND part_of IS NULL AND erased_at IS NOT NULL"
_LIST = text(f"""
    SELECT {_COLUMNS} FROM erasures WHERE {_DONE} ORDER BY erased_at DESC, id DESC LIMIT :limit OFFSET :offset
""")
_COUNT = text(f"SELECT count(*) FROM erasures WHERE {_DONE}")
_FORGET = text("""
    DELETE FROM erasures WHERE id IN (
        SELECT id FROM erasures WHERE part_of IS NULL AND erased_at < now() - make_interval(days => :days)
        ORDER BY erased_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")


class Erasures:
    """Tombstones of all organizations; what callers read names theirs, and whose alone count: None for all."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def mark_documents(self, ids: Collection[UUID], reason: str, task_types: Collection[str]) -> None:
        """Records the intent to erase those of the documents that are hidden; one that is there stays as it is.

        One that nobody sees goes by the id of its task, a job of one of the types, or of its run.
        """
        values = {"ids": list(ids), "reason": reason, "task_types": list(task_types)}
        await self._connection.execute(_MARK_DOCUMENTS, values)

    async def record(self, tombstone: Tombstone) -> None:
        """Records that something is erased; its receipt follows. A repeat changes nothing."""
        await self._connection.execute(_RECORD, asdict(tombstone))

    async def claim(self, kinds: Collection[str], limit: int) -> list[Tombstone]:
        """Some of what is to be erased, for this caller alone for five minutes."""
        rows = await self._connection.execute(_CLAIM, {"kinds": list(kinds), "limit": limit})
        return [_tombstone(row) for row in rows]

    async def count_blobs(self, thing_id: UUID, blobs: int) -> None:
        """Notes how many blobs there are; of two counts the larger one holds."""
        await self._connection.execute(_COUNT_BLOBS, {"id": thing_id, "blobs": blobs})

    async def finish(self, thing_id: UUID, rows: int) -> bool:
        """Notes that everything is gone, so many rows with it; False when somebody else has noted it."""
        return bool((await self._connection.execute(_FINISH, {"id": thing_id, "rows": rows})).rowcount)

    async def claim_unsigned(self, key_ids: Collection[str], limit: int) -> list[Tombstone]:
        """Some of those whose receipt was signed by none of the keys, likewise."""
        rows = await self._connection.execute(_CLAIM_UNSIGNED, {"key_ids": list(key_ids), "limit": limit})
        return [_tombstone(row) for row in rows]

    async def sign(self, tombstone: Tombstone, receipt: str, key_id: str) -> None:
        """Notes the receipt, and which key has signed it."""
        values = {"id": tombstone.id, "erased_at": tombstone.erased_at, "receipt": receipt, "key_id": key_id}
        await self._connection.execute(_SIGN, values)

    async def get(self, thing_id: UUID) -> Tombstone | None:
        """The tombstone, finished or not."""
        row = (await self._connection.execute(_GET, {"id": thing_id})).one_or_none()
        return _tombstone(row) if row else None

    async def of_owner(self, organization_id: UUID, thing_id: UUID, owner: UUID | None) -> Tombstone | None:
        """The tombstone of the thing, or of what it was a part of, finished or not."""
        values = {"id": thing_id, "organization_id": organization_id, "owner": owner}
        row = (await self._connection.execute(_OF_OWNER, values)).one_or_none()
        return _tombstone(row) if row else None

    async def has_expired(self, organization_id: UUID, thing_id: UUID, owner: UUID | None) -> bool:
        """Whether the thing was there until its time was up."""
        values = {"id": thing_id, "organization_id": organization_id, "owner": owner}
        return (await self._connection.execute(_HAS_EXPIRED, values)).first() is not None

    async def list(
        self, organization_id: UUID, owner: UUID | None, limit: int, offset: int
    ) -> tuple[Sequence[Tombstone], int]:
        """A list's worth of what is erased, newest first, and how many there are in all."""
        match = {"organization_id": organization_id, "owner": owner}
        rows = await self._connection.execute(_LIST, {**match, "limit": limit, "offset": offset})
        total = (await self._connection.execute(_COUNT, match)).scalar_one()
        return [_tombstone(row) for row in rows], total

    async def forget(self, days: int, limit: int) -> int:
        """Removes tombstones older than so many days; how many."""
        return (await self._connection.execute(_FORGET, {"days": days, "limit": limit})).rowcount


def _tombstone(row: Row[Any]) -> Tombstone:
    return Tombstone(**row._mapping)

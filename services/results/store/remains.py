"""What is left of documents that are hidden or too old, in all tables, and of blobs that no row names."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# One step into the index for each organization, however many documents it has. None keeps anything less than a day.
_ORGANIZATIONS = text("""
    WITH RECURSIVE owners AS (
        (SELECT organization_id FROM documents WHERE deleted_at IS NULL ORDER BY organization_id LIMIT 1)
        UNION ALL
        SELECT (SELECT d.organization_id FROM documents d
                WHERE d.deleted_at IS NULL AND d.organization_id > o.organization_id
                ORDER BY d.organization_id LIMIT 1)
        FROM owners o WHERE o.organization_id IS NOT NULL
    )
    SELECT organization_id FROM owners o
    WHERE EXISTS (SELECT FROM documents d WHERE d.organization_id = o.organization_id AND d.deleted_at IS NULL
                  AND d.created_at < now() - interval '1 day')
""")
_AGED = text("""
    SELECT id FROM documents
    WHERE organization_id = :organization_id AND deleted_at IS NULL
          AND created_at < now() - make_interval(days => :days)
    ORDER BY created_at LIMIT :limit
""")
_DELETED = text("""
    SELECT id FROM documents d
    WHERE deleted_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM erasures e WHERE e.id = d.id AND e.erased_at IS NULL)
    ORDER BY deleted_at LIMIT :limit
""")
_IS_HIDDEN = text("""
    SELECT FROM documents
    WHERE id = :id AND organization_id = :organization_id AND deleted_at IS NOT NULL
          AND (CAST(:owner AS uuid) IS NULL OR user_id = :owner)
""")
# Callers of the service may have recorded one original twice; the last document to go takes it along. What was never
# fetched has none.
_ORIGINAL = text("""
    SELECT storage_key FROM documents d
    WHERE id = :id AND storage_key <> ''
          AND NOT EXISTS (SELECT FROM documents o WHERE o.storage_key = d.storage_key AND o.id <> d.id)
""")
_LAYOUTS = text("SELECT layout_key FROM pages WHERE document_id = :id AND layout_key <> ''")
_JOBS = text("SELECT id FROM jobs WHERE document_id = :id")
# As everywhere: the reading job, then the others, then their tasks by id, then the document.
_LOCK_JOBS = text("""
    SELECT id FROM jobs WHERE document_id = :id ORDER BY type = 'analysis', id FOR UPDATE
""")
_ERASE_TASKS = text("""
    DELETE FROM tasks WHERE id IN (
        SELECT t.id FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE j.document_id = :id
        ORDER BY t.id FOR UPDATE OF t)
""")
_ERASE = (
    text("DELETE FROM analyses WHERE document_id = :id"),
    text("DELETE FROM pages WHERE document_id = :id"),
    text("DELETE FROM jobs WHERE document_id = :id"),
    text("DELETE FROM documents WHERE id = :id AND deleted_at IS NOT NULL"),
)
_UNRECORDED = text("""
    SELECT key FROM unnest(CAST(:keys AS text[])) AS listed (key)
    WHERE NOT EXISTS (SELECT FROM documents WHERE storage_key = key)
""")
_ERASED = text("""
    SELECT id FROM erasures
    WHERE id = ANY(:ids) AND erased_at IS NOT NULL AND NOT EXISTS (SELECT FROM documents d WHERE d.id = erasures.id)
""")
_TAKE_CHORE = text("""
    UPDATE chores SET due_at = now() + make_interval(secs => :seconds) WHERE name = :name AND due_at <= now()
""")
_PUT_OFF = text("UPDATE chores SET due_at = now() + make_interval(secs => :seconds) WHERE name = :name")


class Remains:
    """Documents of all organizations that are to go, for whoever erases them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def organizations(self) -> list[UUID]:
        """Those with documents that are more than a day old."""
        return list((await self._connection.execute(_ORGANIZATIONS)).scalars())

    async def aged(self, organization_id: UUID, days: int, limit: int) -> list[UUID]:
        """Some documents of the organization that are older than so many days, the oldest first."""
        values = {"organization_id": organization_id, "days": days, "limit": limit}
        return list((await self._connection.execute(_AGED, values)).scalars())

    async def deleted(self, limit: int) -> list[UUID]:
        """Some documents that were deleted and that nobody means to erase yet."""
        return list((await self._connection.execute(_DELETED, {"limit": limit})).scalars())

    async def is_hidden(self, organization_id: UUID, document_id: UUID, owner: UUID | None) -> bool:
        """Whether the document was deleted and is not erased yet."""
        values = {"id": document_id, "organization_id": organization_id, "owner": owner}
        return (await self._connection.execute(_IS_HIDDEN, values)).first() is not None

    async def keys(self, document_id: UUID) -> list[str]:
        """Keys of the document's blobs, as far as rows name them."""
        one = {"id": document_id}
        original = await self._connection.execute(_ORIGINAL, one)
        layouts = await self._connection.execute(_LAYOUTS, one)
        return [*original.scalars(), *layouts.scalars()]

    async def jobs(self, document_id: UUID) -> Sequence[UUID]:
        """The document's jobs."""
        return (await self._connection.execute(_JOBS, {"id": document_id})).scalars().all()

    async def erase(self, document_id: UUID) -> int:
        """Deletes every row of a hidden document; how many there were.

        Tasks do not count: their rows go by themselves when the work is taken back, before this or not.
        """
        one = {"id": document_id}
        await self._connection.execute(_LOCK_JOBS, one)
        await self._connection.execute(_ERASE_TASKS, one)
        counts = [(await self._connection.execute(statement, one)).rowcount for statement in _ERASE]
        return sum(counts)

    async def unrecorded(self, keys: Collection[str]) -> list[str]:
        """Those of the originals that no document has."""
        return list((await self._connection.execute(_UNRECORDED, {"keys": list(keys)})).scalars())

    async def erased(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of the documents that were erased."""
        return set((await self._connection.execute(_ERASED, {"ids": list(ids)})).scalars())

    async def take_chore(self, name: str, seconds: float) -> bool:
        """Whether the chore is due and this caller's alone for so many seconds."""
        return bool((await self._connection.execute(_TAKE_CHORE, _chore(name, seconds))).rowcount)

    async def put_off(self, name: str, seconds: float) -> None:
        """Makes the chore due in so many seconds."""
        await self._connection.execute(_PUT_OFF, _chore(name, seconds))


def _chore(name: str, seconds: float) -> dict[str, Any]:
    return {"name": name, "seconds": seconds}

"""How documents grow old and are erased: originals, large pages, and every row that hangs on them.

A task, or a run on a text, is a document that nobody knows of: it is erased in the same way, under its own id.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from mesh.blobs import Blobs
from services.results.erasure import Traces
from services.results.hiding import Aftermath, hide
from services.results.pipeline import HIDING
from services.results.store import Store, Transaction
from services.results.tombstones import DELETED, EXPIRED


class DocumentEraser:
    """Documents, and what hides one, as `Erasure` and the sweep see them: each by the id of its document."""

    kinds: Collection[str] = ("document", "task", "run")

    def __init__(self, store: Store, blobs: Blobs, aftermath: Aftermath) -> None:
        self._store = store
        self._blobs = blobs
        self._aftermath = aftermath

    async def due(self, tables: Transaction, limit: int) -> Mapping[UUID, str]:
        """Those that were deleted."""
        return dict.fromkeys(await tables.remains.deleted(limit), DELETED)

    async def mark(self, tables: Transaction, ids: Collection[UUID], reason: str) -> None:
        """With their jobs, which are erased as parts of them."""
        await tables.erasures.mark_documents(ids, reason, HIDING)

    async def traces(self, thing_id: UUID) -> Traces:
        """The original, and every page that is stored, also those that no row names: its job had ended by then."""
        async with self._store.reading() as tables:
            named = await tables.remains.keys(thing_id)
            jobs = await tables.remains.jobs(thing_id)
        keys = {key for key in named if await self._blobs.holds(key)}
        async for some in self._blobs.below(f"pages/{thing_id}"):
            keys |= {one.key for one in some}
        return Traces(frozenset(keys), tuple(jobs))

    async def rows(self, tables: Transaction, thing_id: UUID) -> int:
        """Analyses, pages, jobs, and the document; tasks go along uncounted."""
        return await tables.remains.erase(thing_id)

    async def organizations(self) -> Sequence[UUID]:
        """Those that have documents which may be too old. Raises Unavailable."""
        async with self._store.reading() as tables:
            return await tables.remains.organizations()

    async def expire(self, organization_id: UUID, days: int, limit: int) -> int:
        """Hides some of the organization's documents that are older than so many days, their jobs cancelled.

        Answers how many were found. Raises Unavailable.
        """
        async with self._store.reading() as tables:
            aged = await tables.remains.aged(organization_id, days, limit)
        for document_id in aged:
            async with self._store.transaction() as tables:
                hidden = await hide(tables, organization_id, document_id, None)
                await self.mark(tables, [document_id], EXPIRED)
            if hidden:
                await self._aftermath.of(hidden)
        return len(aged)

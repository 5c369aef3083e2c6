"""Blobs that belong to nothing: originals whose upload died before it was recorded, pages that came too late.

Only what is surely ours is touched: originals of organizations that `auth` knows, and pages of documents whose
tombstone we have. Another installation's blobs in the same bucket are left alone.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mesh.blobs import Blobs, Listed
from services.results.few import for_each
from services.results.retention import Retention
from services.results.store import Store

log = logging.getLogger(__name__)

CHORE = "orphans"
_LEASE_SECONDS = 3_600.0
_PAUSE_SECONDS = 86_400.0


class Orphans:
    """Looks through the blob store once a day, on one replica; who is killed doing so is followed after an hour."""

    def __init__(self, store: Store, blobs: Blobs, retention: Retention, age: timedelta) -> None:
        self._store = store
        self._blobs = blobs
        self._retention = retention
        self._age = age

    async def sweep_when_due(self) -> None:
        """Raises Unavailable, Forbidden when `auth` does not know this service."""
        if not self._age:
            return
        async with self._store.reading() as tables:
            is_ours = await tables.remains.take_chore(CHORE, _LEASE_SECONDS)
        if is_ours:
            await self.sweep()
            async with self._store.reading() as tables:
                await tables.remains.put_off(CHORE, _PAUSE_SECONDS)

    async def sweep(self) -> int:
        """Erases orphans; how many. Raises as `sweep_when_due`."""
        erased, ours = 0, dict[UUID, bool]()
        async for some in self._blobs.below("originals"):
            erased += await self._erase(await self._lost_originals(self._old(some), ours))
        async for some in self._blobs.below("pages"):
            erased += await self._erase(await self._late_pages(self._old(some)))
        if erased:
            log.info("orphaned blobs erased", extra={"count": erased})
        return erased

    def _old(self, some: Iterable[Listed]) -> list[str]:
        before = datetime.now(UTC) - self._age
        return [one.key for one in some if one.modified < before]

    async def _lost_originals(self, keys: Sequence[str], ours: dict[UUID, bool]) -> list[str]:
        if not keys:
            return []
        async with self._store.reading() as tables:
            unrecorded = await tables.remains.unrecorded(keys)
        return [key for key in unrecorded if await self._is_ours(key, ours)]

    async def _is_ours(self, key: str, known: dict[UUID, bool]) -> bool:
        organization_id = _second(key)
        if organization_id is None:
            return False
        if organization_id not in known:
            known[organization_id] = await self._retention.days(organization_id) is not None
        return known[organization_id]

    async def _late_pages(self, keys: Sequence[str]) -> list[str]:
        by_document = {key: document_id for key in keys if (document_id := _second(key))}
        if not by_document:
            return []
        async with self._store.reading() as tables:
            erased = await tables.remains.erased(set(by_document.values()))
        return [key for key, document_id in by_document.items() if document_id in erased]

    async def _erase(self, keys: Sequence[str]) -> int:
        await for_each(keys, self._blobs.delete)
        return len(keys)


def _second(key: str) -> UUID | None:
    """The id after the folder's name: `originals/<organization>/…`, `pages/<document>/…`."""
    try:
        return UUID(key.split("/")[1])
    except (IndexError, ValueError):
        return None

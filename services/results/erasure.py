"""Erasing: blobs, then rows, then a tombstone that says so, then a receipt for it.

The intent to erase is recorded together with whatever hides the thing, and stays until everything is gone. So
whatever dies on the way, the next sweep goes on; and what two do at once is done once.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from prometheus_client import Counter

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.dead import STREAM, about_job
from mesh.errors import NotFound, PagemeshError, Unavailable
from services.results.few import for_each
from services.results.receipts import Receipts
from services.results.store import Store, Transaction
from services.results.tombstones import REQUESTED, Tombstone

log = logging.getLogger(__name__)

ERASED = Counter("pagemesh_erased_total", "Things erased, by kind and reason.", ["kind", "reason"])
_RECEIPT_SECONDS = 3.0


@dataclass(frozen=True)
class Traces:
    """Where a thing is, beside its rows."""

    keys: frozenset[str] = frozenset()
    """Of blobs."""
    jobs: tuple[UUID, ...] = ()
    """Of which copies may lie among what was given up (`mesh.dead`)."""


class Eraser(Protocol):
    """How things of some kinds are erased. To have more kinds swept, give `Erasure` one more of these."""

    kinds: Collection[str]
    """As tombstones name them."""

    async def due(self, tables: Transaction, limit: int) -> Mapping[UUID, str]:
        """Some hidden things that nobody means to erase yet, with the reason why they are to go."""

    async def mark(self, tables: Transaction, ids: Collection[UUID], reason: str) -> None:
        """Records the intent to erase those that are hidden, as rows of `erasures`; what is marked stays so."""

    async def traces(self, thing_id: UUID) -> Traces:
        """Everything beside its rows. Raises Unavailable."""

    async def rows(self, tables: Transaction, thing_id: UUID) -> int:
        """Deletes its rows and says how many there were; those that are gone already are no error."""


class Erasure:
    """Erases things of every kind that it has an eraser for.

    `erase_now` erases something hidden at once; `record` is for what was never in the record, zero-log work for one.
    Everything else is for the sweep.
    """

    def __init__(self, store: Store, blobs: Blobs, bus: Bus, receipts: Receipts, erasers: Iterable[Eraser]) -> None:
        self._store = store
        self._blobs = blobs
        self._bus = bus
        self._receipts = receipts
        self._erasers = tuple(erasers)
        self._by_kind = {kind: eraser for eraser in self._erasers for kind in eraser.kinds}

    async def erase_now(self, kind: str, thing_id: UUID, reason: str = REQUESTED) -> Tombstone:
        """Erases a thing and answers its tombstone, with the receipt unless `auth` is away: then it follows.

        Whoever calls this has found the caller to be allowed to, and has hidden the thing from everybody before, its
        jobs cancelled. A repeat answers the same. Raises NotFound when there is no such thing or it is not hidden;
        Unavailable, after which a repeat or the next sweep goes on.
        """
        async with self._store.transaction() as tables:
            await self._by_kind[kind].mark(tables, [thing_id], reason)
            tombstone = await tables.erasures.get(thing_id)
        if tombstone is None:
            raise NotFound("There is no such thing.")
        if tombstone.erased_at is None:
            await self.finish(tombstone)
        return await self._with_receipt(tombstone)

    async def record(self, tombstone: Tombstone) -> None:
        """Records what was erased elsewhere; the next sweep has its receipt signed. Raises Unavailable."""
        async with self._store.reading() as tables:
            await tables.erasures.record(tombstone)

    async def signed(self, tombstone: Tombstone) -> Tombstone:
        """What was recorded with `record`, with its receipt unless `auth` is away: then it follows."""
        return await self._with_receipt(tombstone)

    async def mark_due(self, limit: int) -> int:
        """Takes note of things that were hidden and are to go; how many. Raises Unavailable."""
        marked = 0
        for eraser in self._erasers:
            async with self._store.transaction() as tables:
                due = await eraser.due(tables, limit)
                for reason in sorted(set(due.values())):
                    await eraser.mark(tables, [one for one, why in due.items() if why == reason], reason)
            marked += len(due)
        return marked

    async def finish_some(self, limit: int) -> int:
        """Erases some of what is to go, each for one replica alone; how many were tried. Raises Unavailable."""
        async with self._store.reading() as tables:
            claimed = await tables.erasures.claim(self._by_kind, limit)
        await for_each(claimed, self._finish_if_possible)
        return len(claimed)

    async def _finish_if_possible(self, tombstone: Tombstone) -> None:
        try:
            await self.finish(tombstone)
        except Unavailable:
            raise
        except Exception:  # it is tried again in five minutes; others must not wait for it
            log.exception("not erased", extra={"kind": tombstone.kind, "id": str(tombstone.id)})

    async def finish(self, tombstone: Tombstone) -> None:
        """Erases everything of the thing. Raises Unavailable."""
        eraser = self._by_kind[tombstone.kind]
        traces = await eraser.traces(tombstone.id)
        async with self._store.reading() as tables:
            await tables.erasures.count_blobs(tombstone.id, len(traces.keys))
        await for_each(traces.keys, self._blobs.delete)
        for job_id in traces.jobs:
            await self._bus.purge(STREAM, about_job(str(job_id)))
        async with self._store.transaction() as tables:
            rows = await eraser.rows(tables, tombstone.id)
            is_first = await tables.erasures.finish(tombstone.id, rows)
        if is_first:
            ERASED.labels(tombstone.kind, tombstone.reason).inc()

    async def _with_receipt(self, tombstone: Tombstone) -> Tombstone:
        now = await self._now(tombstone)
        if now.receipt is None and now.erased_at is not None:
            try:
                async with asyncio.timeout(_RECEIPT_SECONDS):
                    await self._receipts.sign(now)
            except (PagemeshError, TimeoutError) as error:  # what is gone is gone, whatever keeps it from being signed
                log.warning("the receipt follows later", extra={"id": str(now.id), "error": type(error).__name__})
            now = await self._now(tombstone)
        return now

    async def _now(self, tombstone: Tombstone) -> Tombstone:
        async with self._store.reading() as tables:
            return await tables.erasures.get(tombstone.id) or tombstone

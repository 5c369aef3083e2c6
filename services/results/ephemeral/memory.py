"""The broker's memory as a store: states, pages and analyses of roots, each gone by itself in time."""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from mesh import pages as packing
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.entries import ABSENT, Entries, Entry
from mesh.errors import NotFound, Unavailable
from mesh.memory_blobs import erase, seconds_until
from mesh.streams import (
    EPHEMERAL,
    FACTS_EPHEMERAL,
    WORK_EPHEMERAL,
    ephemeral_fact_subject,
    ephemeral_subject,
    ephemeral_work_subject,
)
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from services.results import convert
from services.results.ephemeral.packing import packed, unpacked
from services.results.ephemeral.state import State
from services.results.records import PageRecord, Problem

_AT_ONCE = 16
_KINDS = ("fetch", "inspect", "extract", "ocr", "analyze")


@dataclass(frozen=True)
class Made:
    """An analysis, and when it was made."""

    outcome: AnalysisOutcome
    at: datetime


class Memory:
    """What the broker keeps of zero-log work. Every method raises Unavailable, with ZERO_LOG_FULL where it is full."""

    def __init__(self, bus: Bus, blobs: Blobs) -> None:
        self._bus = bus
        self._entries = Entries(bus, EPHEMERAL)
        self._blobs = blobs

    async def load(self, organization_id: UUID, root_id: UUID) -> tuple[State, int] | None:
        """The state of a root with its revision; None when it is forgotten, or lost."""
        entry = await self._entries.get(_subject(organization_id, root_id, "state"))
        return None if entry is None else (unpacked(entry.payload), entry.revision)

    async def save(self, state: State, replaces: int) -> int | None:
        """Writes over a revision; the new one, or None when somebody else was faster."""
        subject = _subject(state.document.organization_id, state.root_id, "state")
        return await self._entries.put(subject, packed(state), replaces, seconds_until(state.expires_at))

    async def settle(self, state: State, outcomes: Iterable[PageOutcome]) -> list[PageRecord]:
        """Keeps pages, each once: of one that is there already, that which is there. Large ones without text."""
        return list(await asyncio.gather(*(self._settle(state, outcome) for outcome in outcomes)))

    async def _settle(self, state: State, outcome: PageOutcome) -> PageRecord:
        subject = _subject(state.document.organization_id, state.root_id, f"page.{outcome.number}")
        kept = await self._first(subject, outcome.SerializeToString(), state.expires_at)
        record = convert.page_record(PageOutcome.FromString(kept))
        return await self._with_text(record) if record.layout_key else record

    async def _with_text(self, record: PageRecord) -> PageRecord:
        try:
            return replace(record, text=packing.unpack(await self._blobs.get(record.layout_key)).text)
        except NotFound as error:
            return PageRecord(number=record.number, problem=Problem(error.code, "The page was read, then lost."))

    async def pages(self, state: State, numbers: Sequence[int]) -> list[tuple[PageRecord, bytes]]:
        """Pages that were read, with their packed layouts; those that are forgotten meanwhile are left out."""
        found: list[tuple[PageRecord, bytes]] = []
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            found += [page for page in await asyncio.gather(*(self._page(state, one) for one in some)) if page]
        return found

    async def _page(self, state: State, number: int) -> tuple[PageRecord, bytes] | None:
        entry = await self._entries.get(_subject(state.document.organization_id, state.root_id, f"page.{number}"))
        if entry is None:
            return None
        record = convert.page_record(PageOutcome.FromString(entry.payload))
        if not record.layout_key:
            return record, record.layout
        layout = await self._blobs.get(record.layout_key)
        return replace(record, text=packing.unpack(layout).text), layout

    async def keep_analysis(self, state: State, job_id: UUID, outcome: AnalysisOutcome) -> AnalysisOutcome:
        """Keeps an analysis, once for each job; answers the one that is kept."""
        subject = _subject(state.document.organization_id, state.root_id, f"analysis.{job_id}")
        payload = zlib.compress(outcome.SerializeToString(), 1)
        kept = await self._first(subject, payload, state.expires_at)
        return _outcome(kept)

    async def analysis(self, state: State, job_id: UUID) -> Made | None:
        """The analysis of a job; None when there is none."""
        subject = _subject(state.document.organization_id, state.root_id, f"analysis.{job_id}")
        entry = await self._entries.get(subject)
        return None if entry is None else Made(_outcome(entry.payload), entry.written_at)

    async def erase(self, organization_id: UUID, root_id: UUID, jobs: Iterable[UUID]) -> int:
        """Erases a root: what is kept of it, and what waits to be done or to be taken in for its jobs.

        Answers how many messages it was.
        """
        await self._drop(["*"], jobs)
        await erase(self._bus, ephemeral_work_subject("*", "*", str(root_id)), WORK_EPHEMERAL)
        return await erase(self._bus, _subject(organization_id, root_id, ">"))

    async def drop_work(self, jobs: Iterable[UUID]) -> None:
        """Erases what waits to be done, or to be taken in, for jobs; not what somebody is to be told."""
        await self._drop(_KINDS, jobs)

    async def _drop(self, kinds: Sequence[str], jobs: Iterable[UUID]) -> None:
        for job_id in jobs:
            for kind in kinds:
                await erase(self._bus, ephemeral_work_subject(kind, "*", str(job_id)), WORK_EPHEMERAL)
            await erase(self._bus, ephemeral_fact_subject("*", str(job_id)), FACTS_EPHEMERAL)

    async def reopen(self, state: State, numbers: Iterable[int]) -> None:
        """Forgets pages that could not be read, so that they can be settled again; not one that was read meanwhile."""
        for number in numbers:
            entry = await self._entries.get(_subject(state.document.organization_id, state.root_id, f"page.{number}"))
            if entry is not None and convert.page_record(PageOutcome.FromString(entry.payload)).problem:
                await self._entries.drop(entry.revision)

    async def _first(self, subject: str, payload: bytes, expires_at: datetime) -> bytes:
        """What is kept under the subject: the payload, unless something was there before."""
        if await self._entries.put(subject, payload, ABSENT, seconds_until(expires_at)) is not None:
            return payload
        entry: Entry | None = await self._entries.get(subject)
        if entry is None:  # its time was over in between
            raise Unavailable("This has just been forgotten.")
        return entry.payload


def _outcome(kept: bytes) -> AnalysisOutcome:
    return AnalysisOutcome.FromString(zlib.decompress(kept))


def _subject(organization_id: UUID, root_id: UUID, name: str) -> str:
    return ephemeral_subject(str(organization_id), str(root_id), name)

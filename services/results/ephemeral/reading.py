"""Zero-log work for those who ask for it: jobs, documents, pages, analyses; and the end of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

from mesh.errors import NotFound
from pagemesh.results.v1 import results_pb2 as pb
from pagemesh.results.v1.analysis_pb2 import Analysis
from pagemesh.results.v1.job_pb2 import Job
from services.results import convert, pipeline
from services.results.ephemeral.ledger import current_row, document_row, require_current
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import analysis_message, document_message, job_message, lost, lost_job
from services.results.ephemeral.state import State
from services.results.status import StatusFeed
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.store.ledger import RUN, LedgerRow
from services.results.tombstones import EXPIRED, REQUESTED, Tombstone

_STREAM_BATCH = 16


Record = Callable[[Tombstone], Awaitable[None]]
"""Records what was erased; see Erasure.record."""


class EphemeralWork:
    """Zero-log work of all organizations; whoever asks names one, and whose documents alone count: None for all.

    What was there and is forgotten raises NotFound, with EXPIRED when its time was up and EPHEMERAL_LOST when the
    memory was lost before.
    """

    def __init__(self, store: Store, memory: Memory, status: StatusFeed, stopping: Stopping, record: Record) -> None:
        self._stopping = stopping
        self._record = record
        self._store = store
        self._memory = memory
        self._status = status

    async def job(self, organization_id: UUID, job_id: UUID, owner: UUID | None) -> Job:
        """A job; one whose memory was lost has failed. Raises NotFound, Unavailable."""
        row = await current_row(self._store, organization_id, job_id, owner)
        found = await self._memory.load(organization_id, row.root_id)
        job = found[0].job(job_id) if found else None
        return job_message(found[0], job) if found and job else lost_job(row)

    async def document(
        self, organization_id: UUID, document_id: UUID, owner: UUID | None, hidden: bool = False
    ) -> State:
        """The state of a zero-log document, of a hidden one too if asked. Raises NotFound, Unavailable."""
        async with self._store.reading() as tables:
            rows = await tables.ledger.of_document(organization_id, document_id, owner)
        row = document_row(rows)
        if row is None or (row.kind in pipeline.HIDING and not hidden):
            raise NotFound("There is no such document.")
        require_current(row)
        found = await self._memory.load(organization_id, document_id)
        if found is None:
            raise lost()
        if found[0].document.hidden and not hidden:
            raise NotFound("There is no such document.")
        return found[0]

    async def result_of(self, organization_id: UUID, job_id: UUID, owner: UUID | None) -> Analysis:
        """The analysis that a job made. Raises NotFound, Unavailable."""
        row = await current_row(self._store, organization_id, job_id, owner)
        found = await self._memory.load(organization_id, row.root_id)
        if found is None:
            raise lost()
        made = await self._memory.analysis(found[0], job_id)
        if made is None:
            raise NotFound("The job has found nothing.")
        return analysis_message(found[0], job_id, made)

    async def delete(
        self, organization_id: UUID, document_id: UUID, owner: UUID | None, hidden: bool = False
    ) -> Tombstone | None:
        """Erases a zero-log document, or zero-log analyses of another, at once; None unless it was the document.

        Raises NotFound for one whose time is up, Unavailable.
        """
        async with self._store.reading() as tables:
            rows = await tables.ledger.of_document(organization_id, document_id, owner)
            document = document_row(rows)
            if document is not None:
                if document.kind in pipeline.HIDING and not hidden:
                    raise NotFound("There is no such document.")
                require_current(document)
                await self._require_shown(document, hidden)
            rows = await tables.ledger.delete(organization_id, document_id, owner) if rows else []
        erased = await self._erase(rows, REQUESTED)
        return erased.get(document.root_id) if document is not None else None

    async def _require_shown(self, row: LedgerRow, hidden: bool) -> None:
        found = await self._memory.load(row.organization_id, row.root_id)
        if found and found[0].document.hidden and not hidden:
            raise NotFound("There is no such document.")

    def described(self, state: State) -> pb.GetDocumentResponse:
        """The document with its jobs."""
        jobs = [job_message(state, job) for job in state.jobs]
        return pb.GetDocumentResponse(document=document_message(state), jobs=jobs)

    async def listed(self, state: State, limit: int, offset: int, include_lines: bool) -> pb.ListPagesResponse:
        """A list's worth of the pages read so far."""
        numbers = state.read
        pages = await self._memory.pages(state, numbers[offset : offset + limit])
        messages = [convert.page_message(record, layout, include_lines) for record, layout in pages]
        return pb.ListPagesResponse(pages=messages, total=len(numbers), zero_log=True)

    async def streamed(self, state: State, include_lines: bool) -> AsyncIterator[pb.StreamPagesResponse]:
        """Every page read so far, in order; one message without any tells that there is none."""
        numbers = state.read
        if not numbers:
            yield pb.StreamPagesResponse(zero_log=True)
        for start in range(0, len(numbers), _STREAM_BATCH):
            for record, layout in await self._memory.pages(state, numbers[start : start + _STREAM_BATCH]):
                page = convert.page_message(record, layout, include_lines)
                yield pb.StreamPagesResponse(page=page, zero_log=True)

    async def analyses(self, state: State, analysis_type: str) -> list[Analysis]:
        """Analyses of the state's jobs, newest first."""
        made = [(job.id, await self._memory.analysis(state, job.id)) for job in state.jobs]
        found = [analysis_message(state, job_id, one) for job_id, one in made if one is not None]
        found.sort(key=lambda one: one.created_at.ToNanoseconds(), reverse=True)
        return [one for one in found if analysis_type in ("", one.analysis_type)]

    async def analyses_of(self, organization_id: UUID, document_id: UUID, analysis_type: str) -> list[Analysis]:
        """Zero-log analyses of a document in the record, newest first."""
        async with self._store.reading() as tables:
            rows = await tables.ledger.of_document(organization_id, document_id, None)
        roots = dict.fromkeys(row.root_id for row in rows if not row.is_over)
        found = [await self._memory.load(organization_id, root_id) for root_id in roots]
        lists = [await self.analyses(one[0], analysis_type) for one in found if one is not None]
        return [analysis for one in reversed(lists) for analysis in one]

    async def expire(self, rows: Sequence[LedgerRow]) -> None:
        """Erases what the broker may still have of jobs whose time is up, and tells that they are gone."""
        await self._erase(rows, EXPIRED)

    async def _erase(self, rows: Sequence[LedgerRow], reason: str) -> dict[UUID, Tombstone]:
        """Erases and records that; the tombstones by root."""
        by_root: dict[UUID, list[LedgerRow]] = {}
        for row in rows:
            by_root.setdefault(row.root_id, []).append(row)
        return {root_id: await self._erase_root(root_id, group, reason) for root_id, group in by_root.items()}

    async def _erase_root(self, root_id: UUID, rows: Sequence[LedgerRow], reason: str) -> Tombstone:
        organization_id, job_ids = rows[0].organization_id, [row.id for row in rows]
        erased = await self._memory.erase(organization_id, root_id, job_ids)
        await self._status.tell_gone(organization_id, job_ids)
        await self._stopping.stop([(str(organization_id), str(job_id)) for job_id in job_ids])
        tombstone = _tombstone(rows, reason, erased)
        await self._record(tombstone)
        return tombstone


def _tombstone(rows: Sequence[LedgerRow], reason: str, objects: int) -> Tombstone:
    """Of the document; of a task, whose document nobody knows, and of a job or run on another document, its own."""
    first = document_row(rows) or next((row for row in rows if row.kind == RUN), rows[0])
    is_task = first.kind in pipeline.HIDING
    thing_id, kind = (first.document_id, "document") if first.is_document and not is_task else (first.id, "job")
    kind = RUN if first.kind == RUN else kind
    return Tombstone(
        id=thing_id,
        organization_id=first.organization_id,
        user_id=first.user_id,
        kind="task" if is_task else kind,
        reason=reason,
        objects=objects,
    )

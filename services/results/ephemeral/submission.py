"""New zero-log jobs: noted in the ledger, then kept in memory, then handed out.

A crash in between leaves what a repeat with the same ids goes on with; so does memory that was lost, whose work a
repeat begins anew.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from mesh import context
from mesh.entries import ABSENT
from mesh.errors import IllegalState, NotFound, Unavailable
from pagemesh.work.v1.work_pb2 import Fact
from services.results import pipeline, work
from services.results.ephemeral.ledger import current_row, document_row, require_current, row_of
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import LOST
from services.results.ephemeral.recording import Recording
from services.results.ephemeral.state import State, moment
from services.results.ephemeral.taking import Taking, Wanted
from services.results.records import DocumentRecord, JobRecord, NewTask
from services.results.store import Store
from services.results.submission import Arrived

_TRIES = 20
_TAKEN = "The ids are taken by another document."


class EphemeralSubmission:
    """Starts zero-log jobs."""

    def __init__(self, store: Store, memory: Memory, recording: Recording) -> None:
        self._store = store
        self._memory = memory
        self._recording = recording

    async def read(
        self, document: DocumentRecord, job: JobRecord, expires_at: datetime, arrived: Arrived | None
    ) -> tuple[State, JobRecord]:
        """Starts reading a document in memory; a repeat answers what the first one made.

        Raises IllegalState when the ids belong to something else, NotFound (EXPIRED) when the first one's time is up,
        Unavailable.
        """
        expires_at = await self._note(job, document.id, document, expires_at)
        for _ in range(_TRIES):
            found = await self._memory.load(document.organization_id, document.id)
            if found is not None:
                return await self._again(found[0], document, job)
            state = State(document.id, expires_at, replace(document), [])
            taking = await self._begun(state, replace(job), arrived)
            if await self._memory.save(state, ABSENT):
                return await self._started(state, job.id, taking.wanted)
        raise Unavailable("Too many change the same work at once.")

    async def analyse(self, job: JobRecord, expires_at: datetime | None, owner: UUID | None) -> tuple[State, JobRecord]:
        """Starts an analysis: of a zero-log document until that is forgotten, else of one in the record until then.

        Raises NotFound, IllegalState when the document could not be read, or, being in the record, has not been yet;
        Unavailable.
        """
        async with self._store.reading() as tables:
            rows = await tables.ledger.of_document(job.organization_id, job.document_id, owner)
            document = await tables.documents.get(job.organization_id, job.document_id, owner)
        row = document_row(rows)
        if row is not None and row.kind not in pipeline.HIDING:
            return await self._analyse_in_memory(job)
        if document is None or expires_at is None:
            raise NotFound("There is no such document.")
        if document.state != "completed":
            message = "The document has not been read, so there is nothing to analyze yet."
            raise IllegalState(message, state=document.state)
        expires_at = await self._note(job, job.id, document, expires_at)
        state = State(job.id, expires_at, document, [])
        taking = Taking(self._memory, state)
        taking.begin(replace(job, created_at=moment()))
        if await self._memory.save(state, ABSENT):
            return await self._started(state, job.id, taking.wanted)
        found = await self._memory.load(job.organization_id, job.id)
        if found is None:
            raise Unavailable("This has just been forgotten.")
        return await self._again(found[0], document, job)

    async def cancel(
        self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool
    ) -> tuple[State, JobRecord]:
        """Ends a job, erases what waits to be done for it and stops what is under way; a repeat may find that done.

        Raises NotFound, IllegalState when it has ended, Unavailable.
        """
        row = await current_row(self._store, organization_id, job_id, owner)
        for _ in range(_TRIES):
            found = await self._memory.load(organization_id, row.root_id)
            job = found[0].job(job_id) if found else None
            if found is None or job is None:
                raise NotFound(LOST, "EPHEMERAL_LOST", zero_log="true")
            if is_repeat and job.state == "cancelled":
                return found[0], job
            if job.ended:
                raise IllegalState("The job has ended.", state=job.state)
            taking = Taking(self._memory, found[0])
            taking.cancel(job)
            if await self._memory.save(*found):
                await self._memory.drop_work(organization_id, [job_id])
                await self._recording.hand_out(found[0], taking.wanted, context.outgoing_headers())
                await self._recording.tell(found[0], [job], taking.changed)
                return found[0], job
        raise Unavailable("Too many change the same work at once.")

    async def _analyse_in_memory(self, job: JobRecord) -> tuple[State, JobRecord]:
        for _ in range(_TRIES):
            found = await self._memory.load(job.organization_id, job.document_id)
            if found is None:
                raise NotFound(LOST, "EPHEMERAL_LOST", zero_log="true")
            state, revision = found
            if state.job(job.id):
                return await self._again(state, state.document, job)
            if state.document.state == "failed":
                raise IllegalState("The document could not be read, so there is nothing to analyze.", state="failed")
            await self._note(job, state.root_id, state.document, state.expires_at)
            taking = Taking(self._memory, state)
            taking.begin(replace(job, created_at=moment()))
            if await self._memory.save(state, revision):
                return await self._started(state, job.id, taking.wanted)
        raise Unavailable("Too many change the same work at once.")

    async def _note(self, job: JobRecord, root_id: UUID, document: DocumentRecord, expires_at: datetime) -> datetime:
        """Makes the ledger's row; answers when the job is forgotten, which a repeat does not put off."""
        row = row_of(job, root_id, document, expires_at)
        async with self._store.reading() as tables:
            await tables.ledger.begin(row)
            made = (await tables.ledger.of_jobs([job.id])).get(job.id)
        if made is None or made.is_deleted or not made.is_same(row):
            raise IllegalState(_TAKEN, "ILLEGAL_STATE")
        require_current(made)
        return made.expires_at

    async def _begun(self, state: State, job: JobRecord, arrived: Arrived | None) -> Taking:
        taking = Taking(self._memory, state)
        seconds = arrived.seconds if arrived else 0.0
        state.document.created_at = state.document.updated_at = job.created_at = job.updated_at = moment(seconds)
        taking.begin(job)
        if arrived is not None:
            ((_, first),) = taking.wanted
            taking.wanted.clear()
            await taking.take([_fact(job, first, arrived)])
        return taking

    async def _started(self, state: State, job_id: UUID, wanted: Wanted) -> tuple[State, JobRecord]:
        job = state.job(job_id)
        assert job is not None
        await self._recording.hand_out(state, wanted, context.outgoing_headers())
        await self._recording.tell(state, [job], [job])
        return state, job

    async def _again(self, state: State, document: DocumentRecord, job: JobRecord) -> tuple[State, JobRecord]:
        """What the first one made, whose tasks may not all have been handed out."""
        made = state.job(job.id)
        if made is None or made.type != job.type or state.document.sha256 != document.sha256:
            raise IllegalState(_TAKEN, "ILLEGAL_STATE")
        await self._recording.hand_out(state, state.outstanding(), context.outgoing_headers())
        return state, made


def _fact(job: JobRecord, first: NewTask, arrived: Arrived) -> Fact:
    """As if the first task had been handed out and its fact were here."""
    task_id = str(work.steady_id(job.id, first))
    return Fact(task_id=task_id, job_id=str(job.id), attempt=1, last=True, inspected=arrived.inspected)

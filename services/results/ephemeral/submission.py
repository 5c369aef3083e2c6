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
from services.results.ephemeral.ledger import TAKEN, document_row, note, require_current, row_of, run_rows
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import lost
from services.results.ephemeral.recording import Recording
from services.results.ephemeral.state import State, moment
from services.results.ephemeral.taking import Taking, Wanted
from services.results.planning import RunPlan
from services.results.records import DocumentRecord, JobRecord, NewTask
from services.results.store import Store
from services.results.submission import Arrived

_TRIES = 20


class EphemeralSubmission:
    """Starts zero-log jobs."""

    def __init__(self, store: Store, memory: Memory, recording: Recording) -> None:
        self._store = store
        self._memory = memory
        self._recording = recording

    async def read(
        self,
        document: DocumentRecord,
        job: JobRecord,
        expires_at: datetime,
        arrived: Arrived | None = None,
        plan: RunPlan | None = None,
    ) -> tuple[State, JobRecord]:
        """Starts reading a document in memory, for a run if one asks for it; a repeat answers what the first one made.

        Raises IllegalState when the ids belong to something else, NotFound (EXPIRED) when the first one's time is up,
        Unavailable.
        """
        rows = [row_of(job, document.id, document, expires_at), *run_rows(plan, document.id, document, expires_at)]
        expires_at = await note(self._store, rows)
        for _ in range(_TRIES):
            found = await self._memory.load(document.organization_id, document.id)
            if found is not None:
                return await self._again(found[0], document, job, plan)
            state = State(document.id, expires_at, replace(document), [])
            taking = await self._begun(state, replace(job), arrived, plan)
            await self._recording.call(state, taking.calls, context.outgoing_headers())
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
            require_current(row)
            return await self._analyse_in_memory(job)
        if document is None or expires_at is None:
            raise NotFound("There is no such document.")
        if document.state != "completed":
            message = "The document has not been read, so there is nothing to analyze yet."
            raise IllegalState(message, state=document.state)
        expires_at = await note(self._store, [row_of(job, job.id, document, expires_at)])
        state = State(job.id, expires_at, document, [])
        taking = Taking(self._memory, state)
        taking.begin(replace(job, created_at=moment()))
        if await self._memory.save(state, ABSENT):
            return await self._started(state, job.id, taking.wanted)
        found = await self._memory.load(job.organization_id, job.id)
        if found is None:
            raise Unavailable("This has just been forgotten.")
        return await self._again(found[0], document, job)

    async def _analyse_in_memory(self, job: JobRecord) -> tuple[State, JobRecord]:
        for _ in range(_TRIES):
            found = await self._memory.load(job.organization_id, job.document_id)
            if found is None:
                raise lost()
            state, revision = found
            if state.job(job.id):
                return await self._again(state, state.document, job)
            if state.document.hidden:
                raise NotFound("There is no such document.")
            if state.document.state == "failed":
                raise IllegalState("The document could not be read, so there is nothing to analyze.", state="failed")
            await note(self._store, [row_of(job, state.root_id, state.document, state.expires_at)])
            taking = Taking(self._memory, state)
            taking.begin(replace(job, created_at=moment()))
            if await self._memory.save(state, revision):
                return await self._started(state, job.id, taking.wanted)
        raise Unavailable("Too many change the same work at once.")

    async def _begun(self, state: State, job: JobRecord, arrived: Arrived | None, plan: RunPlan | None) -> Taking:
        taking = Taking(self._memory, state)
        seconds = arrived.seconds if arrived else 0.0
        state.document.created_at = state.document.updated_at = job.created_at = job.updated_at = moment(seconds)
        taking.begin(job)
        if plan is not None:
            taking.begin_run(plan, job)
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

    async def _again(
        self, state: State, document: DocumentRecord, job: JobRecord, plan: RunPlan | None = None
    ) -> tuple[State, JobRecord]:
        """What the first one made, whose tasks may not all have been handed out."""
        made = state.job(job.id)
        # What is fetched is named by its address, of which the run tells.
        is_other = document.sha256 not in ("", state.document.sha256) or not is_made(state, plan)
        if made is None or made.type != job.type or is_other:
            raise IllegalState(TAKEN, "ILLEGAL_STATE")
        await self._recording.hand_out(state, state.outstanding(), context.outgoing_headers())
        return state, made


def is_made(state: State, plan: RunPlan | None) -> bool:
    """Whether the state has the very run that is planned, if one is."""
    kept = plan and state.run(plan.run.id)
    return plan is None or (kept is not None and kept.run.asked == plan.run.asked)


def _fact(job: JobRecord, first: NewTask, arrived: Arrived) -> Fact:
    """As if the first task had been handed out and its fact were here."""
    task_id = str(work.steady_id(job.id, first))
    return Fact(task_id=task_id, job_id=str(job.id), attempt=1, last=True, inspected=arrived.inspected)

"""Runs in memory: begun on documents that are there, and read.

A run of something that is sent, or fetched, begins with its document, and is part of that one's state. So is a run on
a zero-log document that is there. One on a document of the record is a root of its own.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from mesh import context
from mesh.entries import ABSENT
from mesh.errors import IllegalState, NotFound, Unavailable
from pagemesh.results.v1.runs_pb2 import Run, RunResult
from services.results import pipeline
from services.results.ephemeral.control import EphemeralControl
from services.results.ephemeral.ledger import TAKEN, current_row, document_row, note, require_current, run_rows
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import analysis_record, lost
from services.results.ephemeral.recording import Recording
from services.results.ephemeral.state import KeptRun, State
from services.results.ephemeral.submission import EphemeralSubmission, is_made
from services.results.ephemeral.taking import Taking
from services.results.planning import RunPlan
from services.results.records import DocumentRecord, JobRecord
from services.results.run_convert import result_message, run_message
from services.results.run_reading import how_read
from services.results.store import Store
from services.results.store.ledger import RUN

_TRIES = 20


class EphemeralRuns:
    """Zero-log runs of all organizations; whoever asks names one, and whose documents alone count: None for all."""

    def __init__(
        self,
        store: Store,
        memory: Memory,
        recording: Recording,
        submission: EphemeralSubmission,
        control: EphemeralControl,
    ) -> None:
        self._store = store
        self._memory = memory
        self._recording = recording
        self._submission = submission
        self._control = control

    async def fetch(self, document: DocumentRecord, job: JobRecord, plan: RunPlan, expires_at: datetime) -> Run:
        """Starts a run of what is to be fetched; see EphemeralSubmission.read."""
        state, _ = await self._submission.read(document, job, expires_at, plan=plan)
        return planned_message(state, plan)

    async def work_on(self, plan: RunPlan, owner: UUID | None, expires_at: datetime | None) -> Run:
        """Starts a run on a zero-log document until that is forgotten, else on one in the record until then.

        A repeat answers what the first one made. Raises as EphemeralSubmission.analyse.
        """
        run = plan.run
        async with self._store.reading() as tables:
            rows = await tables.ledger.of_document(run.organization_id, run.document_id, owner)
            document = await tables.documents.get(run.organization_id, run.document_id, owner)
        row = document_row(rows)
        if row is not None and row.kind not in pipeline.HIDING:
            require_current(row)
            return await self._work_in(row.root_id, plan)
        if document is None or expires_at is None:
            raise NotFound("There is no such document.")
        if document.state != "completed":
            raise IllegalState("The document has not been read, so there is nothing to do yet.", state=document.state)
        expires_at = await note(self._store, [*run_rows(plan, run.id, document, expires_at)])
        return await self._work_in(run.id, plan, State(run.id, expires_at, document, []))

    async def get(self, organization_id: UUID, run_id: UUID, owner: UUID | None) -> tuple[State, KeptRun]:
        """A run with the state that it is in. Raises NotFound, with EXPIRED or EPHEMERAL_LOST; Unavailable."""
        row = await current_row(self._store, organization_id, run_id, owner, RUN)
        found = await self._memory.load(organization_id, row.root_id)
        kept = found[0].run(run_id) if found else None
        if found is None or kept is None:
            raise lost()
        return found[0], kept

    async def message(self, state: State, kept: KeptRun) -> Run:
        """The run for its caller, once completed with its result."""
        run = _message(state, kept)
        if state.view(kept).state == "completed":
            run.result.CopyFrom(await self._result(state, kept))
        return run

    async def cancel(self, organization_id: UUID, run_id: UUID, owner: UUID | None) -> None:
        """See EphemeralControl.cancel_run."""
        await self._control.cancel_run(organization_id, run_id, owner)

    async def _work_in(self, root_id: UUID, plan: RunPlan, new: State | None = None) -> Run:
        """Takes the run into a root, which is new if nobody has made it yet."""
        for _ in range(_TRIES):
            found = await self._memory.load(plan.run.organization_id, root_id)
            if found is None and new is not None:
                found = replace(new, jobs=[], runs=[], handed_out=[], calls=[]), ABSENT
            if found is None:
                raise lost()
            if await self._take(*found, plan):
                return planned_message(found[0], plan)
        raise Unavailable("Too many change the same work at once.")

    async def _take(self, state: State, revision: int, plan: RunPlan) -> bool:
        """Whether the run is there now; False when somebody else has changed its root."""
        headers = context.outgoing_headers()
        if not is_made(state, plan):
            _require_workable(state, plan)
            await note(self._store, [*run_rows(plan, state.root_id, state.document, state.expires_at)])
            taking = Taking(self._memory, state)
            reading = state.reading
            taking.begin_run(plan, None if reading is None or reading.ended else reading)
            await self._recording.call(state, taking.calls, headers)
            if not await self._memory.save(state, revision):
                return False
        await self._recording.hand_out(state, state.outstanding(), headers)
        jobs = [job for job in state.jobs if job.id in {one.id for one in plan.analyses}]
        await self._recording.tell(state, jobs, jobs)
        return True

    async def _result(self, state: State, kept: KeptRun) -> RunResult:
        made = [(job, await self._memory.analysis(state, job.id)) for job in state.view(kept).jobs if not job.reads]
        reading, language, engines = state.reading, state.language, state.engines
        if reading is None:  # the document is one of the record
            async with self._store.reading() as tables:
                reading, language, engines = await how_read(tables, kept.run)
        analyses = [analysis_record(state, job, one) for job, one in made if one is not None]
        return result_message(state.document, reading, analyses, language, engines)


def planned_message(state: State, plan: RunPlan) -> Run:
    """A run as it has just been begun."""
    kept = state.run(plan.run.id)
    assert kept is not None, "it is part of what was written"
    return _message(state, kept)


def _message(state: State, kept: KeptRun) -> Run:
    run = run_message(state.view(kept))
    run.expires_at.FromDatetime(state.expires_at)
    run.zero_log = True
    return run


def _require_workable(state: State, plan: RunPlan) -> None:
    """Raises NotFound for a document that nobody can ask for, IllegalState for an id that is taken, or no content."""
    if state.document.hidden:
        raise NotFound("There is no such document.")
    if state.run(plan.run.id):
        raise IllegalState(TAKEN, "ILLEGAL_STATE")
    if state.document.state == "failed":
        raise IllegalState("The document could not be read, so there is nothing to do.", state="failed")

"""What people decide of zero-log jobs and runs that are there: to stop them, to try a job again."""

from collections.abc import Callable
from uuid import UUID

from mesh import context
from mesh.errors import IllegalState, Unavailable
from services.results import pipeline
from services.results.control import check_retriable
from services.results.ephemeral.ledger import current_row
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import lost
from services.results.ephemeral.recording import Recording
from services.results.ephemeral.state import State
from services.results.ephemeral.taking import Taking
from services.results.records import JobRecord
from services.results.stopping import Stopping, key_of
from services.results.store import Store
from services.results.store.ledger import RUN, LedgerRow

_TRIES = 20

Choice = Callable[[State], list[JobRecord]]
"""The jobs of a root that are to end. Raises NotFound, IllegalState."""


class EphemeralControl:
    """Decisions, taken into memory and then carried out. With an owner the document has to be theirs."""

    def __init__(self, store: Store, memory: Memory, recording: Recording, stopping: Stopping) -> None:
        self._store = store
        self._memory = memory
        self._recording = recording
        self._stopping = stopping

    async def cancel(
        self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool = False
    ) -> tuple[State, JobRecord]:
        """Ends a job, stops its work and erases what waits for it; a repeat may find that done.

        Raises NotFound, IllegalState when it has ended, Unavailable.
        """

        def chosen(state: State) -> list[JobRecord]:
            job = _job(state, job_id)
            if is_repeat and job.state == "cancelled":
                return []
            if job.ended:
                raise IllegalState("The job has ended.", state=job.state)
            return [job]

        state = await self._end(await current_row(self._store, organization_id, job_id, owner), chosen)
        return state, _job(state, job_id)

    async def cancel_run(self, organization_id: UUID, run_id: UUID, owner: UUID | None) -> None:
        """Cancels what has not ended of a run. Raises NotFound, IllegalState when all of it has, Unavailable."""

        def chosen(state: State) -> list[JobRecord]:
            kept = state.run(run_id)
            if kept is None:
                raise lost()
            view = state.view(kept)
            jobs = [job for job in view.jobs if not job.ended and (view.is_own or not job.reads)]
            if not jobs:
                raise IllegalState("The run has ended, or only waits for its document.", state=view.state)
            return jobs

        await self._end(await current_row(self._store, organization_id, run_id, owner, RUN), chosen)

    async def retry(
        self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool
    ) -> tuple[State, JobRecord]:
        """Starts a failed job again where it failed; a repeat may find that done, and goes on with it.

        Raises NotFound, IllegalState for one that did not fail or has nothing to analyse, Unavailable.
        """
        row = await current_row(self._store, organization_id, job_id, owner)
        for _ in range(_TRIES):
            state, revision = await self._load(row)
            job = _job(state, job_id)
            if job.state != "failed" and job.attempts > 1:  # its try may have been begun, and not handed out
                await self._recording.hand_out(state, state.outstanding(), context.outgoing_headers())
                if is_repeat:
                    return state, job
            check_retriable(job, state.document)
            if job.reads and not pipeline.was_read(job):
                await self._memory.reopen(state, [number for number, _ in state.failures])
            taking = Taking(self._memory, state)
            taking.retry(job)
            if await self._memory.save(state, revision):
                await self._carry_out(state, taking)
                return state, job
        raise _busy()

    async def _end(self, row: LedgerRow, chosen: Choice) -> State:
        for _ in range(_TRIES):
            state, revision = await self._load(row)
            jobs = chosen(state)
            taking = Taking(self._memory, state)
            taking.cancel(jobs)
            await self._recording.call(state, taking.calls, context.outgoing_headers())
            if not jobs or await self._memory.save(state, revision):
                await self._memory.drop_work([job.id for job in jobs])
                if not jobs:  # whoever ended them may have died before what follows was handed out
                    await self._recording.hand_out(state, state.outstanding(), context.outgoing_headers())
                await self._carry_out(state, taking)
                await self._stopping.stop([key_of(job) for job in jobs])
                return state
        raise _busy()

    async def _carry_out(self, state: State, taking: Taking) -> None:
        await self._recording.hand_out(state, taking.wanted, context.outgoing_headers())
        await self._recording.tell(state, taking.changed, taking.changed)

    async def _load(self, row: LedgerRow) -> tuple[State, int]:
        found = await self._memory.load(row.organization_id, row.root_id)
        if found is None:
            raise lost()
        return found


def _job(state: State, job_id: UUID) -> JobRecord:
    job = state.job(job_id)
    if job is None:
        raise lost()
    return job


def _busy() -> Unavailable:
    return Unavailable("Too many change the same work at once.")

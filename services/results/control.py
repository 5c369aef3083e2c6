"""What people decide of jobs that are there: to stop one, to try it again, to delete a document with all its jobs."""

from collections.abc import Sequence
from uuid import UUID

from mesh import context
from mesh.blobs import Blobs
from mesh.errors import IllegalState, NotFound
from services.results import pipeline
from services.results.forecast import Forecast
from services.results.hiding import Aftermath, hide
from services.results.outbox import Outbox
from services.results.recording import Recording
from services.results.records import DocumentRecord, JobRecord
from services.results.status import StatusFeed
from services.results.stopping import Stopping, key_of
from services.results.store import Store, Transaction


class Control:
    """Decisions, recorded and then carried out. With an owner the document has to be theirs."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        outbox: Outbox,
        status: StatusFeed,
        stopping: Stopping,
        forecast: Forecast,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._outbox = outbox
        self._status = status
        self._stopping = stopping
        self._aftermath = Aftermath(status, stopping)
        self._forecast = forecast

    async def cancel(self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool) -> JobRecord:
        """Ends the job and stops its work; a repeat may find that done.

        Raises NotFound, IllegalState for one that has ended, Unavailable.
        """
        async with self._store.transaction() as tables:
            await _visible(tables, organization_id, job_id, owner)
            job, document = await _locked(tables, job_id)
            if is_repeat and job.state == "cancelled":
                return job
            if job.ended:
                raise IllegalState(f"The job is {job.state} already.", state=job.state)
            reads = job.reads
            pipeline.cancelled(job, await tables.pages.spent(document.id) if reads else None)
            recording = Recording(tables, self._blobs, self._forecast.seconds_left)
            await recording.decide(job, document, [], context.outgoing_headers())
            withdrawn = await tables.tasks.withdraw([job.id])
        await self._stopping.stop([key_of(job)], withdrawn)
        await self._carry_out(recording)
        return job

    async def retry(self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool) -> JobRecord:
        """Starts a failed job again where it failed; a repeat may find that done.

        Raises NotFound, IllegalState for one that did not fail or has nothing to analyse, Unavailable.
        """
        async with self._store.transaction() as tables:
            seen = await _visible(tables, organization_id, job_id, owner)
            if not seen.reads:  # else its own lock is the same one
                await tables.jobs.lock_reading(organization_id, seen.document_id)
            job, document = await _locked(tables, job_id)
            if is_repeat and job.state != "failed" and job.attempts > 1:
                return job
            check_retriable(job, document)
            if job.reads and not pipeline.was_read(job):
                await tables.pages.forget_failed(document.id)
            wanted = pipeline.retried(job, document.state)
            recording = Recording(tables, self._blobs, self._forecast.seconds_left)
            await recording.decide(job, document, wanted, context.outgoing_headers())
        await self._carry_out(recording)
        return job

    async def cancel_all(self, readings: Sequence[UUID], others: Sequence[UUID]) -> bool:
        """Ends those of the jobs that have not ended, and stops their work; False when all had. Raises Unavailable."""
        async with self._store.transaction() as tables:
            # Reading jobs, then the others: as everywhere, so that two transactions never wait for each other.
            locked = await tables.jobs.lock(readings)
            locked |= await tables.jobs.lock(others)
            running = [(job, document) for job, document in locked.values() if not job.ended]
            for job, document in running:
                pipeline.cancelled(job, await tables.pages.spent(document.id) if job.reads else None)
            recording = Recording(tables, self._blobs, self._forecast.seconds_left)
            await recording.end(running)
            withdrawn = await tables.tasks.withdraw([job.id for job, _ in running]) if running else []
        await self._stopping.stop([key_of(job) for job, _ in running], withdrawn)
        await self._carry_out(recording)
        return bool(running)

    async def delete(self, organization_id: UUID, document_id: UUID, owner: UUID | None, of_task: bool = False) -> bool:
        """Hides the document, or a task's, and stops the work of its jobs; False when there is none to hide.

        Raises Unavailable.
        """
        async with self._store.transaction() as tables:
            hidden = await hide(tables, organization_id, document_id, owner, of_task)
        if hidden:
            await self._aftermath.of(hidden)
        return hidden is not None

    async def _carry_out(self, recording: Recording) -> None:
        self._forecast.note(recording.done, recording.tasks)
        self._outbox.hand_out(recording.tasks)
        await self._status.tell(recording.jobs)


async def _visible(tables: Transaction, organization_id: UUID, job_id: UUID, owner: UUID | None) -> JobRecord:
    """The job as it is for its caller: nobody waits for what belongs to others."""
    job = await tables.jobs.get(organization_id, job_id, owner)
    if job is None:
        raise NotFound("There is no such job.")
    return job


async def _locked(tables: Transaction, job_id: UUID) -> tuple[JobRecord, DocumentRecord]:
    return (await tables.jobs.lock([job_id]))[job_id]


def check_retriable(job: JobRecord, document: DocumentRecord) -> None:
    """Raises IllegalState for a job that did not fail, or has nothing to analyse."""
    if job.state != "failed":
        raise IllegalState("Only a failed job can be tried again.", state=job.state)
    if job.type == "analysis" and document.state == "failed":
        raise IllegalState("The document could not be read, so there is nothing to analyze.", state="failed")

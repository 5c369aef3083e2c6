"""Hiding documents: the moment from which a document is gone for everybody, whatever is left of it for the sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.results import pipeline
from services.results.records import JobRecord
from services.results.status import StatusFeed
from services.results.stopping import Stopping, key_of
from services.results.store import Transaction
from services.results.store.tasks import TaskRecord


@dataclass(frozen=True)
class Hidden:
    """What is to be done of a document that was hidden, once that is committed."""

    organization_id: UUID
    jobs: Sequence[UUID]
    """All of the document's."""
    cancelled: Sequence[JobRecord]
    withdrawn: Sequence[TaskRecord]
    """Tasks that nobody wants any more."""


async def hide(
    tables: Transaction, organization_id: UUID, document_id: UUID, owner: UUID | None, of_task: bool | None = None
) -> Hidden | None:
    """Hides the document and cancels its jobs; None when there is none to hide.

    `of_task` says whether it has to be the input of a task, which is no document to anybody; None: either.
    """
    # The reading job, then the others, then the document: as everywhere, so that two transactions never wait for each
    # other. Who adds an analysis holds the reading job: once we have that, none is missed.
    reading = [job.id for job in await tables.jobs.of_document(organization_id, document_id) if job.reads]
    locked = await tables.jobs.lock(reading)
    jobs = await tables.jobs.of_document(organization_id, document_id)
    locked |= await tables.jobs.lock([job.id for job in jobs if not job.reads])
    running = [job for job, _ in locked.values() if not job.ended]
    if not await tables.documents.delete(organization_id, document_id, owner, of_task):
        return None
    for job in running:
        pipeline.cancelled(job)
    await tables.jobs.save_all(running, [], [])
    withdrawn = await tables.tasks.withdraw([job.id for job in running]) if running else []
    return Hidden(organization_id, [job.id for job in jobs], running, withdrawn)


class Aftermath:
    """Tells of hidden documents, and stops the work on them."""

    def __init__(self, status: StatusFeed, stopping: Stopping) -> None:
        self._status = status
        self._stopping = stopping

    async def of(self, hidden: Hidden) -> None:
        """Carries out what was committed."""
        await self._status.tell_gone(hidden.organization_id, hidden.jobs)
        await self._stopping.stop([key_of(job) for job in hidden.cancelled], hidden.withdrawn)

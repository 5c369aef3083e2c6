"""Hiding documents: the moment from which a document is gone for everybody, whatever is left of it for the sweep."""

from uuid import UUID

from services.results import pipeline
from services.results.records import JobRecord
from services.results.store import Transaction


async def hide(tables: Transaction, organization_id: UUID, document_id: UUID, owner: UUID | None) -> list[UUID] | None:
    """Hides the document and cancels its jobs, whose ids are answered; None when there is none to hide."""
    # The reading job, then the others, then the document: as everywhere, so that two transactions never wait for each
    # other. Who adds an analysis holds the reading job: once we have that, none is missed.
    reading = [job.id for job in await tables.jobs.of_document(organization_id, document_id) if _is_reading(job)]
    locked = await tables.jobs.lock(reading)
    jobs = await tables.jobs.of_document(organization_id, document_id)
    locked |= await tables.jobs.lock([job.id for job in jobs if not _is_reading(job)])
    running = [job for job, _ in locked.values() if not job.ended]
    if not await tables.documents.delete(organization_id, document_id, owner):
        return None
    for job in running:
        pipeline.cancelled(job)
    await tables.jobs.save_all(running, [], [])
    return [job.id for job in jobs]


def _is_reading(job: JobRecord) -> bool:
    return job.type == "text_extraction"

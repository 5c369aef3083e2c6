"""New jobs: recorded with their first task in one transaction, so that what was accepted is never lost."""

from dataclasses import replace

from mesh import context
from mesh.errors import IllegalState, NotFound
from services.results import pipeline, work
from services.results.outbox import Outbox
from services.results.records import DocumentRecord, JobRecord
from services.results.status import StatusFeed
from services.results.store import Store


class Submission:
    """Starts jobs."""

    def __init__(self, store: Store, outbox: Outbox, status: StatusFeed) -> None:
        self._store = store
        self._outbox = outbox
        self._status = status

    async def read(self, document: DocumentRecord, job: JobRecord) -> tuple[DocumentRecord, JobRecord]:
        """Records a document and its reading job; a repeat answers what the first one made.

        Raises IllegalState when the ids belong to something else, Unavailable.
        """
        headers = context.outgoing_headers()
        (task,) = work.assignments(job, document, pipeline.submitted(job, document.state))
        values = {"task_id": task.id, "kind": task.kind, "lane": task.lane, "payload": task.payload}
        async with self._store.reading() as tables:
            is_new = await tables.jobs.submit(document, job, values, headers)
        if not is_new:
            return await self._repeated(document, job)
        self._outbox.hand_out([replace(task, headers=headers)])
        await self._status.tell([job])
        return document, job

    async def analyse(self, job: JobRecord) -> JobRecord:
        """Records an analysis of a document that is there; a repeat answers what the first one made.

        Raises NotFound, IllegalState when the document could not be read or the id belongs to something else,
        Unavailable.
        """
        headers = context.outgoing_headers()
        async with self._store.transaction() as tables:
            await tables.jobs.lock_reading(job.organization_id, job.document_id)
            document = await tables.documents.get(job.organization_id, job.document_id)
            if document is None:
                raise NotFound("There is no such document.")
            if document.state == "failed":
                raise IllegalState("The document could not be read, so there is nothing to analyze.", state="failed")
            wanted = pipeline.submitted(job, document.state)
            tasks = [replace(task, headers=headers) for task in work.assignments(job, document, wanted)]
            if await tables.jobs.insert(job):
                await tables.tasks.insert(tasks, headers)
            else:
                tasks = []
        self._outbox.hand_out(tasks)
        return await self._now(job)

    async def _repeated(self, document: DocumentRecord, job: JobRecord) -> tuple[DocumentRecord, JobRecord]:
        async with self._store.reading() as tables:
            first = await tables.documents.get(document.organization_id, document.id)
            its_job = await tables.jobs.get(job.organization_id, job.id)
        same = first and its_job and first.sha256 == document.sha256 and its_job.document_id == document.id
        if first is None or its_job is None or not same:
            raise IllegalState("The ids are taken by another document.", "ILLEGAL_STATE")
        return first, its_job

    async def _now(self, job: JobRecord) -> JobRecord:
        async with self._store.reading() as tables:
            now = await tables.jobs.get(job.organization_id, job.id)
        if now is None or (now.document_id, now.type) != (job.document_id, job.type):
            raise IllegalState("The id is taken by another job.", "ILLEGAL_STATE")
        return now

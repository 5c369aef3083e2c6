"""New jobs: recorded with their first task in one transaction, so that what was accepted is never lost."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from mesh import context
from mesh.blobs import Blobs
from mesh.errors import IllegalState, NotFound, PagemeshError
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.work.v1.work_pb2 import Fact
from services.results import pipeline, work
from services.results.forecast import Forecast
from services.results.outbox import Outbox
from services.results.planning import RunPlan
from services.results.recording import Received, Recording
from services.results.records import DocumentRecord, JobRecord, NewTask
from services.results.status import StatusFeed
from services.results.store import Store, Transaction
from services.results.store.tasks import TaskRecord
from services.results.webhooks.callbacks import Callbacks

log = logging.getLogger(__name__)

Started = tuple[DocumentRecord, JobRecord]


@dataclass(frozen=True)
class Arrived:
    """What was read of a document as it arrived, in so many seconds."""

    inspected: DocumentInspected
    seconds: float


@dataclass(frozen=True)
class _New:
    """A document that nobody has recorded yet, with its reading job, the job's first work and the run that asks for it.

    With a run, `insert` is more than one statement.
    """

    document: DocumentRecord
    job: JobRecord
    wanted: Sequence[NewTask]
    headers: dict[str, str]
    run: RunPlan | None = None

    def first_task(self) -> TaskRecord:
        (task,) = work.assignments(self.job, self.document, self.wanted)
        return replace(task, headers=self.headers)

    async def insert(self, tables: Transaction, task: TaskRecord) -> bool:
        values = {"task_id": task.id, "kind": task.kind, "lane": task.lane, "payload": task.payload}
        inserted = await tables.jobs.submit(self.document, self.job, values, self.headers)
        if inserted and self.run is not None:
            await self.run.insert_waiting(tables, self.job)
        return inserted

    async def arrive(self, tables: Transaction, recording: Recording, arrived: Arrived) -> bool:
        fact = Fact(job_id=str(self.job.id), attempt=1, last=True, inspected=arrived.inspected)
        if not await recording.arrive(self.job, self.document, Received(fact, self.headers), arrived.seconds):
            return False
        if self.run is not None:
            await self.run.insert_waiting(tables, self.job)
        if self.is_waited_for:
            await recording.follow(self.job, self.document)
        return True

    @property
    def is_waited_for(self) -> bool:
        """Somebody wants word of its end."""
        return self.run is not None or bool(self.job.config.get("callback_url"))


class Submission:
    """Starts jobs."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        outbox: Outbox,
        status: StatusFeed,
        forecast: Forecast,
        callbacks: Callbacks,
    ) -> None:
        self._callbacks = callbacks
        self._store = store
        self._blobs = blobs
        self._outbox = outbox
        self._status = status
        self._forecast = forecast

    async def read(
        self, document: DocumentRecord, job: JobRecord, arrived: Arrived | None = None, run: RunPlan | None = None
    ) -> tuple[DocumentRecord, JobRecord]:
        """Records a document, its reading job and what is known of it already; a repeat answers what the first made.

        Raises InvalidArgument for a URL that may not be called back, IllegalState when the ids belong to something
        else, Unavailable.
        """
        return await self.begin(document, job, arrived, run) or await self._repeated(document, job)

    async def begin(
        self, document: DocumentRecord, job: JobRecord, arrived: Arrived | None = None, run: RunPlan | None = None
    ) -> Started | None:
        """As `read`, with the run that asks for it; None when one of the ids was there before.

        Raises InvalidArgument for a URL that may not be called back, Unavailable.
        """
        self._callbacks.check(job.config.get("callback_url", ""))
        new = _New(document, job, pipeline.submitted(job, document.state), context.outgoing_headers(), run)
        return await (self._begin(new) if arrived is None else self._begin_known(new, arrived))

    async def _begin(self, new: _New) -> Started | None:
        new.job.estimated_seconds_left = self._forecast.seconds_left(new.job)
        task = new.first_task()
        async with self._store.reading() if new.run is None else self._store.transaction() as tables:
            if not await new.insert(tables, task):
                return None
        self._forecast.begun([task])
        self._outbox.hand_out([task])
        await self._status.tell([new.job])
        return new.document, new.job

    async def _begin_known(self, new: _New, arrived: Arrived) -> Started | None:
        try:
            return await self._begin_read(new, arrived)
        except PagemeshError:
            raise
        except Exception:
            log.exception("arrival not taken in", extra={"job": str(new.job.id)})
            return await self._begin(new)

    async def _begin_read(self, new: _New, arrived: Arrived) -> Started | None:
        """As if the first task had been handed out and its fact were here."""
        new = replace(new, document=replace(new.document), job=replace(new.job))  # for `_begin`, should this fail
        async with self._store.transaction() if new.is_waited_for else self._store.reading() as tables:
            recording = Recording(tables, self._blobs, self._forecast.seconds_left)
            if not await new.arrive(tables, recording, arrived):
                return None
        self._forecast.note(recording.done, recording.tasks)
        self._outbox.hand_out(recording.tasks)
        await self._status.tell(recording.jobs)
        return new.document, new.job

    async def analyse(self, job: JobRecord, owner: UUID | None) -> JobRecord:
        """Records an analysis of a document that is there; a repeat answers what the first one made.

        With an owner the document has to be theirs.

        Raises InvalidArgument for a URL that may not be called back, NotFound, IllegalState when the document could
        not be read or the id belongs to something else, Unavailable.
        """
        self._callbacks.check(job.config.get("callback_url", ""))
        headers = context.outgoing_headers()
        async with self._store.transaction() as tables:
            await tables.jobs.lock_reading(job.organization_id, job.document_id)
            document = await tables.documents.get(job.organization_id, job.document_id, owner)
            if document is None:
                raise NotFound("There is no such document.")
            if document.state == "failed":
                raise IllegalState("The document could not be read, so there is nothing to analyze.", state="failed")
            wanted = pipeline.submitted(job, document.state)
            job.estimated_seconds_left = self._forecast.seconds_left(job)
            tasks = [replace(task, headers=headers) for task in work.assignments(job, document, wanted)]
            if await tables.jobs.insert(job):
                await tables.tasks.insert(tasks, headers)
            else:
                tasks = []
        self._forecast.begun(tasks)
        self._outbox.hand_out(tasks)
        return await self._now(job)

    async def _repeated(self, document: DocumentRecord, job: JobRecord) -> tuple[DocumentRecord, JobRecord]:
        async with self._store.reading() as tables:
            first = await tables.documents.get(document.organization_id, document.id, document.user_id, hidden=True)
            its_job = await tables.jobs.get(job.organization_id, job.id, document.user_id)
        if first is None or its_job is None or first.sha256 != document.sha256:
            raise IllegalState("The ids are taken by another document.", "ILLEGAL_STATE")
        if (its_job.document_id, its_job.type) != (document.id, job.type):
            raise IllegalState("The ids are taken by another job.", "ILLEGAL_STATE")
        return first, its_job

    async def _now(self, job: JobRecord) -> JobRecord:
        async with self._store.reading() as tables:
            now = await tables.jobs.get(job.organization_id, job.id, None)
        if now is None or (now.document_id, now.type) != (job.document_id, job.type):
            raise IllegalState("The id is taken by another job.", "ILLEGAL_STATE")
        return now

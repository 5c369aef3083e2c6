"""One batch of facts on one transaction: what the pipeline makes of them, written down."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from mesh import pages as packing
from mesh.blobs import Blobs
from mesh.errors import NotFound
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.work.v1.work_pb2 import Fact
from services.results import convert, pipeline, work
from services.results.pipeline import Ending
from services.results.records import DocumentRecord, JobRecord, NewTask, PageRecord, PageToRead, Problem
from services.results.store import Transaction
from services.results.store.tasks import TaskRecord


@dataclass(frozen=True)
class Received:
    """A fact, with the headers that carry its request on."""

    fact: Fact
    headers: dict[str, str]


class Recording:
    """Takes facts of many jobs; afterwards `jobs` have changed and `tasks` are to be handed out."""

    def __init__(self, tables: Transaction, blobs: Blobs) -> None:
        self.jobs: list[JobRecord] = []
        self.tasks: list[TaskRecord] = []
        self._tables = tables
        self._blobs = blobs

    async def take(self, received: Iterable[Received]) -> None:
        """Records the facts; those of jobs that have ended, or are gone, are refused silently."""
        by_job: dict[UUID, list[Received]] = {}
        for one in received:
            by_job.setdefault(UUID(one.fact.job_id), []).append(one)
        locked = await self._tables.jobs.lock(by_job)
        read: list[DocumentRecord] = []
        for job_id, (job, document) in locked.items():
            if job.ended:
                continue
            taking = _JobFacts(self._tables, self._blobs, job, document)
            wanted = await taking.take([one.fact for one in by_job[job_id]])
            await self._save(job, document, wanted, by_job[job_id][0].headers)
            if job.type == "text_extraction" and document.state in ("completed", "failed"):
                read.append(document)
            await self._tables.tasks.done(taking.done)
        await self._wake_waiting(read)
        await self._tables.tasks.done_with_jobs([job.id for job in self.jobs if job.ended])

    async def _save(
        self, job: JobRecord, document: DocumentRecord, wanted: Iterable[NewTask], headers: dict[str, str]
    ) -> None:
        await self._tables.jobs.save(job)
        if job.type == "text_extraction":
            state = pipeline.document_state(job)
            if (state, document.page_count) != (document.state, job.pages_total or None):
                document.state, document.page_count = state, job.pages_total or None
                await self._tables.documents.save(document)
        tasks = [replace(task, headers=headers) for task in work.assignments(job, document, wanted)]
        await self._tables.tasks.insert(tasks, headers)
        self.jobs.append(job)
        self.tasks += tasks

    async def _wake_waiting(self, read: Iterable[DocumentRecord]) -> None:
        states = {document.id: document.state for document in read}
        if not states:
            return
        waiting = await self._tables.jobs.lock(await self._tables.jobs.waiting_for(states))
        for job, document in waiting.values():
            wanted = pipeline.document_read(job, states[document.id])
            await self._save(job, document, wanted, {})


class _JobFacts:
    """Facts of one job."""

    def __init__(self, tables: Transaction, blobs: Blobs, job: JobRecord, document: DocumentRecord) -> None:
        self.done: list[UUID] = []
        self._tables = tables
        self._blobs = blobs
        self._job = job
        self._document = document

    async def take(self, facts: list[Fact]) -> list[NewTask]:
        """Applies the facts in the order given; answers what to hand out next."""
        wanted: list[NewTask] = []
        outcomes: list[PageOutcome] = []
        for fact in facts:
            if fact.last:
                self.done.append(UUID(fact.task_id))
            if fact.HasField("inspected"):
                wanted += self._inspected(fact.inspected)
                outcomes += fact.inspected.outcomes
            elif fact.HasField("extracted"):
                outcomes += fact.extracted.outcomes
            elif fact.HasField("recognized"):
                outcomes.append(fact.recognized.outcome)
            elif fact.HasField("analyzed"):
                await self._analyzed(fact)
        await self._settle([await self._page(outcome) for outcome in outcomes])
        await self._close_tasks([fact for fact in facts if fact.last])
        if pipeline.all_pages_settled(self._job):
            failures = await self._tables.pages.failures(self._document.id) if self._job.pages_failed else ()
            wanted += pipeline.finish_reading(self._job, Ending(failures))
        return [] if self._job.ended else wanted

    def _inspected(self, fact: DocumentInspected) -> list[NewTask]:
        self._document.metadata = dict(fact.metadata)
        pages = [PageToRead(number, page.needs_ocr) for number, page in enumerate(fact.pages, start=1)]
        return list(pipeline.inspected(self._job, pages, frozenset(outcome.number for outcome in fact.outcomes)))

    async def _analyzed(self, fact: Fact) -> None:
        analysis = convert.analysis_record(self._job, fact.analyzed.outcome)
        await self._tables.analyses.insert(analysis)
        pipeline.analyzed(self._job, str(analysis.id))

    async def _page(self, outcome: PageOutcome) -> PageRecord:
        page = convert.page_record(outcome)
        if not page.layout_key:
            return page
        try:
            stored = packing.unpack(await self._blobs.get(page.layout_key))
        except NotFound as error:
            return PageRecord(number=page.number, problem=Problem(error.code, "The page was read, then lost."))
        return replace(page, text=stored.text)

    async def _settle(self, pages: Iterable[PageRecord]) -> None:
        first = {page.number: page for page in reversed(list(pages))}
        new = await self._tables.pages.settle(self._document.id, list(first.values()))
        pipeline.settled(self._job, [page for number, page in first.items() if number in new])

    async def _close_tasks(self, lasts: list[Fact]) -> None:
        """A task that ended, well or not, leaves none of its pages open."""
        closing = {UUID(fact.task_id): fact for fact in lasts if fact.HasField("failed") or fact.HasField("extracted")}
        tasks = await self._tables.tasks.get(closing) if closing else {}
        for task_id, task in tasks.items():
            failure = closing[task_id].failed
            problem = Problem(failure.code or "unreadable_page", failure.message or "The page could not be read.")
            if task.pages:
                open_pages = await self._tables.pages.unsettled(self._document.id, task.pages)
                await self._settle(PageRecord(number=number, problem=problem) for number in open_pages)
            elif closing[task_id].HasField("failed"):
                pipeline.failed(self._job, problem)

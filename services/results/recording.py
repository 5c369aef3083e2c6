"""One batch of facts on one transaction: what the pipeline makes of them, written down.

Statements are per batch, not per job, since trips to the database are most of what taking in a fact costs.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from mesh import pages as packing
from mesh.blobs import Blobs
from mesh.errors import NotFound
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.work.v1.work_pb2 import Fact
from services.results import convert, pipeline, work
from services.results.originals import fetched_document
from services.results.pipeline import Ending
from services.results.records import DocumentRecord, JobRecord, NewTask, PageRecord, PageToRead, Problem
from services.results.store import Transaction
from services.results.store.tasks import TaskRecord


@dataclass(frozen=True)
class Received:
    """A fact, with the headers that carry its request on."""

    fact: Fact
    headers: dict[str, str]


@dataclass
class _Case:
    """One job of the batch, with what its facts bring."""

    job: JobRecord
    document: DocumentRecord
    facts: list[Fact]
    headers: dict[str, str]
    outcomes: list[PageOutcome] = field(default_factory=list)
    wanted: list[NewTask] = field(default_factory=list)
    is_fetched: bool = False
    """The document has just got its original."""

    def read(self, closed: Collection[str], settled: Iterable[int]) -> None:
        """Applies inspections and collects outcomes, in the order of the facts; failures of closed tasks are none."""
        for fact in self.facts:
            if fact.HasField("fetched"):
                self._fetched(fact.fetched)
            elif fact.HasField("inspected"):
                self._inspected(fact.inspected, settled)
            is_closed = fact.task_id in closed
            self.outcomes += (one for one in _outcomes(fact) if not (is_closed and _is_failure(one)))

    def _fetched(self, fact: DocumentFetched) -> None:
        pipeline.begun(self.job)
        if fact.storage_key and (wanted := pipeline.fetched(self.job)):
            self.wanted += wanted
            self.is_fetched = True
            fetched_document(self.document, fact)

    def _inspected(self, fact: DocumentInspected, settled: Iterable[int]) -> None:
        self.document.metadata = dict(fact.metadata)
        pages = [PageToRead(number, page.needs_ocr) for number, page in enumerate(fact.pages, start=1)]
        read = frozenset([*(outcome.number for outcome in fact.outcomes), *settled])
        self.wanted += pipeline.inspected(self.job, pages, read)

    def update_document(self) -> None:
        """The document as its reading job leaves it."""
        if self.job.reads:
            self.document.state = pipeline.document_state(self.job)
            self.document.page_count = self.job.pages_total or None


Estimate = Callable[[JobRecord], int | None]
"""Seconds that a job will still take."""


class Recording:
    """Takes facts of many jobs; afterwards `jobs` have changed and `tasks` are to be handed out.

    `done` says by kind of task how much was done: pages, or tasks where these have none. `orphans` are keys of fetched
    originals that nobody wants any more.
    """

    def __init__(self, tables: Transaction, blobs: Blobs, estimate: Estimate) -> None:
        self.orphans: list[str] = []
        self.jobs: list[JobRecord] = []
        self.tasks: list[TaskRecord] = []
        self.done: Counter[str] = Counter()
        self._estimate = estimate
        self._tables = tables
        self._blobs = blobs

    async def take(self, received: Iterable[Received]) -> None:
        """Records the facts; those of jobs that have ended, or are gone, are refused silently."""
        by_job: dict[UUID, list[Received]] = {}
        for one in received:
            by_job.setdefault(UUID(one.fact.job_id), []).append(one)
        locked = await self._tables.jobs.lock(by_job)
        await self._take(
            [
                _Case(job, document, [one.fact for one in by_job[job_id]], by_job[job_id][0].headers)
                for job_id, (job, document) in locked.items()
                if not job.ended
            ]
        )
        kept = {document.storage_key for _, document in locked.values()}
        fetched = (one.fact.fetched.storage_key for group in by_job.values() for one in group)
        self.orphans += [key for key in fetched if key and key not in kept]

    async def arrive(self, job: JobRecord, document: DocumentRecord, received: Received, seconds: float) -> bool:
        """Records a document with the job that reads it and the job's first fact, which came in so many seconds.

        False when one of the ids was there before. It is one statement.
        """
        case = _Case(job, document, [received.fact], received.headers)
        case.read((), ())
        pages = {page.number: page for page in reversed(await self._pages(case))}.values()  # all of them are new
        pipeline.settled(job, pages)
        if pipeline.all_pages_settled(job):
            failures = sorted((page.number, page.problem) for page in pages if page.problem)
            case.wanted += pipeline.finish_reading(job, Ending(tuple(failures)))
        self._conclude(case)
        tasks = _assignments(case)
        if not await self._tables.arrivals.insert(document, job, pages, tasks, case.headers, seconds):
            return False
        self.done.update(_done(received.fact))
        self.jobs, self.tasks = [job], tasks
        return True

    async def follow(self, job: JobRecord, document: DocumentRecord) -> None:
        """Records what follows for those who wait for a job that has arrived with this same transaction."""
        await self._tables.jobs.tell_ends([job], [job.id] if job.ended else [])
        await self._wake_waiting([document])

    async def decide(
        self, job: JobRecord, document: DocumentRecord, wanted: Iterable[NewTask], headers: dict[str, str]
    ) -> None:
        """Records what a person decided of a job that this transaction holds, and the work that it wants."""
        await self._save([_Case(job, document, [], headers, wanted=list(wanted))], ())

    async def end(self, changed: Iterable[tuple[JobRecord, DocumentRecord]]) -> None:
        """Records jobs that this transaction holds and a person has ended, and what follows from that."""
        await self._save([_Case(job, document, [], {}) for job, document in changed], ())

    async def _take(self, cases: Sequence[_Case]) -> None:
        facts = [fact for case in cases for fact in case.facts]
        self.done.update(kind for fact in facts for kind in _done(fact))
        closed = await self._closed(facts)
        for case in cases:
            case.read(closed, await self._settled_before(case.job))
            if case.is_fetched:
                await self._tables.documents.fetched(case.document)
        await self._settle([(case, await self._pages(case)) for case in cases])
        unfinished = await self._close_tasks(cases)
        for case in cases:
            await self._finish(case)
        done = {UUID(fact.task_id) for case in cases for fact in case.facts if fact.last}
        await self._save(cases, done - unfinished)

    async def _closed(self, facts: Iterable[Fact]) -> set[str]:
        """Tasks that tell of failures and are not open any more: what failed may have been opened for another try."""
        telling = {fact.task_id for fact in facts if any(map(_is_failure, _outcomes(fact)))}
        opened = await self._tables.tasks.get({UUID(task_id) for task_id in telling}) if telling else {}
        return {task_id for task_id in telling if UUID(task_id) not in opened}

    async def _settled_before(self, job: JobRecord) -> tuple[int, ...]:
        """Pages that a job which was tried again need not read."""
        is_retried = job.stage == "queued" and job.pages_done > 0
        return (await self._tables.pages.spent(job.document_id)).pages if is_retried else ()

    async def _pages(self, case: _Case) -> list[PageRecord]:
        return [await self._page(outcome) for outcome in case.outcomes]

    async def _page(self, outcome: PageOutcome) -> PageRecord:
        page = convert.page_record(outcome)
        if not page.layout_key:
            return page
        try:
            stored = packing.unpack(await self._blobs.get(page.layout_key))
        except NotFound as error:
            return PageRecord(number=page.number, problem=Problem(error.code, "The page was read, then lost."))
        return replace(page, text=stored.text)

    async def _settle(self, settling: Sequence[tuple[_Case, Sequence[PageRecord]]]) -> None:
        first = {(case.document.id, page.number): page for case, pages in settling for page in reversed(pages)}
        new = await self._tables.pages.settle(first)
        for case, _ in settling:
            mine = [first[key] for key in new if key[0] == case.document.id]
            pipeline.settled(case.job, mine)

    async def _close_tasks(self, cases: Sequence[_Case]) -> set[UUID]:
        """A task that failed leaves none of its pages open. Answers tasks that ended before all their pages came.

        Facts may overtake each other, or get lost with the broker; such a task stays, and if nothing more comes of it
        the reconciler hands it out again.
        """
        closing = {UUID(fact.task_id): (case, fact) for case in cases for fact in case.facts if _may_leave_pages(fact)}
        tasks = await self._tables.tasks.get(closing) if closing else {}
        unfinished: set[UUID] = set()
        for task_id, task in tasks.items():
            case, fact = closing[task_id]
            left = await self._tables.pages.unsettled(case.document.id, task.pages) if task.pages else []
            if fact.HasField("failed"):
                await self._fail(case, task, left, Problem(fact.failed.code, fact.failed.message))
            elif left:
                unfinished.add(task_id)
        return unfinished

    async def _fail(self, case: _Case, task: TaskRecord, left: Sequence[int], problem: Problem) -> None:
        if task.pages:
            await self._settle([(case, [PageRecord(number=number, problem=problem) for number in left])])
        else:
            pipeline.failed(case.job, problem)

    async def _finish(self, case: _Case) -> None:
        for fact in case.facts:
            if fact.HasField("analyzed"):
                analysis = convert.analysis_record(case.job, fact.analyzed.outcome)
                await self._tables.analyses.insert(analysis)
                pipeline.analyzed(case.job, str(analysis.id))
        if pipeline.all_pages_settled(case.job):
            failures = await self._tables.pages.failures(case.document.id) if case.job.pages_failed else ()
            case.wanted += pipeline.finish_reading(case.job, Ending(failures))

    async def _save(self, cases: Sequence[_Case], done: Collection[UUID]) -> None:
        for case in cases:
            self._conclude(case)
        waited_for = await self._tables.jobs.save_all(
            [case.job for case in cases],
            [case.document for case in cases if case.job.reads],
            done,
        )
        self.jobs += [case.job for case in cases]
        for case in cases:
            await self._hand_out(case)
        if waited_for:
            await self._wake_waiting([case.document for case in cases if case.document.id in waited_for])

    def _conclude(self, case: _Case) -> None:
        case.update_document()
        case.job.estimated_seconds_left = self._estimate(case.job)

    async def _hand_out(self, case: _Case) -> None:
        tasks = _assignments(case)
        await self._tables.tasks.insert(tasks, case.headers)
        self.tasks += tasks

    async def _wake_waiting(self, documents: Iterable[DocumentRecord]) -> None:
        """Analyses that wait for documents which have just ended."""
        ended = {document.id: document.state for document in documents if document.state in ("completed", "failed")}
        waiting = await self._tables.jobs.lock(await self._tables.jobs.waiting_for(ended)) if ended else {}
        cases = [_Case(job, document, [], {}) for job, document in waiting.values()]
        for case in cases:
            case.wanted += pipeline.document_read(case.job, ended[case.document.id])
        if cases:
            await self._save(cases, ())


def _assignments(case: _Case) -> list[TaskRecord]:
    wanted = [] if case.job.ended else case.wanted
    return [replace(task, headers=case.headers) for task in work.assignments(case.job, case.document, wanted)]


def _outcomes(fact: Fact) -> Iterator[PageOutcome]:
    if fact.HasField("inspected"):
        yield from fact.inspected.outcomes
    elif fact.HasField("extracted"):
        yield from fact.extracted.outcomes
    elif fact.HasField("recognized"):
        yield fact.recognized.outcome


def _done(fact: Fact) -> list[str]:
    """The kind of task that the fact comes of, once for each unit that was done."""
    if fact.HasField("inspected"):
        return ["inspect"]
    if fact.HasField("analyzed"):
        return ["analyze"]
    return [("ocr" if fact.HasField("recognized") else "extract") for _ in _outcomes(fact)]


def _is_failure(outcome: PageOutcome) -> bool:
    return outcome.WhichOneof("end") != "content"


def _may_leave_pages(fact: Fact) -> bool:
    return fact.last and (fact.HasField("failed") or fact.HasField("extracted"))

"""What facts make of a state. Decisions are the pipeline's; here is what the record's transaction does for others."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid5

from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.work.v1.work_pb2 import Fact
from services.results import pipeline, work
from services.results.ephemeral.calls import note_calls
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.state import KeptRun, State, moment, touch
from services.results.originals import fetched_document
from services.results.pipeline import Ending
from services.results.planning import RunPlan
from services.results.records import JobRecord, NewTask, PageRecord, PageToRead, Problem
from services.results.webhooks.records import DeliveryRecord

Wanted = list[tuple[JobRecord, NewTask]]


class Taking:
    """Takes facts and decisions into one state; afterwards `changed`, `wanted` and `calls` tell what came of them."""

    def __init__(self, memory: Memory, state: State) -> None:
        self._memory = memory
        self._state = state
        self.wanted: Wanted = []
        self.changed: list[JobRecord] = []
        self.calls: list[DeliveryRecord] = []
        """What somebody is to be told now."""

    async def take(self, facts: Sequence[Fact]) -> None:
        """Applies facts in their order; those of jobs that have ended change nothing. Raises Unavailable."""
        for fact in facts:
            job = self._state.job(UUID(fact.job_id))
            if job is not None and not job.ended:
                await self._take(job, fact)
        self._close()

    def begin(self, job: JobRecord) -> None:
        """Takes a new job in."""
        self._state.jobs.append(job)
        self._want(job, pipeline.submitted(job, self._state.document.state))

    def begin_run(self, plan: RunPlan, reading: JobRecord | None) -> None:
        """Takes a run in, whose reading is there if it is one of its jobs."""
        now = moment()
        for job in plan.analyses:
            self.begin(replace(job, created_at=now, updated_at=now))
        jobs = [*([reading.id] if reading else []), *(job.id for job in plan.analyses)]
        self._state.runs.append(KeptRun(replace(plan.run, created_at=now), jobs))
        self._close()  # without jobs it has ended

    def cancel(self, jobs: Sequence[JobRecord]) -> None:
        """Ends jobs that a person does not want any more; what was read of the document stays."""
        for job in jobs:
            pipeline.cancelled(job, self._state.spent if job.reads else None)
            self.changed.append(job)
        for job in jobs:
            self._follow(job)
        self._close()

    def retry(self, job: JobRecord) -> None:
        """Starts a failed job again where it failed; pages that could not be read are open again."""
        if job.reads and not pipeline.was_read(job):
            self._state.settled = dict.fromkeys(self._state.read)
        self.changed.append(job)
        self._want(job, pipeline.retried(job, self._state.document.state))
        job.completed_at = None
        self._follow(job)
        self._close()

    def _close(self) -> None:
        touch(self.changed)
        if self.changed and self._state.is_document:
            self._state.document.updated_at = moment()
        self.calls += note_calls(self._state)

    async def _take(self, job: JobRecord, fact: Fact) -> None:
        if fact.HasField("fetched"):
            self._fetched(job, fact.fetched)
        elif fact.HasField("inspected"):
            self._inspected(job, fact.inspected)
            await self._settle(job, fact, fact.inspected.outcomes)
        elif fact.HasField("extracted"):
            await self._settle(job, fact, fact.extracted.outcomes)
        elif fact.HasField("recognized"):
            await self._settle(job, fact, [fact.recognized.outcome])
        elif fact.HasField("analyzed"):
            await self._analyzed(job, fact)
        elif fact.HasField("failed"):
            await self._failed(job, fact)
        if pipeline.all_pages_settled(job):
            self._want(job, pipeline.finish_reading(job, Ending(self._state.failures)))
        self._follow(job)
        if job not in self.changed:
            self.changed.append(job)

    def _fetched(self, job: JobRecord, fact: DocumentFetched) -> None:
        pipeline.begun(job)
        if fact.storage_key and (wanted := pipeline.fetched(job)):
            fetched_document(self._state.document, fact)
            self._want(job, wanted)

    def _inspected(self, job: JobRecord, fact: DocumentInspected) -> None:
        self._state.document.metadata = dict(fact.metadata)
        pages = [PageToRead(number, page.needs_ocr) for number, page in enumerate(fact.pages, start=1)]
        read = frozenset([*(outcome.number for outcome in fact.outcomes), *self._state.settled])
        self._want(job, pipeline.inspected(job, pages, read))

    async def _settle(self, job: JobRecord, fact: Fact, outcomes: Sequence[PageOutcome]) -> None:
        is_late = fact.attempt < work.attempt_of(job)  # an earlier try may still tell what it read, not what it did not
        good = [one for one in outcomes if not (is_late and one.HasField("failure"))]
        first = {one.number: one for one in reversed(good) if one.number not in self._state.settled}
        pages = await self._memory.settle(self._state, first.values())
        self._state.settled |= {page.number: page.problem for page in pages}
        for language in (page.language for page in pages if page.problem is None and page.language):
            self._state.languages[language] = self._state.languages.get(language, 0) + 1
        pipeline.settled(job, pages)

    async def _failed(self, job: JobRecord, fact: Fact) -> None:
        if fact.attempt < work.attempt_of(job):
            return  # that was an earlier try
        problem = Problem(fact.failed.code, fact.failed.message)
        numbers = self._pages_of(job, fact.task_id)
        if numbers:
            left = [PageRecord(number=one, problem=problem) for one in numbers if one not in self._state.settled]
            self._state.settled |= {page.number: page.problem for page in left}
            pipeline.settled(job, left)
        else:
            pipeline.failed(job, problem)

    def _pages_of(self, job: JobRecord, task_id: str) -> tuple[int, ...]:
        made = (task for job_id, task in self._state.handed_out if job_id == job.id and task.pages)
        return next((task.pages for task in made if str(work.steady_id(job.id, task)) == task_id), ())

    async def _analyzed(self, job: JobRecord, fact: Fact) -> None:
        outcome = await self._memory.keep_analysis(self._state, job.id, fact.analyzed.outcome)
        self._state.tokens[job.id] = outcome.token_usage.total_tokens
        pipeline.analyzed(job, str(uuid5(job.id, "analysis")))

    def _follow(self, job: JobRecord) -> None:
        """The document as its reading job leaves it, and the analyses that waited for that."""
        document = self._state.document
        if not job.reads:
            return
        document.state = pipeline.document_state(job)
        document.page_count = job.pages_total or None
        if document.state in ("completed", "failed"):
            for waiting in [one for one in self._state.jobs if one.stage == "waiting"]:
                self._want(waiting, pipeline.document_read(waiting, document.state))
                self.changed.append(waiting)

    def _want(self, job: JobRecord, tasks: Sequence[NewTask]) -> None:
        self.wanted += [(job, task) for task in tasks]
        self._state.handed_out += [(job.id, task) for task in tasks]

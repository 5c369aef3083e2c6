"""What is known of one root, as the broker keeps it: a zero-log document with its jobs, or a job on another document.

It is one entry, changed as a whole by compare-and-set, so that a fact's effect is there wholly or not at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.results.records import DocumentRecord, JobRecord, NewTask, Problem, Spent
from services.results.runs import RunRecord, RunView
from services.results.webhooks.records import DeliveryRecord

_STAGES = {"fetch": "fetching", "inspect": "queued", "extract": "reading", "ocr": "reading", "analyze": "analyzing"}
"""In which a job waits for its tasks, by their kind."""


@dataclass
class KeptRun:
    """A run on the root's document."""

    run: RunRecord
    jobs: list[UUID]
    """Those that it takes, the reading first."""


@dataclass
class State:
    """A root; `settled` tells of each page whether it was read, or why not."""

    root_id: UUID
    expires_at: datetime
    document: DocumentRecord
    jobs: list[JobRecord]
    settled: dict[int, Problem | None] = field(default_factory=dict)
    handed_out: list[tuple[UUID, NewTask]] = field(default_factory=list)
    """Jobs with the tasks that were made for them."""
    tokens: dict[UUID, int] = field(default_factory=dict)
    """By job, those of its analysis."""
    languages: dict[str, int] = field(default_factory=dict)
    """How many of the pages read are in each."""
    runs: list[KeptRun] = field(default_factory=list)
    calls: list[DeliveryRecord] = field(default_factory=list)
    """What somebody was to be told, or is: every end of a job or run that names a URL."""

    @property
    def is_document(self) -> bool:
        """The document itself is here."""
        return self.root_id == self.document.id

    @property
    def read(self) -> list[int]:
        """Numbers of the pages that were read, in order."""
        return sorted(number for number, problem in self.settled.items() if problem is None)

    @property
    def failures(self) -> tuple[tuple[int, Problem], ...]:
        """Numbers and problems of the pages that could not be read, in order."""
        return tuple((number, problem) for number, problem in sorted(self.settled.items()) if problem is not None)

    @property
    def spent(self) -> Spent:
        """The pages that were read, and those that could not be."""
        read = self.read
        scans = {number for _, task in self.handed_out if task.kind == "ocr" for number in task.pages}
        return Spent(tuple(read), len(scans.intersection(read)), self.failures)

    def job(self, job_id: UUID) -> JobRecord | None:
        """The job of that id."""
        return next((job for job in self.jobs if job.id == job_id), None)

    def run(self, run_id: UUID) -> KeptRun | None:
        """The run of that id."""
        return next((kept for kept in self.runs if kept.run.id == run_id), None)

    def view(self, kept: KeptRun) -> RunView:
        """A run with its jobs."""
        assert kept.run.created_at is not None, "it was noted when it was kept"
        return RunView(kept.run, [job for id_ in kept.jobs if (job := self.job(id_))], kept.run.created_at)

    @property
    def reading(self) -> JobRecord | None:
        """The job that reads the document; None where that is one of the record."""
        return next((job for job in self.jobs if job.reads), None)

    @property
    def engines(self) -> list[str]:
        """Names and versions of what read its pages, as far as that was here."""
        reading = self.reading
        return list((reading.result or {}).get("engines", ())) if reading else []

    @property
    def language(self) -> str:
        """That of most of the pages read; empty when none could be told."""
        return min(self.languages, key=lambda one: (-self.languages[one], one), default="")

    def outstanding(self) -> list[tuple[JobRecord, NewTask]]:
        """Tasks of unfinished jobs that may still have something to do."""
        by_id = {job.id: job for job in self.jobs if not job.ended}
        made = ((by_id[job_id], task) for job_id, task in self.handed_out if job_id in by_id)
        return [(job, task) for job, task in made if self._is_left(job, task)]

    def _is_left(self, job: JobRecord, task: NewTask) -> bool:
        return _STAGES[task.kind] == job.stage and not (task.pages and all(one in self.settled for one in task.pages))


def moment(seconds_ago: float = 0.0) -> datetime:
    """Now, or a little before."""
    return datetime.now(UTC) - timedelta(seconds=seconds_ago)


def touch(jobs: Iterable[JobRecord]) -> None:
    """Notes that jobs have changed: what the record's statements do for others."""
    now = moment()
    for job in jobs:
        job.revision += 1
        job.updated_at = now
        if job.state != "pending":
            job.started_at = job.started_at or now
        if job.ended:
            job.completed_at = job.completed_at or now
        if job.state == "completed" and job.result is not None and job.created_at is not None:
            took = (now - job.created_at).total_seconds()
            job.result = {**job.result, "processing_time_ms": job.result.get("processing_time_ms", round(took * 1000))}

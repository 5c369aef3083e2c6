"""What is known of one root, as the broker keeps it: a zero-log document with its jobs, or a job on another document.

It is one entry, changed as a whole by compare-and-set, so that a fact's effect is there wholly or not at all.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.results.records import DocumentRecord, JobRecord, NewTask, Problem, Spent

_UUIDS = frozenset({"id", "organization_id", "user_id", "document_id"})


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

    def outstanding(self) -> list[tuple[JobRecord, NewTask]]:
        """Tasks of unfinished jobs that may still have something to do."""
        by_id = {job.id: job for job in self.jobs if not job.ended}
        made = ((by_id[job_id], task) for job_id, task in self.handed_out if job_id in by_id)
        return [(job, task) for job, task in made if self._is_left(job, task)]

    def _is_left(self, job: JobRecord, task: NewTask) -> bool:
        if task.kind == "inspect":
            return not job.pages_total
        return task.kind == "analyze" or not all(number in self.settled for number in task.pages)


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


def packed(state: State) -> bytes:
    """The state as it is kept."""
    return zlib.compress(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS), 1)


def unpacked(payload: bytes) -> State:
    """The state that was kept."""
    kept: dict[str, Any] = orjson.loads(zlib.decompress(payload))
    return State(
        root_id=UUID(kept["root_id"]),
        expires_at=datetime.fromisoformat(kept["expires_at"]),
        document=DocumentRecord(**_restored(kept["document"])),
        jobs=[JobRecord(**_restored(job)) for job in kept["jobs"]],
        settled={int(number): _problem(problem) for number, problem in kept["settled"].items()},
        handed_out=[(UUID(job), NewTask(task["kind"], tuple(task["pages"]))) for job, task in kept["handed_out"]],
        tokens={UUID(job): tokens for job, tokens in kept["tokens"].items()},
    )


def _restored(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a record with their types: ids, moments, and what ended a job badly."""
    restored = {name: _value(name, value) for name, value in values.items()}
    if "error" in restored:
        restored["error"] = _problem(restored["error"])
    return restored


def _value(name: str, value: Any) -> Any:
    if value is not None and name in _UUIDS:
        return UUID(value)
    return datetime.fromisoformat(value) if value is not None and name.endswith("_at") else value


def _problem(value: dict[str, str] | None) -> Problem | None:
    return None if value is None else Problem(**value)

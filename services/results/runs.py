"""What a run is: a source, what was asked of it, and the jobs that it takes. How far it is follows from those alone.

A run fails when its document could not be read, or when analyses were asked for and none could be made. One that
failed beside others that were made does not fail the run; it is named in the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.results.records import JobRecord, Problem

ANALYSIS = "analysis"


@dataclass
class RunRecord:
    """A run as the record keeps it."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    document_id: UUID
    asked: dict[str, Any]
    """Source and configuration: a `pagemesh.results.v1.Run` as JSON."""
    created_at: datetime | None = None


@dataclass(frozen=True)
class EndedRun:
    """A run with somebody to tell, as it has ended."""

    run: RunRecord
    state: str
    attempts: int
    """Of all its jobs together: a job that is tried again makes another end."""


@dataclass(frozen=True)
class RunView:
    """A run with its jobs, the reading first."""

    run: RunRecord
    jobs: Sequence[JobRecord] = ()
    created_at: datetime = field(default_factory=datetime.now)

    @property
    def state(self) -> str:
        """`pending`, `processing`, `completed`, `failed` or `cancelled`."""
        return state_of(self.jobs)

    @property
    def is_own(self) -> bool:
        """Its document is read for it alone; that of one that was there may be waited for by others."""
        return "document_id" not in self.run.asked["source"]

    @property
    def ended(self) -> bool:
        """Nothing changes it any more."""
        return all(job.ended for job in self.jobs)

    @property
    def problem(self) -> Problem | None:
        """Why it failed: its reading's problem, else that of the first analysis that has one."""
        return next((job.error for job in self.jobs if job.error), None) if self.state == "failed" else None

    @property
    def progress(self) -> int:
        """0 to 100, every job as much as any other."""
        if self.state == "completed":
            return 100
        return sum(job.progress for job in self.jobs) // len(self.jobs)

    @property
    def revision(self) -> int:
        """Grows with every change of a job."""
        return sum((job.revision for job in self.jobs), start=1)

    @property
    def started_at(self) -> datetime | None:
        """When the first worker reported; a document may have been begun before the run was asked for."""
        starts = [max(job.started_at, self.created_at) for job in self.jobs if job.started_at]
        return min(starts, default=None)

    @property
    def completed_at(self) -> datetime | None:
        """When the last job ended; at once, when there was nothing left to do."""
        if not self.ended:
            return None
        return max((job.completed_at for job in self.jobs if job.completed_at), default=self.created_at)

    @property
    def updated_at(self) -> datetime:
        """When a job changed last."""
        return max((job.updated_at for job in self.jobs if job.updated_at), default=self.created_at)


def state_of(jobs: Sequence[JobRecord]) -> str:
    """How far a run of these jobs is. `store/runs.py` says the same in SQL, for lists."""
    readings = {job.state for job in jobs if job.reads}
    analyses = {job.state for job in jobs if not job.reads}
    if broken := readings & {"failed", "cancelled"}:
        return "failed" if "failed" in broken else "cancelled"
    if not all(job.ended for job in jobs):
        return "pending" if (readings | analyses) == {"pending"} else "processing"
    if not analyses or "completed" in analyses:
        return "completed"
    return "failed" if "failed" in analyses else "cancelled"

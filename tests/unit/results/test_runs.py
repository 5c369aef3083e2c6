"""How far runs are, by their jobs alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from services.results.records import JobRecord, Problem
from services.results.runs import RunRecord, RunView, state_of
from tests.unit.results.jobs import ID, analysis_job, reading_job

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
STATES = ("pending", "running", "completed", "failed", "cancelled")


def jobs(reading: str | None, *analyses: str) -> list[JobRecord]:
    """Jobs in these states; no reading where the document had been read."""
    return [*([reading_job(state=reading)] if reading else []), *(analysis_job(state=state) for state in analyses)]


def view(*members: JobRecord) -> RunView:
    """A run of noon."""
    return RunView(RunRecord(ID, ID, ID, ID, {}), members, NOON)


@pytest.mark.parametrize(
    ("state", "reading", "analyses"),
    [
        ("pending", "pending", ()),
        ("pending", "pending", ("pending", "pending")),
        ("processing", "running", ()),
        ("processing", "running", ("pending",)),
        ("processing", "completed", ("pending",)),
        ("processing", "completed", ("completed", "running")),
        ("completed", "completed", ()),
        ("completed", "completed", ("completed", "completed")),
        ("completed", "completed", ("failed", "completed")),
        ("completed", "completed", ("cancelled", "completed")),
        ("failed", "completed", ("failed", "failed")),
        ("failed", "completed", ("failed", "cancelled")),
        ("failed", "failed", ("failed",)),
        ("failed", "failed", ()),
        ("cancelled", "cancelled", ()),
        ("cancelled", "cancelled", ("cancelled",)),
        ("cancelled", "cancelled", ("failed",)),
        ("cancelled", "completed", ("cancelled", "cancelled")),
        ("pending", None, ("pending",)),
        ("processing", None, ("running", "pending")),
        ("completed", None, ("completed", "failed")),
        ("completed", None, ()),
    ],
)
def test_the_state_follows_from_the_jobs(state: str, reading: str | None, analyses: tuple[str, ...]) -> None:
    """One analysis that failed does not fail a run whose others were made."""
    assert state == state_of(jobs(reading, *analyses))


def test_ended_runs_are_those_whose_jobs_have_ended() -> None:
    """Whatever the combination; one whose reading failed has ended, since its analyses fail with it."""
    for reading, first, second in product((None, *STATES), STATES, STATES):
        members = jobs(reading, first, second)
        is_over = state_of(members) in ("completed", "failed", "cancelled")
        if all(job.ended for job in members):
            assert is_over, (reading, first, second)
        elif reading not in ("failed", "cancelled"):
            assert not is_over, (reading, first, second)


def test_failed_runs_say_why() -> None:
    """By the problem of their reading, else of the first analysis that has one; completed ones do not."""
    broken = Problem("corrupt_document", "It is damaged.")
    unread = view(reading_job(state="failed", error=broken), analysis_job(state="failed", error=Problem("x", "y")))
    assert broken == unread.problem
    alone = analysis_job(state="failed", error=broken)
    assert broken == view(reading_job(state="completed"), alone).problem
    assert view(reading_job(state="completed"), alone, analysis_job(state="completed")).problem is None


def test_times_and_progress() -> None:
    """From the first report to the last end; nothing is older than the run, whose progress is that of its jobs."""
    reading = reading_job(state="completed", progress=100, revision=7)
    reading = replace(reading, started_at=NOON - timedelta(hours=1), completed_at=NOON, updated_at=NOON)
    later = NOON + timedelta(seconds=3)
    analysis = analysis_job(state="running", progress=5, started_at=later, updated_at=later, revision=2)
    run = view(reading, analysis)
    assert (NOON, None, later) == (run.started_at, run.completed_at, run.updated_at)
    assert (52, 10, False) == (run.progress, run.revision, run.ended)
    ended = view(reading, replace(analysis, state="completed", completed_at=later))
    assert (later, 100, True) == (ended.completed_at, ended.progress, ended.ended)


def test_runs_with_nothing_to_do_are_over_at_once() -> None:
    """A document that had been read, and no analyses."""
    run = view()
    assert ("completed", NOON, 100, 1) == (run.state, run.completed_at, run.progress, run.revision)

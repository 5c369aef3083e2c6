"""States of zero-log work: kept as a whole, told of, and tried again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.results.ephemeral.calls import call_task, note_calls
from services.results.ephemeral.packing import packed, unpacked
from services.results.ephemeral.state import KeptRun, State, moment
from services.results.records import JobRecord, NewTask
from services.results.runs import RunRecord
from tests.unit.results.jobs import BROKEN, ID, analysis_job, document, reading_job

URL = "https://example.org/canary"
RUN = UUID("6f1f0b8e-0000-4000-8000-000000000002")
OTHER = UUID("6f1f0b8e-0000-4000-8000-000000000003")


def ended(job: JobRecord, state: str = "completed", url: str = URL) -> JobRecord:
    """The job, which has ended and calls back."""
    job.state, job.attempts, job.completed_at = state, 1, moment()
    job.config |= {"callback_url": url}
    return job


def state_of(*jobs: JobRecord, **fields: Any) -> State:
    """A root with these jobs."""
    return State(ID, datetime.now(UTC) + timedelta(seconds=60), document(), list(jobs), **fields)


def a_run(*jobs: UUID, **asked: Any) -> KeptRun:
    """A run of these jobs."""
    asked = {"source": {"file": "a.pdf"}, "callback_url": URL, **asked}
    return KeptRun(RunRecord(RUN, ID, ID, ID, asked, moment()), list(jobs))


def test_a_state_is_kept_as_it_is() -> None:
    """Jobs, pages, tasks, runs and calls."""
    state = state_of(ended(reading_job(completed_at=moment())), runs=[a_run(ID)], languages={"eng": 2})
    state.settled = {1: None, 2: BROKEN}
    state.handed_out, state.tokens = [(ID, NewTask("ocr", (2,)))], {ID: 17}
    note_calls(state)
    assert state == unpacked(packed(state))


def test_an_end_is_told_once_and_another_end_again() -> None:
    """A job without a URL never, one that goes on not yet."""
    job = ended(reading_job(), "failed")
    state = state_of(job, analysis_job())
    [call] = note_calls(state)
    assert ("job.failed", URL, job.completed_at) == (call.event, call.url, call.created_at)
    assert [] == note_calls(state)
    job.state = "pending"
    assert [] == note_calls(state)
    job.state, job.attempts = "failed", 2
    [again] = note_calls(state)
    assert (False, [call, again]) == (call.id == again.id, state.calls)


def test_a_run_is_told_of_with_its_last_job() -> None:
    """Not its jobs; one that has nothing to do has ended."""
    first, second = ended(reading_job(), url=""), analysis_job()
    second.id = OTHER
    state = state_of(first, second, runs=[a_run(ID, OTHER)])
    assert [] == note_calls(state)
    ended(second, "failed", "")
    assert ["run.failed"] == [call.event for call in note_calls(state)]
    empty = state_of(runs=[a_run(source={"text": "It is so."})])
    [call] = note_calls(empty)
    assert ("run.completed", None) == (call.event, call.document_id)


def test_an_attempt_says_nothing_of_url_or_content() -> None:
    """It names what the state has."""
    state = state_of(ended(reading_job()))
    [call] = note_calls(state)
    task = call_task(state, call)
    assert (str(call.id), str(ID), str(ID), False) == (
        *(task.deliver.delivery_id, task.deliver.root_id, task.job_id),
        b"canary" in task.SerializeToString(),
    )


def test_what_is_left_to_do_follows_from_the_stage() -> None:
    """Of an earlier try nothing is."""
    job = reading_job(stage="queued")
    state = state_of(job, settled={1: None})
    state.handed_out = [(ID, NewTask("inspect")), (ID, NewTask("extract", (1,))), (ID, NewTask("ocr", (2,)))]
    assert ["inspect"] == [task.kind for _, task in state.outstanding()]
    job.stage = "reading"
    assert ["ocr"] == [task.kind for _, task in state.outstanding()]


def test_the_language_is_that_of_most_pages() -> None:
    """The first by name of several; none without pages."""
    assert ("eng", "deu", "") == tuple(
        state_of(languages=languages).language for languages in ({"eng": 2, "deu": 1}, {"eng": 1, "deu": 1}, {})
    )

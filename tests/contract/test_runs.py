"""Runs over gRPC, with a real PostgreSQL and a real NATS; workers do what the test says."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product
from typing import Any

import psycopg
import pytest

from mesh.errors import IllegalState, InvalidArgument, NotFound
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.runs_pb2 import (
    RUN_STATE_CANCELLED,
    RUN_STATE_COMPLETED,
    RUN_STATE_FAILED,
    RUN_STATE_PENDING,
    RUN_STATE_PROCESSING,
    CancelRunRequest,
    GetQueueRequest,
    GetRunRequest,
    ListRunsRequest,
    Run,
    RunState,
    SentRun,
    SubmitRunRequest,
    WatchRunRequest,
)
from pagemesh.results.v1.runs_pb2_grpc import RunServiceStub
from pagemesh.work.v1.work_pb2 import Fact
from services.results.runs import state_of
from services.results.settings import ResultsSettings
from services.results.store.runs import STATE
from tests.contract.recording import SUMMARY, Results, found, inspected, results, settings, submission
from tests.support.broker import eventually
from tests.support.services import Caller
from tests.unit.results.jobs import analysis_job, reading_job

__all__ = ["results", "settings"]  # fixtures

TAGS = AnalysisConfig(analysis_type="tagging")
URL = "https://example.org/files/Report%202.pdf?signature=x"
STATES = ("pending", "running", "completed", "failed", "cancelled")


class Runs:
    """A client of the service, for one caller."""

    def __init__(self, results: Results, caller: Caller) -> None:
        self.results = results
        self.caller = caller
        self.stub = RunServiceStub(results.channel)

    async def submit(self, **fields: Any) -> Run:
        """Starts a run."""
        request = SubmitRunRequest(**{"id": str(uuid.uuid4()), "priority": 5, "max_bytes": 1_000, **fields})
        answer = await self.caller.call(self.stub.SubmitRun, request)
        run: Run = answer.run
        return run

    async def get(self, run: Run) -> Run:
        """The run now."""
        answer = await self.caller.call(self.stub.GetRun, GetRunRequest(run_id=run.id))
        found: Run = answer.run
        return found

    async def ended(self, run: Run) -> Run:
        """The run once it has ended."""
        watched = await self.caller.stream(self.stub.WatchRun, WatchRunRequest(run_id=run.id))
        ended: Run = watched[-1].run
        return ended

    async def sent(self, *analyses: AnalysisConfig, **sent: str) -> Run:
        """Starts a run of a file or a text."""
        run = SentRun(id=str(uuid.uuid4()), analyses=analyses, **(sent or {"file": "a.pdf"}))
        answer = await self.caller.call(self.results.jobs.SubmitJob, submission(self.caller, run=run))
        made: Run = answer.run
        return made

    async def read(self, run: Run, kind: str = "inspect") -> None:
        """Has the run's document read."""
        held = await self.results.hands.next(run.document_id, kind)
        await held.finish(inspected([False], await self.results.outcomes(1), title="T"))


@pytest.fixture
def runs(results: Results, ada: Caller) -> Runs:
    """Ada's."""
    return Runs(results, ada)


def stored(caller: Caller, name: str = "Final.pdf") -> DocumentFetched:
    """What a worker fetched."""
    key = f"originals/{caller.organization_id}/{uuid.uuid4()}.pdf"
    return DocumentFetched(storage_key=key, sha256="ab" * 32, size=77, mime_type="application/pdf", filename=name)


async def test_a_url_is_fetched_read_and_analysed(runs: Runs, ada: Caller) -> None:
    """One document, one job a step; the result has all of it."""
    run = await runs.submit(url=URL, analyses=[SUMMARY, TAGS], job=job_pb2.JobConfig(languages="eng", password="p"))
    assert (RUN_STATE_PENDING, URL, "", ["fetching", "waiting", "waiting"]) == (
        run.state,
        run.source.url,
        run.jobs[0].config.password,
        [job.stage for job in run.jobs],
    )

    async def is_in(state: "RunState.ValueType") -> bool:
        return (await runs.get(run)).state == state

    assert "Report 2.pdf" == (await runs.results.document(ada, run.document_id)).original_filename
    held = await runs.results.hands.next(run.document_id, "fetch")
    assert (URL, 1_000, ada.organization_id) == (
        held.task.fetch.url,
        held.task.fetch.max_bytes,
        held.task.organization_id,
    )
    await held.report.tell(DocumentFetched(), last=False)
    following = asyncio.ensure_future(ada.stream(runs.stub.WatchRun, WatchRunRequest(run_id=run.id)))
    await eventually(partial(is_in, RUN_STATE_PROCESSING))
    original = stored(ada)
    await held.finish(original)
    held = await runs.results.hands.next(run.document_id, "inspect")
    assert (original.storage_key, "p", 77) == (
        held.task.inspect.source.storage_key,
        held.task.inspect.source.password,
        held.task.inspect.source.size,
    )
    await held.finish(inspected([False], await runs.results.outcomes(1), title="T"))
    for _ in range(2):
        await (await runs.results.hands.next(run.document_id, "analyze")).finish(found())
    ended = (await following)[-1].run
    assert (RUN_STATE_COMPLETED, 100, 3) == (ended.state, ended.progress, len(ended.jobs))
    result = ended.result
    assert ("Final.pdf", "T", 1, ["test 1"]) == (
        result.document.original_filename,
        result.document.metadata["title"],
        result.reading.page_count,
        list(result.engines),
    )
    assert {"summary", "tagging"} == {one.analysis_type for one in result.analyses}
    assert ended.created_at.ToMicroseconds() <= ended.started_at.ToMicroseconds()
    assert ended.started_at.ToMicroseconds() <= ended.completed_at.ToMicroseconds()


async def test_what_cannot_be_fetched_fails_everything(runs: Runs) -> None:
    """The run with the reason, and the analyses that waited."""
    run = await runs.submit(s3="s3://bucket/key.pdf", analyses=[SUMMARY])
    held = await runs.results.hands.next(run.document_id, "fetch")
    assert "s3://bucket/key.pdf" == held.task.fetch.s3
    await held.fail("fetch_failed", "The server answered 404.")
    ended = await runs.ended(run)
    assert (RUN_STATE_FAILED, "fetch_failed", "The server answered 404.") == (
        ended.state,
        ended.error.code,
        ended.error.message,
    )
    assert ["fetch_failed", "nothing_to_analyze"] == [job.error.code for job in ended.jobs]
    assert not ended.HasField("result")


async def test_only_the_first_report_of_a_fetch_counts(runs: Runs, ada: Caller) -> None:
    """What a second one stored is removed again, as is what comes too late; what is the document's stays."""
    run = await runs.submit(url=URL)
    held = await runs.results.hands.next(run.document_id, "fetch")
    first, second, late = stored(ada), stored(ada), stored(ada)
    for one in (first, second, late):
        await runs.results.blobs.put(one.storage_key, b"x")
    await held.finish(first)
    await runs.read(run)
    await runs.ended(run)
    task = held.task
    for one in (second, first, late):
        news = Fact(task_id=task.id, job_id=task.job_id, attempt=2, last=True, fetched=one)
        await runs.results.hands.say(news)

    async def gone(key: str) -> bool:
        try:
            await runs.results.blobs.get(key)
        except NotFound:
            return True
        return False

    for one in (second, late):
        await eventually(partial(gone, one.storage_key))
    assert b"x" == await runs.results.blobs.get(first.storage_key)
    assert first.storage_key == (await runs.results.document(ada, run.document_id)).storage_key


async def test_files_and_their_runs_are_recorded_together(runs: Runs, ada: Caller) -> None:
    """A repeat answers the same run; the same ids for another run are refused, and so is the run's id elsewhere."""
    sent = SentRun(id=str(uuid.uuid4()), file="a.pdf", analyses=[SUMMARY])
    request = submission(ada, run=sent)
    first = (await ada.call(runs.results.jobs.SubmitJob, request)).run
    assert first == (await ada.call(runs.results.jobs.SubmitJob, request)).run
    for change in ({"file": "b.pdf"}, {"analyses": [TAGS]}):
        other = results_pb2.SubmitJobRequest()
        other.CopyFrom(request)
        other.run.ClearField("analyses")
        other.run.MergeFrom(SentRun(**change))
        with pytest.raises(IllegalState):
            await ada.call(runs.results.jobs.SubmitJob, other)
    with pytest.raises(IllegalState):
        await ada.call(runs.results.jobs.SubmitJob, submission(ada, run=sent))
    await runs.read(first)
    await (await runs.results.hands.next(first.document_id, "analyze")).finish(found())
    assert RUN_STATE_COMPLETED == (await runs.ended(first)).state


async def test_submissions_are_repeatable(runs: Runs) -> None:
    """At once or later: one run, one document; another run under the same id is refused."""
    chosen = str(uuid.uuid4())
    made = await asyncio.gather(*(runs.submit(id=chosen, url=URL) for _ in range(4)))
    assert 1 == len({run.id for run in made})
    held = await runs.results.hands.next(made[0].document_id, "fetch")
    assert runs.results.hands.idle(made[0].document_id)
    for other in ({"url": URL + "&more=1"}, {"url": URL, "priority": 6}, {"url": URL, "analyses": [SUMMARY]}):
        with pytest.raises(IllegalState):
            await runs.submit(id=chosen, **other)
    await held.fail("fetch_failed")


async def test_characters_that_cannot_be_recorded_are_dropped(runs: Runs) -> None:
    """A repeat is the same run all the same."""
    question = AnalysisConfig(analysis_type="custom", prompt="What\0?")
    chosen = str(uuid.uuid4())
    first, again = [await runs.submit(id=chosen, url=URL, analyses=[question]) for _ in range(2)]
    assert (first.id, "What?") == (again.id, again.analyses[0].prompt)


async def test_documents_that_are_there(runs: Runs, ada: Caller) -> None:
    """Read before: only its analyses are tasks, and without any the run is over at once. Still being read: both."""
    document, job = await runs.results.submit(ada)
    early = await runs.submit(document_id=document.id, analyses=[SUMMARY])
    waiting = await runs.submit(document_id=document.id)
    assert [job.id] == [one.id for one in waiting.jobs]
    assert [job.id, early.jobs[1].id] == [one.id for one in early.jobs]
    await runs.read(early)
    assert RUN_STATE_COMPLETED == (await runs.ended(waiting)).state
    await (await runs.results.hands.next(document.id, "analyze")).finish(found("first"))
    assert "first" == (await runs.ended(early)).result.analyses[0].result_data["summary"]
    late = await runs.submit(document_id=document.id, analyses=[SUMMARY])
    assert (RUN_STATE_PENDING, 1) == (late.state, len(late.jobs))
    await (await runs.results.hands.next(document.id, "analyze")).finish(found("second"))
    ended = await runs.ended(late)
    assert ["second"] == [one.result_data["summary"] for one in ended.result.analyses]
    assert 1 == ended.result.reading.page_count
    nothing = await runs.submit(document_id=document.id)
    assert (RUN_STATE_COMPLETED, [], nothing.created_at) == (nothing.state, list(nothing.jobs), nothing.completed_at)


async def test_documents_that_could_not_be_read_are_refused(runs: Runs, ada: Caller) -> None:
    """There is nothing to do; what was asked before is answered again."""
    document, job = await runs.results.submit(ada)
    chosen = str(uuid.uuid4())
    early = await runs.submit(id=chosen, document_id=document.id)
    await (await runs.results.hands.next(document.id, "inspect")).fail("corrupt_document")
    await runs.results.ended(ada, job.id)
    with pytest.raises(IllegalState):
        await runs.submit(document_id=document.id)
    again = await runs.submit(id=chosen, document_id=document.id)
    assert (early.id, RUN_STATE_FAILED, "corrupt_document") == (again.id, again.state, again.error.code)


async def test_one_failure_fails_no_batch(runs: Runs) -> None:
    """The others' results are there, and why the one has none; when all fail the run does."""
    run = await runs.sent(SUMMARY, TAGS)
    await runs.read(run)
    for _ in range(2):
        held = await runs.results.hands.next(run.document_id, "analyze")
        is_summary = held.task.analyze.config.analysis_type == "summary"
        await (held.finish(found()) if is_summary else held.fail("provider_unavailable"))
    ended = await runs.ended(run)
    assert (RUN_STATE_COMPLETED, ["summary"]) == (ended.state, [one.analysis_type for one in ended.result.analyses])
    assert "provider_unavailable" == ended.jobs[2].error.code
    run = await runs.sent(SUMMARY)
    await runs.read(run)
    await (await runs.results.hands.next(run.document_id, "analyze")).fail("provider_unavailable")
    ended = await runs.ended(run)
    assert (RUN_STATE_FAILED, "provider_unavailable") == (ended.state, ended.error.code)


async def test_texts_are_nobodys_documents(runs: Runs, ada: Caller) -> None:
    """In no list, and not to be had by their ids; their runs are."""
    run = await runs.sent(SUMMARY, text="Hello.")
    with pytest.raises(NotFound):
        await runs.results.document(ada, run.document_id)
    with pytest.raises(NotFound):
        await runs.submit(document_id=run.document_id)
    await runs.read(run)
    await (await runs.results.hands.next(run.document_id, "analyze")).finish(found())
    ended = await runs.ended(run)
    assert (RUN_STATE_COMPLETED, "Hello.", 1) == (ended.state, ended.source.text, len(ended.result.analyses))


async def test_cancelling(runs: Runs, ada: Caller) -> None:
    """Ends what has not ended; others' analyses of the document do not wait for ever. Once over, it is refused."""
    run = await runs.submit(url=URL, analyses=[SUMMARY])
    other = await runs.submit(document_id=run.document_id, analyses=[TAGS])
    held = await runs.results.hands.next(run.document_id, "fetch")
    answer = await ada.call(runs.stub.CancelRun, CancelRunRequest(run_id=run.id))
    assert (RUN_STATE_CANCELLED, ["cancelled", "cancelled"]) == (answer.run.state, [j.stage for j in answer.run.jobs])
    assert ["cancelled", "failed"] == [job.stage for job in (await runs.ended(other)).jobs]
    with pytest.raises(IllegalState):
        await ada.call(runs.stub.CancelRun, CancelRunRequest(run_id=run.id))
    original = stored(ada)
    await runs.results.blobs.put(original.storage_key, b"x")
    await held.finish(original)
    assert RUN_STATE_CANCELLED == (await runs.get(run)).state


async def test_cancelling_leaves_the_document_to_others(runs: Runs, ada: Caller) -> None:
    """A run on a document that is being read ends without the reading."""
    document, job = await runs.results.submit(ada)
    run = await runs.submit(document_id=document.id, analyses=[SUMMARY])
    await ada.call(runs.stub.CancelRun, CancelRunRequest(run_id=run.id))
    await runs.read(run)
    assert job_pb2.JOB_STATE_COMPLETED == (await runs.results.ended(ada, job.id)).state
    assert RUN_STATE_CANCELLED == (await runs.ended(run)).state


def calls_about(runs: Runs, run_id: str) -> list[Callable[[], Awaitable[Any]]]:
    """Every way to a run."""
    caller, stub = runs.caller, runs.stub
    return [
        lambda: caller.call(stub.GetRun, GetRunRequest(run_id=run_id)),
        lambda: caller.call(stub.CancelRun, CancelRunRequest(run_id=run_id)),
        lambda: caller.stream(stub.WatchRun, WatchRunRequest(run_id=run_id)),
    ]


async def test_another_organizations_run_is_none(runs: Runs, bob: Caller) -> None:
    """For every method, as one that does not exist; so is its document as a source. Deleted documents take theirs."""
    run = await runs.submit(url=URL)
    theirs = Runs(runs.results, bob)
    for run_id in (run.id, str(uuid.uuid4())):
        for call in calls_about(theirs, run_id):
            with pytest.raises(NotFound, match=r"^There is no such run\.$"):
                await call()
    with pytest.raises(NotFound):
        await theirs.submit(document_id=run.document_id)
    assert 0 == (await bob.call(theirs.stub.ListRuns, ListRunsRequest())).total
    chosen = str(uuid.uuid4())
    assert (await runs.submit(id=chosen, url=URL)).id != (await theirs.submit(id=chosen, url=URL)).id
    delete = results_pb2.DeleteDocumentRequest(document_id=run.document_id)
    await runs.caller.call(runs.results.documents.DeleteDocument, delete)
    with pytest.raises(NotFound):
        await runs.get(run)


BAD: dict[str, dict[str, Any]] = {
    "source": {},
    "source.url": {"url": "ftp://example.org/a"},
    "source.s3": {"s3": "s3:/bucket/key"},
    "source.document_id": {"document_id": "x"},
    "id": {"url": URL, "id": "x"},
    "priority": {"url": URL, "priority": 10},
    "max_bytes": {"url": URL, "max_bytes": 0},
    "analyses": {"url": URL, "analyses": [SUMMARY, SUMMARY]},
    "job.analysis": {"url": URL, "job": job_pb2.JobConfig(analysis=SUMMARY)},
    "callback_url": {"url": URL, "callback_url": "http://10.0.0.1/"},
}


@pytest.mark.parametrize("field", BAD)
async def test_what_is_wrong_is_named(runs: Runs, field: str) -> None:
    """The field."""
    with pytest.raises(InvalidArgument) as caught:
        await runs.submit(**BAD[field])
    assert field == caught.value.details["field"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0x7f.1"])
async def test_addresses_that_are_not_allowed_are_refused_at_once(runs: Runs, host: str) -> None:
    """Where they can be told without a resolver."""
    with pytest.raises(InvalidArgument) as caught:
        await runs.submit(url=f"http://{host}/a.pdf")
    assert "ADDRESS_NOT_ALLOWED" == caught.value.reason


async def test_lists_and_states(runs: Runs, ada: Caller) -> None:
    """Newest first, by state, in pages, without results."""
    run = await runs.sent()
    pending = await ada.call(runs.stub.ListRuns, ListRunsRequest(state=RUN_STATE_PENDING, per_page=1))
    assert [run.id] == [one.id for one in pending.runs]
    await runs.read(run)
    await runs.ended(run)
    completed = await ada.call(runs.stub.ListRuns, ListRunsRequest(state=RUN_STATE_COMPLETED, per_page=1))
    assert [(run.id, False)] == [(one.id, one.HasField("result")) for one in completed.runs]
    every = await ada.call(runs.stub.ListRuns, ListRunsRequest(per_page=2))
    assert (2, True) == (len(every.runs), every.total >= completed.total)
    processing = await ada.call(runs.stub.ListRuns, ListRunsRequest(state=RUN_STATE_PROCESSING))
    assert run.id not in [one.id for one in processing.runs]
    with pytest.raises(InvalidArgument):
        await ada.call(runs.stub.ListRuns, ListRunsRequest(per_page=101))


def test_lists_and_runs_agree_on_states(settings: ResultsSettings) -> None:
    """The statement and the function say the same of every combination."""
    dsn = settings.database_url.get_secret_value().replace("+psycopg", "")
    with psycopg.connect(dsn) as connection:
        for reading, first, second in product((None, *STATES), (None, *STATES), (None, *STATES)):
            jobs = [reading_job(state=reading)] if reading else []
            jobs += [analysis_job(state=state) for state in (first, second) if state]
            values = [(job.type, job.state) for job in jobs]
            rows = "VALUES " + ", ".join(["(%s, %s)"] * len(values)) if values else "SELECT '', '' WHERE false"
            statement = f"SELECT {STATE} FROM ({rows}) AS j (type, state)"
            (state,) = connection.execute(statement.encode(), [each for one in values for each in one]).fetchone() or ()
            assert state == state_of(jobs), values


async def test_the_queue_is_the_organizations(runs: Runs, results: Results, bob: Caller) -> None:
    """How much waits of each kind and for how long; nothing of others, nothing that is done."""

    async def fetches() -> tuple[int, int]:
        answer = await runs.caller.call(runs.stub.GetQueue, GetQueueRequest())
        return next(((one.depth, one.oldest_age_ms) for one in answer.kinds if one.kind == "fetch"), (0, 0))

    (before, _), theirs = await fetches(), await bob.call(runs.stub.GetQueue, GetQueueRequest())
    made = [await runs.submit(url=URL) for _ in range(2)]
    depth, age = await fetches()
    assert (before + 2, True) == (depth, 0 <= age < 60_000)
    after = await bob.call(runs.stub.GetQueue, GetQueueRequest())
    assert [one.depth for one in theirs.kinds] == [one.depth for one in after.kinds]
    for run in made:
        await (await results.hands.next(run.document_id, "fetch")).fail("fetch_failed")
        await runs.ended(run)
    assert before == (await fetches())[0]

"""The results service over gRPC, with a real PostgreSQL and a real NATS; workers do what the test says."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from pydantic import SecretStr

from mesh import pages
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import IllegalState, InvalidArgument, NotFound, PagemeshError
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo, PagesExtracted
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.job_pb2 import Document, Job, JobConfig
from pagemesh.results.v1.outcome_pb2 import Failure, PageOutcome
from pagemesh.results.v1.page_pb2 import Line, Page, PageSource
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub, JobServiceStub
from pagemesh.work.v1.work_pb2 import Fact, Task
from services.results import intake, outbox
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.support.broker import eventually
from tests.support.servers import NatsServer
from tests.support.services import Caller, Hands, Held, running

NOBODYS = "00000000-0000-4000-8000-000000000000"
SUMMARY = AnalysisConfig(analysis_type="summary")


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service."""
    url = SecretStr(fresh_database())
    return ResultsSettings(listen=f"unix:{server_directory}/results.sock", database_url=url, **common)


class Results:
    """Clients of the service, and workers."""

    def __init__(self, channel: Any, hands: Hands, blobs: Blobs) -> None:
        self.channel = channel
        self.jobs = JobServiceStub(channel)
        self.documents = DocumentServiceStub(channel)
        self.hands = hands
        self.blobs = blobs

    async def submit(self, caller: Caller, name: str = "a.pdf", **more: Any) -> tuple[Document, Job]:
        """Records a new document; `more` are fields of the request."""
        response = await caller.call(self.jobs.SubmitJob, submission(caller, name, **more))
        return response.document, response.job

    async def job(self, caller: Caller, job_id: str) -> Job:
        """The job now."""
        request = results_pb2.GetJobRequest(job_id=job_id)
        answer: results_pb2.GetJobResponse = await caller.call(self.jobs.GetJob, request)
        return answer.job

    async def ended(self, caller: Caller, job_id: str) -> Job:
        """The job once it has ended."""
        watched = await caller.stream(self.jobs.WatchJob, results_pb2.WatchJobRequest(job_id=job_id))
        job: Job = watched[-1].job
        return job

    async def document(self, caller: Caller, document_id: str) -> Document:
        """The document now."""
        request = results_pb2.GetDocumentRequest(document_id=document_id)
        answer: results_pb2.GetDocumentResponse = await caller.call(self.documents.GetDocument, request)
        return answer.document

    async def read(self, caller: Caller, **more: Any) -> tuple[Document, Job]:
        """A document of one page that was read."""
        document, job = await self.submit(caller, **more)
        held = await self.hands.next(document.id, "inspect")
        await held.finish(inspected([False], await self.outcomes(1)))
        return document, job

    async def outcomes(self, *numbers: int, text: str = "The text of page {}.") -> list[PageOutcome]:
        """Pages that were read."""
        made = [page(number, text.format(number)) for number in numbers]
        return [await pages.pack(each, self.blobs, NOBODYS) for each in made]


def page(number: int, text: str) -> Page:
    """A page that was read from a text layer."""
    source = PageSource.PAGE_SOURCE_TEXT
    return Page(
        number=number, width=595, height=842, source=source, text=text, lines=[Line(text=text)], engine="test 1"
    )


def submission(caller: Caller, name: str = "a.pdf", **more: Any) -> results_pb2.SubmitJobRequest:
    """A request for a new document."""
    document = Document(
        id=str(uuid.uuid4()),
        original_filename=name,
        file_size=more.pop("file_size", 7),
        mime_type="application/pdf",
        sha256=uuid.uuid4().hex * 2,
        storage_key=f"originals/{caller.organization_id}/safe.pdf",
    )
    return results_pb2.SubmitJobRequest(document=document, **{"job_id": str(uuid.uuid4()), "priority": 5, **more})


def inspected(needs_ocr: Iterable[bool], outcomes: Iterable[PageOutcome] = (), **metadata: str) -> DocumentInspected:
    """An inspection of pages."""
    infos = [PageInfo(width=595, height=842, needs_ocr=each) for each in needs_ocr]
    return DocumentInspected(pages=infos, metadata=metadata, outcomes=outcomes)


def found(summary: str = "S") -> DocumentAnalyzed:
    """What an analysis found."""
    data = Struct()
    data.update({"summary": summary})
    return DocumentAnalyzed(outcome=AnalysisOutcome(result_data=data, confidence=0.5, model_version="test 1"))


def fact(held: Held, last: bool = True, **news: Message) -> Fact:
    """A fact about the task."""
    task = held.task
    return Fact(task_id=task.id, job_id=task.job_id, attempt=task.attempt, last=last, **news)  # type: ignore[arg-type]  # by name


@pytest.fixture(scope="module")
async def results(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Results]:
    """The running service with workers."""
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Results(channel, hands, Blobs(settings.storage_url))
        await hands.stop()


async def test_submitting_records_and_hands_out(results: Results, ada: Caller) -> None:
    """The document is the caller's, the job is pending, and a worker gets its first task with all that it needs."""
    request = submission(ada, "Report.pdf", priority=8, config=JobConfig(languages="eng+hin", password="pässword"))
    response = await ada.call(results.jobs.SubmitJob, request)
    document, job = response.document, response.job
    assert (ada.user_id, "Report.pdf", job_pb2.DOCUMENT_STATE_UPLOADED) == (
        document.user_id,
        document.original_filename,
        document.state,
    )
    assert (ada.organization_id, job_pb2.JOB_STATE_PENDING, "queued", 0, "eng+hin", "") == (
        job.organization_id,
        job.state,
        job.stage,
        job.progress,
        job.config.languages,
        job.config.password,
    )
    held = await results.hands.next(document.id, "inspect")
    source = held.task.inspect.source
    assert (job.id, ada.organization_id, 1) == (held.task.job_id, held.task.organization_id, held.task.attempt)
    assert (f"originals/{ada.organization_id}/safe.pdf", "application/pdf", "pässword", 7) == (
        source.storage_key,
        source.mime_type,
        source.password,
        source.size,
    )
    await held.fail("corrupt_document")


async def test_a_repeat_answers_what_the_first_one_made(results: Results, ada: Caller) -> None:
    """However often, and at once: one document, one job, one task."""
    request = submission(ada)
    answers = await asyncio.gather(*(ada.call(results.jobs.SubmitJob, request) for _ in range(5)))
    [(document_id, job_id)] = {(each.document.id, each.job.id) for each in answers}
    held = await results.hands.next(document_id, "inspect")
    await held.finish(inspected([False], await results.outcomes(1)))
    job = await results.ended(ada, job_id)
    repeated = await ada.call(results.jobs.SubmitJob, request)
    assert (job, True) == (repeated.job, results.hands.idle(document_id))


async def test_taken_ids_are_refused(results: Results, ada: Caller) -> None:
    """Another content or another job under the same ids is no repeat."""
    request, other = submission(ada), submission(ada)
    for each in (request, other):
        await ada.call(results.jobs.SubmitJob, each)
    changed = results_pb2.SubmitJobRequest()
    changed.CopyFrom(request)
    changed.document.sha256 = "0" * 64
    crossed = results_pb2.SubmitJobRequest()
    crossed.CopyFrom(request)
    crossed.job_id = other.job_id
    for each in (changed, crossed):
        with pytest.raises(IllegalState):
            await ada.call(results.jobs.SubmitJob, each)


async def test_organizations_choose_ids_without_regard_to_one_another(
    results: Results, ada: Caller, bob: Caller
) -> None:
    """The same ids are free for each of them, whoever came first, and neither can read what the other made."""
    request, same = submission(ada), submission(bob)
    same.document.id, same.job_id = request.document.id, request.job_id
    first = await ada.call(results.jobs.SubmitJob, request)
    second = await bob.call(results.jobs.SubmitJob, same)
    assert {bob.user_id, ada.user_id} == {first.document.user_id, second.document.user_id}
    assert 4 == len({first.document.id, first.job.id, second.document.id, second.job.id})
    for caller, made in ((ada, second), (bob, first)):
        with pytest.raises(NotFound):
            await results.document(caller, made.document.id)


async def test_a_text_document_is_read_on_the_way(results: Results, ada: Caller) -> None:
    """One fact completes it; metadata, pages and the result are there."""
    document, job = await results.submit(ada)
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False, False], await results.outcomes(1, 2), Title="T\0 \\u0000 é"))
    ended = await results.ended(ada, job.id)
    assert (job_pb2.JOB_STATE_COMPLETED, 100, 2, 0, 2 * len("The text of page 1.")) == (
        ended.state,
        ended.progress,
        ended.result.page_count,
        ended.result.ocr_page_count,
        ended.result.text_length,
    )
    assert ended.completed_at.ToDatetime() >= ended.started_at.ToDatetime() >= ended.created_at.ToDatetime()
    read = await results.document(ada, document.id)
    assert (job_pb2.DOCUMENT_STATE_COMPLETED, 2, {"Title": "T \\u0000 é"}) == (
        read.state,
        read.page_count,
        dict(read.metadata),
    )
    request = results_pb2.StreamPagesRequest(document_id=document.id, include_lines=True)
    expected = [page(1, "The text of page 1."), page(2, "The text of page 2.")]
    assert expected == [each.page for each in await ada.stream(results.documents.StreamPages, request)]


async def test_pages_are_readable_while_others_are_being_read(results: Results, ada: Caller) -> None:
    """Fan-out: a task for each scan, one for the range of text; pages appear one by one and progress grows."""
    document, job = await results.submit(ada)
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False, True, False, True]))
    extract = await results.hands.next(document.id, "extract")
    assert [1, 3] == list(extract.task.extract.pages)
    ocr = {held.task.ocr.page: held for held in [await results.hands.next(document.id, "ocr") for _ in range(2)]}
    assert {2, 4} == set(ocr)
    progress = []
    steps = (
        ocr[4].finish(PageRecognized(outcome=(await results.outcomes(4))[0])),
        extract.finish(
            PagesExtracted(outcomes=await results.outcomes(3)), PagesExtracted(outcomes=await results.outcomes(1))
        ),
    )
    for step, settled in zip(steps, (1, 3), strict=True):
        await step
        await eventually(lambda settled=settled: _settled(results, ada, job.id, settled))  # type: ignore[misc]  # bound now
        progress.append((await results.job(ada, job.id)).progress)
    listed = await ada.call(results.documents.ListPages, results_pb2.ListPagesRequest(document_id=document.id))
    assert ([1, 3, 4], 3, []) == ([each.number for each in listed.pages], listed.total, list(listed.pages[0].lines))
    await ocr[2].finish(PageRecognized(outcome=pages.failed(2, "language_missing", "No.")))
    ended = await results.ended(ada, job.id)
    assert sorted(progress) == progress
    assert (0, 100) == (progress[0] // 100, ended.progress)
    assert [(2, "language_missing", "No.")] == [
        (each.page, each.code, each.message) for each in ended.result.pages_failed
    ]
    assert (3, 1, 2) == (ended.pages_done, ended.pages_failed, ended.pages_ocr)


async def _settled(results: Results, caller: Caller, job_id: str, count: int) -> bool:
    job = await results.job(caller, job_id)
    return job.pages_done + job.pages_failed == count


async def test_facts_that_overtake_each_other_lose_no_page(results: Results, ada: Caller) -> None:
    """A task's last fact may come first: its other pages still count. Those of a task that failed have failed."""
    document, job = await results.submit(ada)
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False, False, True]))
    extract, ocr = [await results.hands.next(document.id, kind) for kind in ("extract", "ocr")]
    await ocr.fail("worker_lost", "Nobody came back.")
    await extract.finish(PagesExtracted(outcomes=await results.outcomes(1)))
    await extract.report.tell(PagesExtracted(outcomes=await results.outcomes(2)), last=False)
    ended = await results.ended(ada, job.id)
    failures = [(each.page, each.code) for each in ended.result.pages_failed]
    assert (2, [(3, "worker_lost")]) == (ended.pages_done, failures)


async def test_an_original_of_another_organization_is_refused(results: Results, ada: Caller, bob: Caller) -> None:
    """Nor does a key lead out of the store."""
    for key in (f"originals/{bob.organization_id}/safe.pdf", "/etc/passwd", "originals/../x"):
        request = submission(ada)
        request.document.storage_key = key
        with pytest.raises(InvalidArgument):
            await ada.call(results.jobs.SubmitJob, request)


@pytest.mark.parametrize("code", ["corrupt_document", "password_required", "out_of_resources"])
async def test_a_document_that_cannot_be_opened_fails(results: Results, ada: Caller, code: str) -> None:
    """With the worker's code, and analysing it is refused."""
    document, job = await results.submit(ada)
    await (await results.hands.next(document.id, "inspect")).fail(code, "Because.")
    ended = await results.ended(ada, job.id)
    assert (job_pb2.JOB_STATE_FAILED, code, "Because.") == (ended.state, ended.error.code, ended.error.message)
    assert job_pb2.DOCUMENT_STATE_FAILED == (await results.document(ada, document.id)).state
    with pytest.raises(IllegalState):
        await ada.call(results.jobs.SubmitAnalysis, analysis_of(document))


def analysis_of(document: Document, **more: Any) -> results_pb2.SubmitAnalysisRequest:
    """A request for a summary."""
    values = {"document_id": document.id, "job_id": str(uuid.uuid4()), "config": SUMMARY, **more}
    return results_pb2.SubmitAnalysisRequest(**values)


async def test_an_analysis_that_was_asked_for_follows_the_reading(results: Results, ada: Caller) -> None:
    """The job completes with it; what was found can be listed."""
    document, job = await results.read(ada, config=JobConfig(analysis=SUMMARY))
    held = await results.hands.next(document.id, "analyze")
    assert (job.id, "summary") == (held.task.job_id, held.task.analyze.config.analysis_type)
    assert job_pb2.DOCUMENT_STATE_COMPLETED == (await results.document(ada, document.id)).state
    await held.finish(found("Short."))
    ended = await results.ended(ada, job.id)
    request = results_pb2.ListAnalysesRequest(document_id=document.id, analysis_type="summary")
    [analysis] = (await ada.call(results.documents.ListAnalyses, request)).analyses
    assert (ended.result.analysis_id, job.id, "Short.", 0.5) == (
        analysis.id,
        analysis.job_id,
        analysis.result_data["summary"],
        analysis.confidence,
    )
    request.analysis_type = "tagging"
    assert [] == list((await ada.call(results.documents.ListAnalyses, request)).analyses)


async def test_an_analysis_that_fails_leaves_the_document_completed(results: Results, ada: Caller) -> None:
    """Its pages stay, and another analysis may follow."""
    document, job = await results.read(ada, config=JobConfig(analysis=SUMMARY))
    await (await results.hands.next(document.id, "analyze")).fail("provider_unavailable")
    ended = await results.ended(ada, job.id)
    assert ("provider_unavailable", job_pb2.DOCUMENT_STATE_COMPLETED) == (
        ended.error.code,
        (await results.document(ada, document.id)).state,
    )
    again = (await ada.call(results.jobs.SubmitAnalysis, analysis_of(document))).job
    await (await results.hands.next(document.id, "analyze")).finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, again.id)).state


async def test_an_analysis_waits_for_a_document_that_is_being_read(results: Results, ada: Caller) -> None:
    """It begins when the document was read, and fails when it could not be."""
    documents = [(await results.submit(ada))[0] for _ in range(2)]
    waiting = [(await ada.call(results.jobs.SubmitAnalysis, analysis_of(each))).job for each in documents]
    assert ["waiting", "waiting"] == [job.stage for job in waiting]
    good, bad = [await results.hands.next(each.id, "inspect") for each in documents]
    await good.finish(inspected([False], await results.outcomes(1)))
    await bad.fail("corrupt_document")
    await (await results.hands.next(documents[0].id, "analyze")).finish(found())
    ended = [await results.ended(ada, job.id) for job in waiting]
    assert [job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED] == [job.state for job in ended]
    assert "nothing_to_analyze" == ended[1].error.code


async def test_a_repeated_analysis_is_the_same_one(results: Results, ada: Caller) -> None:
    """One job, one task; under the id of another job it is refused."""
    document, reading = await results.read(ada)
    await results.ended(ada, reading.id)
    request = analysis_of(document)
    jobs = [(await ada.call(results.jobs.SubmitAnalysis, request)).job for _ in range(2)]
    assert 1 == len({job.id for job in jobs})
    await (await results.hands.next(document.id, "analyze")).finish(found())
    await results.ended(ada, jobs[0].id)
    assert results.hands.idle(document.id)
    other = submission(ada)
    await ada.call(results.jobs.SubmitJob, other)
    with pytest.raises(IllegalState):
        await ada.call(results.jobs.SubmitAnalysis, analysis_of(document, job_id=other.job_id))


async def test_nobody_learns_of_an_id_by_taking_it(results: Results, ada: Caller, bob: Caller) -> None:
    """An analysis under the job id of another organization is a job like any other."""
    document, reading = await results.read(ada)
    ended = await results.ended(ada, reading.id)
    mine, job = await results.read(bob)
    await results.ended(bob, job.id)
    made = (await bob.call(results.jobs.SubmitAnalysis, analysis_of(mine, job_id=reading.id))).job
    assert (mine.id, "analyzing") == (made.document_id, made.stage)
    assert (ended, True) == (await results.job(ada, reading.id), results.hands.idle(document.id))
    await (await results.hands.next(mine.id, "analyze")).finish(found())


async def test_repeated_facts_change_nothing(results: Results, ada: Caller) -> None:
    """Each fact three times under ids of their own: counts, text, tasks and analyses are those of one."""
    document, job = await results.submit(ada, config=JobConfig(analysis=SUMMARY))
    say = results.hands.say
    held = await results.hands.next(document.id, "inspect")
    for _ in range(3):
        await say(fact(held, inspected=inspected([False, True])))
    held.finished.set()
    extract, ocr = [await results.hands.next(document.id, kind) for kind in ("extract", "ocr")]
    for _ in range(3):
        await say(fact(extract, extracted=PagesExtracted(outcomes=await results.outcomes(1))))
        await say(fact(ocr, recognized=PageRecognized(outcome=(await results.outcomes(2, text="Other."))[0])))
        await say(fact(held, inspected=inspected([False, True], await results.outcomes(1, 2, text="Late."))))
    analyze = await results.hands.next(document.id, "analyze")
    for summary in ("first", "second", "third"):
        await say(fact(analyze, analyzed=found(summary)))
    for one in (extract, ocr, analyze):
        one.finished.set()
    ended = await results.ended(ada, job.id)
    assert (2, 0, 1, 1) == (ended.pages_done, ended.pages_failed, ended.pages_ocr, ended.attempts)
    assert len("The text of page 1.Other.") == ended.result.text_length
    await all_taken_in(results)
    assert (ended, True) == (await results.job(ada, job.id), results.hands.idle(document.id))
    request = results_pb2.ListAnalysesRequest(document_id=document.id)
    analyses = (await ada.call(results.documents.ListAnalyses, request)).analyses
    assert ["first"] == [each.result_data["summary"] for each in analyses]


async def all_taken_in(results: Results) -> None:
    """Waits until no fact waits to be taken in."""

    async def none_wait() -> bool:
        return await results.hands.bus.depth("FACTS") == 0

    await eventually(none_wait)


async def test_a_bad_fact_harms_itself_alone(results: Results, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is no fact, or about nothing, among good ones of the same batch: it ends among the dead."""
    monkeypatch.setattr(intake, "_HAND_BACK_SECONDS", 0.05)
    submitted = [await results.submit(ada) for _ in range(3)]
    held = [await results.hands.next(document.id, "inspect") for document, _ in submitted]
    await results.hands.bus.publish("facts.test", b"\xff\xff no fact", uuid.uuid4().hex)
    await results.hands.say(Fact(task_id="no uuid", job_id="no uuid", last=True))
    await results.hands.say(Fact(task_id=NOBODYS, job_id=NOBODYS, last=True, failed=Failure(code="x")))
    for one in held:
        await one.finish(inspected([False], await results.outcomes(1)))
    states = [(await results.ended(ada, job.id)).state for _, job in submitted]
    assert [job_pb2.JOB_STATE_COMPLETED] * 3 == states
    await all_taken_in(results)
    dead = await results.hands.bus.jetstream.stream_info("DEAD", subjects_filter="dead.fact")
    assert {"dead.fact": 2} == dead.state.subjects


async def test_watching_tells_every_stage_to_the_end(results: Results, ada: Caller) -> None:
    """Revisions grow, the last is the end, and who comes late gets it at once."""
    document, job = await results.submit(ada)
    watching = asyncio.create_task(ada.stream(results.jobs.WatchJob, results_pb2.WatchJobRequest(job_id=job.id)))
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([True]))
    ocr = await results.hands.next(document.id, "ocr")
    await ocr.finish(PageRecognized(outcome=(await results.outcomes(1))[0]))
    seen = [each.job for each in await watching]
    revisions = [each.revision for each in seen]
    assert (sorted(set(revisions)), job_pb2.JOB_STATE_COMPLETED) == (revisions, seen[-1].state)
    late = await ada.stream(results.jobs.WatchJob, results_pb2.WatchJobRequest(job_id=job.id))
    assert [seen[-1]] == [each.job for each in late]


async def test_status_is_told_after_the_commit(results: Results, ada: Caller, bus: Bus) -> None:
    """Whoever asks on hearing a change finds at least that change, up to the end."""
    told: asyncio.Queue[Job] = asyncio.Queue()
    listening = await bus.listen(
        f"status.{ada.organization_id}.*", lambda _, payload: told.put_nowait(Job.FromString(payload))
    )
    await bus.connection.flush()
    _, job = await results.read(ada)
    states: list[int] = []
    while not states or states[-1] != job_pb2.JOB_STATE_COMPLETED:
        heard = await asyncio.wait_for(told.get(), 30)
        if heard.id == job.id:
            recorded = await results.job(ada, job.id)
            assert recorded.revision >= heard.revision
            states.append(heard.state)
    await listening.unsubscribe()
    assert job_pb2.JOB_STATE_PENDING == states[0]


async def test_deleting_hides_everything_and_cancels(results: Results, ada: Caller, bus: Bus) -> None:
    """Nothing of the document is found, late facts are refused, and followers are told."""
    document, job = await results.submit(ada)
    held = await results.hands.next(document.id, "inspect")
    told: asyncio.Queue[bytes] = asyncio.Queue()
    listening = await bus.listen(f"status.*.{job.id}", lambda _, payload: told.put_nowait(payload))
    await bus.connection.flush()
    request = results_pb2.DeleteDocumentRequest(document_id=document.id)
    await ada.call(results.documents.DeleteDocument, request)
    assert b"" == await asyncio.wait_for(told.get(), 30)
    await listening.unsubscribe()
    await held.finish(inspected([True], await results.outcomes(1)))
    await all_taken_in(results)
    assert results.hands.idle(document.id)
    for call in calls_about(results, document.id, job.id):
        with pytest.raises(NotFound):
            await call(ada)
    listed = await ada.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(document_id=document.id))
    assert 0 == listed.total


def calls_about(results: Results, document_id: str, job_id: str) -> list[Callable[[Caller], Awaitable[Any]]]:
    """Every call that names a document or a job."""
    jobs, documents = results.jobs, results.documents
    once: list[tuple[Any, Message]] = [
        (jobs.GetJob, results_pb2.GetJobRequest(job_id=job_id)),
        (
            jobs.SubmitAnalysis,
            results_pb2.SubmitAnalysisRequest(document_id=document_id, job_id=str(uuid.uuid4()), config=SUMMARY),
        ),
        (documents.GetDocument, results_pb2.GetDocumentRequest(document_id=document_id)),
        (documents.ListPages, results_pb2.ListPagesRequest(document_id=document_id)),
        (documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=document_id)),
        (documents.DeleteDocument, results_pb2.DeleteDocumentRequest(document_id=document_id)),
    ]
    many: list[tuple[Any, Message]] = [
        (jobs.WatchJob, results_pb2.WatchJobRequest(job_id=job_id)),
        (documents.StreamPages, results_pb2.StreamPagesRequest(document_id=document_id)),
    ]
    return [
        *(lambda caller, method=method, request=request: caller.call(method, request) for method, request in once),
        *(lambda caller, method=method, request=request: caller.stream(method, request) for method, request in many),
    ]


async def refusals(calls: list[Callable[[Caller], Awaitable[Any]]], caller: Caller) -> list[tuple[Any, ...]]:
    """How each call is refused."""
    told = []
    for call in calls:
        with pytest.raises(PagemeshError) as caught:
            await call(caller)
        told.append((type(caught.value), caught.value.reason, caught.value.message, caught.value.details))
    return told


async def test_what_is_anothers_does_not_exist(results: Results, ada: Caller, bob: Caller) -> None:
    """Another organization's ids are answered like unknown ones, word for word, and nothing happens to them."""
    document, job = await results.read(ada)
    await results.ended(ada, job.id)
    foreign = await refusals(calls_about(results, document.id, job.id), bob)
    assert foreign == await refusals(calls_about(results, NOBODYS, NOBODYS), bob)
    assert {NotFound} == {kind for kind, *_ in foreign}
    listed = await bob.call(results.documents.ListDocuments, results_pb2.ListDocumentsRequest(per_page=100))
    jobs = await bob.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(per_page=100))
    assert document.id not in {each.id for each in listed.documents}
    assert job.id not in {each.id for each in jobs.jobs}
    by_document = results_pb2.ListJobsRequest(document_id=document.id)
    assert 0 == (await bob.call(results.jobs.ListJobs, by_document)).total
    assert document.id == (await results.document(ada, document.id)).id


@pytest.mark.parametrize("garbage", ["", "garbage", "'; DROP TABLE jobs; --", "\0", "é" * 100])
async def test_ids_that_are_none_are_invalid(results: Results, ada: Caller, garbage: str) -> None:
    """Each call says which field; none is a defect."""
    told = await refusals(calls_about(results, garbage, garbage), ada)
    assert {(InvalidArgument, "INVALID_ARGUMENT")} == {(kind, reason) for kind, reason, *_ in told}
    assert {"job_id", "document_id"} == {details["field"] for *_, details in told}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"job_id": "garbage"}, "job_id"),
        ({"priority": -1}, "priority"),
        ({"priority": 10}, "priority"),
    ],
)
async def test_malformed_submissions_are_invalid(
    results: Results, ada: Caller, change: dict[str, Any], field: str
) -> None:
    """Nothing is recorded of them."""
    request = submission(ada, **change)
    with pytest.raises(InvalidArgument) as caught:
        await ada.call(results.jobs.SubmitJob, request)
    assert field == caught.value.details["field"]
    with pytest.raises(NotFound):
        await results.document(ada, request.document.id)


@pytest.mark.parametrize("window", [{"page": -1}, {"per_page": 101}, {"per_page": -1}])
async def test_windows_have_bounds(results: Results, ada: Caller, window: dict[str, Any]) -> None:
    """For every list."""
    document, _ = await results.submit(ada)
    calls: list[tuple[Any, Message]] = [
        (results.jobs.ListJobs, results_pb2.ListJobsRequest(**window)),
        (results.documents.ListDocuments, results_pb2.ListDocumentsRequest(**window)),
        (results.documents.ListPages, results_pb2.ListPagesRequest(document_id=document.id, **window)),
    ]
    for method, request in calls:
        with pytest.raises(InvalidArgument):
            await ada.call(method, request)


async def test_unknown_choices_are_invalid(results: Results, ada: Caller) -> None:
    """Numbers that the enumerations do not have, from a newer caller for one."""
    calls: list[tuple[Any, Message]] = [
        (results.jobs.ListJobs, results_pb2.ListJobsRequest(state=99)),  # type: ignore[arg-type]  # no such state
        (results.jobs.ListJobs, results_pb2.ListJobsRequest(type=99)),  # type: ignore[arg-type]  # no such type
        (results.documents.ListDocuments, results_pb2.ListDocumentsRequest(state=99)),  # type: ignore[arg-type]  # likewise
        (results.documents.ListDocuments, results_pb2.ListDocumentsRequest(sort=99)),  # type: ignore[arg-type]  # likewise
    ]
    for method, request in calls:
        with pytest.raises(InvalidArgument):
            await ada.call(method, request)


async def test_documents_are_listed_as_asked(results: Results, auth_service: Any) -> None:
    """Searched, sorted, filtered and in windows; what a search means is taken literally."""
    caller = await Caller.register(auth_service)
    names = ["b_1.pdf", "A%.pdf", "c.pdf", "b21.pdf"]
    for number, name in enumerate(names):
        await results.submit(caller, name, file_size=100 - number)

    async def listed(**asked: Any) -> tuple[list[str], int]:
        request = results_pb2.ListDocumentsRequest(**asked)
        answer = await caller.call(results.documents.ListDocuments, request)
        return [each.original_filename for each in answer.documents], answer.total

    assert (names[::-1], 4) == await listed()
    assert (names, 4) == await listed(ascending=True)
    assert (["A%.pdf", "b21.pdf", "b_1.pdf", "c.pdf"], 4) == await listed(
        sort=results_pb2.DOCUMENT_SORT_FILENAME, ascending=True
    )
    assert (names, 4) == await listed(sort=results_pb2.DOCUMENT_SORT_FILE_SIZE)
    assert (["b_1.pdf"], 1) == await listed(search="B_1")
    assert (["A%.pdf"], 1) == await listed(search="%")
    assert ([], 0) == await listed(search="\\")
    assert (["b21.pdf", "c.pdf"], 4) == await listed(page=1, per_page=2)
    assert ([], 4) == await listed(page=3, per_page=2)
    assert ([], 0) == await listed(state=job_pb2.DOCUMENT_STATE_COMPLETED)


async def test_jobs_are_listed_as_asked(results: Results, auth_service: Any) -> None:
    """By state, type and document; newest first."""
    caller = await Caller.register(auth_service)
    document, job = await results.read(caller)
    await results.ended(caller, job.id)
    other, pending = await results.submit(caller)
    analysis = (await caller.call(results.jobs.SubmitAnalysis, analysis_of(document))).job

    async def listed(**asked: Any) -> list[str]:
        answer = await caller.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(**asked))
        assert answer.total == len(answer.jobs)
        return [each.id for each in answer.jobs]

    assert [analysis.id, pending.id, job.id] == await listed()
    assert [job.id] == await listed(state=job_pb2.JOB_STATE_COMPLETED)
    assert [analysis.id] == await listed(type=job_pb2.JOB_TYPE_ANALYSIS)
    assert [pending.id] == await listed(document_id=other.id)
    request = results_pb2.GetDocumentRequest(document_id=document.id)
    answer = await caller.call(results.documents.GetDocument, request)
    assert [job.id, analysis.id] == [each.id for each in answer.jobs]


async def test_a_page_too_large_for_a_message_is_read_all_the_same(results: Results, ada: Caller) -> None:
    """It goes through the blob store; one that was lost there fails alone."""
    document, job = await results.submit(ada)
    held = await results.hands.next(document.id, "inspect")
    long = "ä" * 200_000
    large = await pages.pack(page(1, long), results.blobs, document.id)
    lost = await pages.pack(page(2, long), results.blobs, document.id)
    await results.blobs.delete(lost.content.layout_key)
    await held.finish(inspected([False, False], [large, lost]))
    ended = await results.ended(ada, job.id)
    assert (200_000, [(2, "blob_missing")]) == (
        ended.result.text_length,
        [(each.page, each.code) for each in ended.result.pages_failed],
    )
    request = results_pb2.StreamPagesRequest(document_id=document.id, include_lines=True)
    assert [page(1, long)] == [each.page for each in await ada.stream(results.documents.StreamPages, request)]


async def test_replicas_share_the_work(results: Results, settings: ResultsSettings, ada: Caller) -> None:
    """Two on one database, facts repeated: every job ends once, with the counts of one."""
    other = settings.model_copy(update={"listen": settings.listen.replace("results", "replica")})
    async with running(serve, other) as channel:
        replica = Results(channel, results.hands, results.blobs)
        submitted = await asyncio.gather(*((results, replica)[number % 2].submit(ada) for number in range(20)))
        await asyncio.gather(*(_read_twice(results, document) for document, _ in submitted))
        ended = await asyncio.gather(*(replica.ended(ada, job.id) for _, job in submitted))
    expected = (job_pb2.JOB_STATE_COMPLETED, 3, 0, 3 * len("The text of page 1."), 1)
    assert [expected] * 20 == [
        (job.state, job.pages_done, job.pages_failed, job.result.text_length, job.attempts) for job in ended
    ]
    assert all(results.hands.idle(document.id) for document, _ in submitted)


async def _read_twice(results: Results, document: Document) -> None:
    held = await results.hands.next(document.id, "inspect")
    for _ in range(2):
        await results.hands.say(fact(held, inspected=inspected([True] * 3)))
    held.finished.set()
    for ocr in [await results.hands.next(document.id, "ocr") for _ in range(3)]:
        [outcome] = await results.outcomes(ocr.task.ocr.page)
        for _ in range(2):
            await results.hands.say(fact(ocr, recognized=PageRecognized(outcome=outcome)))
        ocr.finished.set()


async def test_a_task_lost_by_the_broker_is_handed_out_again(
    results: Results, ada: Caller, nats_server: NatsServer
) -> None:
    """A wiped store loses nothing: PostgreSQL alone is enough to finish."""
    submitted = [await results.submit(ada) for _ in range(3)]
    lost = [await results.hands.next(document.id, "inspect") for document, _ in submitted]
    await asyncio.sleep(2 * outbox._NOTE_SECONDS)  # else it counts as not yet published, and is put off for longer
    nats_server.wipe()
    for document, _ in submitted:
        held = await results.hands.next(document.id, "inspect")
        await held.finish(inspected([False], await results.outcomes(1)))
    ended = [await results.ended(ada, job.id) for _, job in submitted]
    assert [job_pb2.JOB_STATE_COMPLETED] * 3 == [job.state for job in ended]
    for one in lost:
        one.finished.set()


async def test_what_was_accepted_while_the_broker_was_away_is_done(
    results: Results, ada: Caller, nats_server: NatsServer
) -> None:
    """Accepting needs the database alone."""
    nats_server.kill()
    document, job = await results.submit(ada)
    nats_server.start()
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await results.outcomes(1)))
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, job.id)).state


async def test_a_restart_loses_nothing(
    fresh_database: Callable[[], str], settings: ResultsSettings, results: Results, ada: Caller
) -> None:
    """Facts that came while no replica ran are taken in by the next."""
    fresh = {"database_url": SecretStr(fresh_database()), "listen": settings.listen.replace("results", "restart")}
    other = settings.model_copy(update=fresh)
    async with running(serve, other) as channel:
        document, job = await Results(channel, results.hands, results.blobs).submit(ada)
        held = await results.hands.next(document.id, "inspect")
    async with running(serve, other) as channel:
        again = Results(channel, results.hands, results.blobs)
        assert job_pb2.JOB_STATE_PENDING == (await again.job(ada, job.id)).state
        assert document == await again.document(ada, document.id)
    held.finished.set()


def test_tasks_have_the_shape_that_workers_expect() -> None:
    """The kinds that results hands out are those that workers take."""
    assert {"fetch", "inspect", "extract", "ocr", "analyze", "deliver"} == {
        each.name for each in Task.DESCRIPTOR.oneofs_by_name["work"].fields
    }

"""Jobs that are stopped and tried again, in the results service with a real PostgreSQL and a real NATS."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from pydantic import SecretStr

from mesh import pages
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import IllegalState, InvalidArgument, NotFound
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.job_control_pb2 import CancelJobRequest, RetryJobRequest
from pagemesh.results.v1.job_pb2 import Document, Job, JobConfig
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.results.v1.page_pb2 import PageSource
from services.results import stopping
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.contract.recording import NOBODYS, SUMMARY, all_taken_in, analysis_of, fact, found, inspected
from tests.contract.test_usage import Metered
from tests.support.broker import eventually
from tests.support.services import Caller, Hands, Held, running


class Controlled(Metered):
    """Clients of the service, and what people decide."""

    async def cancel(self, caller: Caller, job_id: str, is_repeat: bool = False) -> Job:
        """Stops the job."""
        answer = await caller.call(self.jobs.CancelJob, CancelJobRequest(job_id=job_id, is_repeat=is_repeat))
        return Job.FromString(answer.job.SerializeToString())

    async def retry(self, caller: Caller, job_id: str, is_repeat: bool = False) -> Job:
        """Tries the job again."""
        answer = await caller.call(self.jobs.RetryJob, RetryJobRequest(job_id=job_id, is_repeat=is_repeat))
        return Job.FromString(answer.job.SerializeToString())

    async def scanned(self, caller: Caller, count: int, **more: Any) -> tuple[Document, Job, list[Held]]:
        """A document of so many scanned pages, each in a worker's hand."""
        document, job = await self.submit(caller, **more)
        await (await self.hands.next(document.id, "inspect")).finish(inspected([True] * count))
        held = [await self.hands.next(document.id, "ocr") for _ in range(count)]
        return document, job, sorted(held, key=lambda one: one.task.ocr.page)

    async def settle(self, caller: Caller, job: Job, held: Held, failing: str = "") -> None:
        """Reads the page, or fails it, and waits until that is recorded."""
        before = await self.job(caller, job.id)
        number = held.task.ocr.page
        await held.finish(PageRecognized(outcome=await self.outcome(number, failing)))

        async def recorded() -> bool:
            return (await self.job(caller, job.id)).revision > before.revision

        await eventually(recorded)

    async def outcome(self, number: int, failing: str = "") -> PageOutcome:
        """A page that was read by OCR, or that failed."""
        if failing:
            return pages.failed(number, failing, "Because.")
        [outcome] = await self.outcomes(number)
        outcome.content.source = PageSource.PAGE_SOURCE_OCR
        return outcome

    async def waiting(self) -> int:
        """How many tasks the broker has."""
        return await self.hands.bus.depth("WORK")

    async def page_numbers(self, caller: Caller, document: Document) -> list[int]:
        """Pages that can be read."""
        request = results_pb2.ListPagesRequest(document_id=document.id, per_page=100)
        return [page.number for page in (await caller.call(self.documents.ListPages, request)).pages]


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service."""
    url = SecretStr(fresh_database())
    return ResultsSettings(listen=f"unix:{server_directory}/control.sock", database_url=url, **common)


@pytest.fixture(scope="module")
async def results(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Controlled]:
    """The running service with workers."""
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Controlled(channel, hands, Blobs(settings.storage_url))
        await hands.stop()


async def none_left(results: Controlled) -> None:
    """Waits until the broker has no task."""

    async def empty() -> bool:
        return await results.waiting() == 0

    await eventually(empty, within=10)


async def test_cancelling_stops_the_work_and_keeps_what_was_read(
    results: Controlled, auth_service: Any, bus: Bus
) -> None:
    """Workers are told, a few times; tasks are taken back; pages stay, and usage is what was settled."""
    caller = await Caller.register(auth_service)
    told: list[str] = []
    listening = await bus.listen("cancel.>", lambda subject, _: told.append(subject))
    document, job, held = await results.scanned(caller, 12)
    for one, failing in ((held[0], ""), (held[3], "unreadable_page"), (held[6], "")):
        await results.settle(caller, job, one, failing)
    cancelled = await results.cancel(caller, job.id)
    assert [f"cancel.{caller.organization_id}.{job.id}"] == told[:1]
    assert (job_pb2.JOB_STATE_CANCELLED, "cancelled", [1, 7], 12, 2, 1, False) == (
        cancelled.state, cancelled.stage, list(cancelled.pages_spent), cancelled.result.page_count,
        cancelled.result.ocr_page_count, cancelled.pages_failed, cancelled.HasField("error"),
    )  # fmt: skip
    assert [(4, "unreadable_page")] == [(each.page, each.code) for each in cancelled.result.pages_failed]
    assert cancelled == await results.job(caller, job.id)
    await none_left(results)
    await eventually(lambda: _longer(told, 2))
    for late in held[1:3]:
        await late.finish(PageRecognized(outcome=await results.outcome(late.task.ocr.page)))
    await results.hands.say(fact(held[4], recognized=PageRecognized(outcome=await results.outcome(5))))
    await all_taken_in(results)
    assert cancelled == await results.job(caller, job.id)
    assert ([1, 7], 2) == (await results.page_numbers(caller, document), (await results.used(caller)).pages)
    assert job_pb2.DOCUMENT_STATE_COMPLETED == (await results.document(caller, document.id)).state
    await listening.unsubscribe()
    for one in held:
        one.finished.set()


async def _longer(told: list[str], count: int) -> bool:
    return len(told) > count


async def test_what_was_cancelled_before_anything_was_read(results: Controlled, ada: Caller) -> None:
    """At once after its submission, when nobody knows yet where the broker keeps its task."""
    document, job = await results.submit(ada)
    cancelled = await results.cancel(ada, job.id)
    assert (0, [], False, True) == (
        cancelled.attempts, list(cancelled.pages_spent), cancelled.HasField("started_at"), cancelled.HasField("result"),
    )  # fmt: skip
    await none_left(results)
    assert job_pb2.DOCUMENT_STATE_FAILED == (await results.document(ada, document.id)).state
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await results.outcomes(1)))
    await all_taken_in(results)
    assert cancelled == await results.job(ada, job.id)


@pytest.mark.usefixtures("_dies_at_stopping")
async def test_work_is_stopped_though_its_stopper_died(results: Controlled, ada: Caller, bus: Bus) -> None:
    """The record knows that tasks are to be taken back, and that workers are to be told."""
    told: list[str] = []
    listening = await bus.listen("cancel.>", lambda subject, _: told.append(subject))
    _, job, held = await results.scanned(ada, 5)
    await results.cancel(ada, job.id)
    subject = f"cancel.{ada.organization_id}.{job.id}"
    assert (5, False) == (await results.waiting(), subject in told)
    await none_left(results)
    assert subject in told
    await listening.unsubscribe()
    for one in held:
        one.finished.set()


@pytest.fixture
def _dies_at_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process were gone after its commit."""

    async def stop(*_: object) -> None:
        return None

    monkeypatch.setattr(stopping.Stopping, "stop", stop)


async def test_deleting_a_document_stops_its_work(results: Controlled, ada: Caller, bus: Bus) -> None:
    """By the same way."""
    told: list[str] = []
    listening = await bus.listen("cancel.>", lambda subject, _: told.append(subject))
    document, job, held = await results.scanned(ada, 3)
    await ada.call(results.documents.DeleteDocument, results_pb2.DeleteDocumentRequest(document_id=document.id))
    assert f"cancel.{ada.organization_id}.{job.id}" in told
    await none_left(results)
    with pytest.raises(NotFound):
        await results.cancel(ada, job.id)
    await listening.unsubscribe()
    for one in held:
        one.finished.set()


async def test_analyses_that_wait_for_a_cancelled_reading(results: Controlled, ada: Caller) -> None:
    """They get what was read, or fail when nothing was; one that is under way can be cancelled by itself."""
    document, job, held = await results.scanned(ada, 2)
    await results.settle(ada, job, held[0])
    waiting = (await ada.call(results.jobs.SubmitAnalysis, analysis_of(document))).job
    await results.cancel(ada, job.id)
    analyze = await results.hands.next(document.id, "analyze")
    cancelled = await results.cancel(ada, waiting.id)
    assert (job_pb2.JOB_STATE_CANCELLED, False) == (cancelled.state, cancelled.HasField("result"))
    await analyze.finish(found("Too late."))
    other, reading = await results.submit(ada)
    hopeless = (await ada.call(results.jobs.SubmitAnalysis, analysis_of(other))).job
    await results.cancel(ada, reading.id)
    assert "nothing_to_analyze" == (await results.ended(ada, hopeless.id)).error.code
    await all_taken_in(results)
    request = results_pb2.ListAnalysesRequest(document_id=document.id)
    assert [] == list((await ada.call(results.documents.ListAnalyses, request)).analyses)
    held[1].finished.set()


async def test_what_has_ended_is_not_cancelled(results: Controlled, ada: Caller) -> None:
    """Nor cancelled twice, unless the second is a repeat of the first; nor tried again unless it failed."""
    _, job = await results.read(ada)
    await results.ended(ada, job.id)
    _, other = await results.submit(ada)
    cancelled = await results.cancel(ada, other.id)
    for job_id, state in ((job.id, "completed"), (other.id, "cancelled")):
        for decide in (results.cancel, results.retry):
            with pytest.raises(IllegalState) as caught:
                await decide(ada, job_id)
            assert state == caught.value.details["state"]
    assert cancelled == await results.cancel(ada, other.id, is_repeat=True)
    with pytest.raises(IllegalState):
        await results.cancel(ada, job.id, is_repeat=True)


async def test_what_is_anothers_is_not_there(results: Controlled, ada: Caller, bob: Caller) -> None:
    """The same answer as for nothing, and garbage is garbage."""
    _, job = await results.submit(ada)
    for decide in (results.cancel, results.retry):
        told = []
        for job_id in (job.id, NOBODYS):
            with pytest.raises(NotFound) as caught:
                await decide(bob, job_id)
            told.append((caught.value.reason, caught.value.message, caught.value.details))
        assert told[0] == told[1]
        with pytest.raises(InvalidArgument):
            await decide(ada, "garbage")
    assert job_pb2.JOB_STATE_PENDING == (await results.job(ada, job.id)).state
    await results.cancel(ada, job.id)


async def test_a_document_that_could_not_be_opened_is_tried_again(results: Controlled, ada: Caller) -> None:
    """With the password that it came with; analyses may wait for it again, and get it."""
    document, job = await results.submit(ada, config=JobConfig(password="pässword"))
    await (await results.hands.next(document.id, "inspect")).fail("worker_lost")
    failed = await results.ended(ada, job.id)
    again = await results.retry(ada, job.id)
    assert (job_pb2.JOB_STATE_PENDING, "queued", 2, False, False) == (
        again.state, again.stage, again.attempts, again.HasField("error"), again.HasField("completed_at"),
    )  # fmt: skip
    assert again.revision > failed.revision
    assert again == await results.retry(ada, job.id, is_repeat=True)
    with pytest.raises(IllegalState):
        await results.retry(ada, job.id)
    waiting = (await ada.call(results.jobs.SubmitAnalysis, analysis_of(document))).job
    held = await results.hands.next(document.id, "inspect")
    assert "pässword" == held.task.inspect.source.password
    await held.finish(inspected([False], await results.outcomes(1)))
    assert (job_pb2.JOB_STATE_COMPLETED, 2) == ((ended := await results.ended(ada, job.id)).state, ended.attempts)
    await (await results.hands.next(document.id, "analyze")).finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, waiting.id)).state
    assert results.hands.idle(document.id)


async def test_pages_that_failed_are_open_again(results: Controlled, auth_service: Any) -> None:
    """A fact of the first try that comes late changes nothing; every page counts once, and progress stays."""
    caller = await Caller.register(auth_service)
    document, job, held = await results.scanned(caller, 2)
    for one in held:
        await results.settle(caller, job, one, "ocr_failed")
    failed = await results.ended(caller, job.id)
    again = await results.retry(caller, job.id)
    assert (failed.progress, 0, 2) == (again.progress, again.pages_failed, again.pages_total)
    for one in held:
        await results.hands.say(fact(one, recognized=PageRecognized(outcome=await results.outcome(1, "ocr_failed"))))
    await results.hands.say(fact(held[1], recognized=PageRecognized(outcome=await results.outcome(2))))
    await all_taken_in(results)
    late = await results.job(caller, job.id)
    assert (1, 0) == (late.pages_done, late.pages_failed)
    await (await results.hands.next(document.id, "inspect")).finish(inspected([True, True]))
    ocr = await results.hands.next(document.id, "ocr")
    assert 1 == ocr.task.ocr.page
    await ocr.finish(PageRecognized(outcome=await results.outcome(1)))
    ended = await results.ended(caller, job.id)
    assert (job_pb2.JOB_STATE_COMPLETED, 2, 0, 2) == (ended.state, ended.pages_done, ended.pages_failed, ended.attempts)
    assert (True, 2) == (results.hands.idle(document.id), (await results.used(caller)).pages)


async def test_a_failed_analysis_is_made_again(results: Controlled, auth_service: Any) -> None:
    """Alone: no page is read twice. Once is enough, and one of its own is as good."""
    caller = await Caller.register(auth_service)
    document, job = await results.read(caller, config=JobConfig(analysis=SUMMARY))
    await (await results.hands.next(document.id, "analyze")).fail("provider_unavailable")
    await results.ended(caller, job.id)
    own = (await caller.call(results.jobs.SubmitAnalysis, analysis_of(document))).job
    await (await results.hands.next(document.id, "analyze")).fail("provider_unavailable")
    await results.ended(caller, own.id)
    for failed in (job, own):
        tries = await asyncio.gather(*(results.retry(caller, failed.id) for _ in range(4)), return_exceptions=True)
        assert 1 == sum(isinstance(each, Job) for each in tries)
        await (await results.hands.next(document.id, "analyze")).finish(found(failed.id))
        ended = await results.ended(caller, failed.id)
        assert (job_pb2.JOB_STATE_COMPLETED, 2) == (ended.state, ended.attempts)
    assert (True, 1) == (results.hands.idle(document.id), (await results.used(caller)).pages)


async def test_an_analysis_of_nothing_is_not_tried_again(results: Controlled, ada: Caller) -> None:
    """Its document comes first."""
    document, job = await results.submit(ada)
    analysis = (await ada.call(results.jobs.SubmitAnalysis, analysis_of(document))).job
    await (await results.hands.next(document.id, "inspect")).fail("out_of_resources")
    await results.ended(ada, analysis.id)
    with pytest.raises(IllegalState):
        await results.retry(ada, analysis.id)
    await results.retry(ada, job.id)
    assert "waiting" == (await results.retry(ada, analysis.id)).stage
    await (await results.hands.next(document.id, "inspect")).finish(inspected([False], await results.outcomes(1)))
    await (await results.hands.next(document.id, "analyze")).finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, analysis.id)).state


async def test_estimates_follow_what_is_measured(results: Controlled, ada: Caller) -> None:
    """None before; then by the pace of pages, and the same for as long as the revision is."""
    document, job, held = await results.scanned(ada, 24)
    began = time.monotonic()
    for one in held[:12]:
        await asyncio.sleep(0.25)
        await results.settle(ada, job, one)
    seen = await results.job(ada, job.id)
    took = time.monotonic() - began
    assert took / 2 <= seen.estimated_seconds_left <= 2 * took + 1  # as many are left as were read
    await asyncio.sleep(1.2)
    assert seen == await results.job(ada, job.id)
    other, _, waiting = await results.scanned(ada, 24)
    behind = (await ada.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(document_id=other.id))).jobs[0]
    assert behind.estimated_seconds_left > seen.estimated_seconds_left
    for document_id in (document.id, other.id):
        await ada.call(results.documents.DeleteDocument, results_pb2.DeleteDocumentRequest(document_id=document_id))
    for one in (*held, *waiting):
        one.finished.set()


async def test_numbers_beyond_integers_are_kept(results: Controlled, ada: Caller) -> None:
    """PostgreSQL writes them out in digits; a job that names one can be cancelled all the same."""
    options = Struct()
    options.update({"output_schema": {"type": "object", "properties": {"revenue": {"maximum": 4.5e220}}}})
    config = JobConfig(analysis=AnalysisConfig(analysis_type="custom", prompt="?", options=options))
    _, job = await results.submit(ada, config=config)
    cancelled = (await ada.call(results.jobs.CancelJob, CancelJobRequest(job_id=job.id))).job
    assert (job_pb2.JOB_STATE_CANCELLED, options) == (cancelled.state, cancelled.config.analysis.options)

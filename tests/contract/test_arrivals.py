"""Documents that were read as they arrived, in the record."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh import pages
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.seal import ARRIVAL_SEAL, Sealer
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.results_pb2 import Arrival
from pagemesh.results.v1.usage_pb2 import GetUsageRequest
from pagemesh.results.v1.usage_pb2_grpc import UsageServiceStub
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.contract.recording import SUMMARY, Results, found, inspected, submission
from tests.support.services import ARRIVAL_SECRET, Caller, Hands, running

SEALER = Sealer(ARRIVAL_SECRET, ARRIVAL_SEAL)


class Record(Results):
    """Clients of the results service."""

    def __init__(self, channel: Any, hands: Hands, blobs: Blobs) -> None:
        super().__init__(channel, hands, blobs)
        self.usage = UsageServiceStub(channel)

    async def pages_used(self, caller: Caller) -> int:
        """Pages that were counted this month."""
        answer = await caller.call(self.usage.GetUsage, GetUsageRequest(first_day=0, last_day=100_000))
        return int(answer.pages)


@pytest.fixture(scope="module")
async def record(
    common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path, bus: Bus
) -> AsyncIterator[Record]:
    """The running results service with workers."""
    url = SecretStr(fresh_database())
    settings = ResultsSettings(listen=f"unix:{server_directory}/arrivals.sock", database_url=url, **common)
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Record(channel, hands, Blobs(settings.storage_url))
        await hands.stop()


def arrived(request: results_pb2.SubmitJobRequest, news: DocumentInspected, sealer: Sealer = SEALER) -> Arrival:
    """The news, sealed for the request's document."""
    content = news.SerializeToString()
    seal = sealer.seal(request.document.storage_key.encode(), content)
    return Arrival(inspected=content, seal=seal, microseconds=7_000)


async def test_a_document_that_was_read_is_complete_at_once(record: Record, ada: Caller) -> None:
    """With its pages and its time, without any task, and counted once however often it is submitted."""
    request = submission(ada)
    request.arrival.CopyFrom(arrived(request, inspected([False, False], await record.outcomes(1, 2), Title="T")))
    before = await record.pages_used(ada)
    for _ in range(3):
        response = await ada.call(record.jobs.SubmitJob, request)
        assert (job_pb2.JOB_STATE_COMPLETED, 100, job_pb2.DOCUMENT_STATE_COMPLETED, 2) == (
            response.job.state,
            response.job.progress,
            response.document.state,
            response.document.page_count,
        )
    job = await record.job(ada, response.job.id)
    assert response.job == job
    assert 7 <= job.result.processing_time_ms < 1_000
    assert job.created_at.ToDatetime() < job.started_at.ToDatetime() <= job.completed_at.ToDatetime()
    listed = await ada.call(record.documents.ListPages, results_pb2.ListPagesRequest(document_id=response.document.id))
    assert ["The text of page 1.", "The text of page 2."] == [page.text for page in listed.pages]
    assert (True, before + 2) == (record.hands.idle(response.document.id), await record.pages_used(ada))


async def test_scanned_pages_still_become_tasks(record: Record, ada: Caller) -> None:
    """The text page is there already; the job ends with the scan."""
    request = submission(ada)
    request.arrival.CopyFrom(arrived(request, inspected([False, True], await record.outcomes(1))))
    response = await ada.call(record.jobs.SubmitJob, request)
    assert (job_pb2.JOB_STATE_RUNNING, 1) == (response.job.state, response.job.pages_done)
    held = await record.hands.next(response.document.id, "ocr")
    [outcome] = await record.outcomes(2)
    await held.finish(PageRecognized(outcome=outcome))
    assert job_pb2.JOB_STATE_COMPLETED == (await record.ended(ada, response.job.id)).state


async def test_pages_that_could_not_be_read_are_named(record: Record, ada: Caller) -> None:
    """They are not counted as used; a document with no other page has failed."""
    bad = [pages.failed(number, "unreadable_page", f"Page {number}.") for number in (1, 3)]
    before = await record.pages_used(ada)
    partly, not_at_all = submission(ada), submission(ada)
    news = inspected([False] * 3, [*bad, *await record.outcomes(2)])
    partly.arrival.CopyFrom(arrived(partly, news))
    not_at_all.arrival.CopyFrom(arrived(not_at_all, inspected([False], bad[:1])))
    job = (await ada.call(record.jobs.SubmitJob, partly)).job
    assert (job_pb2.JOB_STATE_COMPLETED, [(1, "Page 1."), (3, "Page 3.")]) == (
        job.state,
        [(failure.page, failure.message) for failure in job.result.pages_failed],
    )
    failed = await ada.call(record.jobs.SubmitJob, not_at_all)
    assert (job_pb2.JOB_STATE_FAILED, "unreadable_page", job_pb2.DOCUMENT_STATE_FAILED) == (
        failed.job.state,
        failed.job.error.code,
        failed.document.state,
    )
    assert failed.job == await record.job(ada, failed.job.id)
    assert before + 1 == await record.pages_used(ada)


async def test_what_was_read_is_analysed(record: Record, ada: Caller) -> None:
    """By a task that is handed out with the submission."""
    request = submission(ada, config=JobConfig(analysis=SUMMARY))
    request.arrival.CopyFrom(arrived(request, inspected([False], await record.outcomes(1))))
    response = await ada.call(record.jobs.SubmitJob, request)
    assert ("analyzing", job_pb2.DOCUMENT_STATE_COMPLETED) == (response.job.stage, response.document.state)
    await (await record.hands.next(response.document.id, "analyze")).finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await record.ended(ada, response.job.id)).state


@pytest.mark.parametrize("wrong", ["secret", "key", "content", "none"])
async def test_what_nobody_vouches_for_is_not_believed(record: Record, ada: Caller, wrong: str) -> None:
    """A caller who submits by himself cannot make up pages: the document is read."""
    request, other = submission(ada), submission(ada)
    other.document.storage_key = f"originals/{ada.organization_id}/other.pdf"
    news = inspected([False], await record.outcomes(1))
    made = {
        "secret": arrived(request, news, Sealer("another", ARRIVAL_SEAL)),
        "key": arrived(other, news),
        "content": Arrival(inspected=b"", seal=arrived(request, news).seal),
        "none": Arrival(inspected=news.SerializeToString()),
    }
    request.arrival.CopyFrom(made[wrong])
    response = await ada.call(record.jobs.SubmitJob, request)
    assert job_pb2.JOB_STATE_PENDING == response.job.state
    await (await record.hands.next(response.document.id, "inspect")).fail("corrupt_document")


async def test_what_cannot_be_recorded_is_read_again(record: Record, ada: Caller) -> None:
    """A vouched-for arrival that the record chokes on costs the document nothing."""
    request = submission(ada)
    [outcome] = await record.outcomes(1)
    outcome.content.layout_key = "pages/\0"
    request.arrival.CopyFrom(arrived(request, inspected([False], [outcome])))
    response = await ada.call(record.jobs.SubmitJob, request)
    assert job_pb2.JOB_STATE_PENDING == response.job.state
    await (await record.hands.next(response.document.id, "inspect")).fail("corrupt_document")

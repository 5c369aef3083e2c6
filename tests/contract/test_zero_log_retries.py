"""Zero-log jobs that failed, tried again from memory: as other jobs are."""

import uuid

import pytest

from mesh.errors import IllegalState, NotFound
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1.job_control_pb2 import RetryJobRequest
from pagemesh.results.v1.job_pb2 import (
    DOCUMENT_STATE_COMPLETED,
    DOCUMENT_STATE_FAILED,
    JOB_STATE_COMPLETED,
    JOB_STATE_FAILED,
    JOB_STATE_PENDING,
    Job,
    JobConfig,
)
from pagemesh.results.v1.results_pb2 import SubmitAnalysisRequest
from tests.contract.test_zero_log_calls import database, mesh
from tests.contract.zero_logging import SECRET, SUMMARY, Mesh, found, inspected, outcome
from tests.support.broker import eventually
from tests.support.receiver import receiving
from tests.support.services import Caller

__all__ = ["database", "mesh"]  # fixtures


async def retry(mesh: Mesh, caller: Caller, job_id: str, is_repeat: bool = False) -> Job:
    """Tries the job again."""
    request = RetryJobRequest(job_id=job_id, is_repeat=is_repeat)
    job: Job = (await caller.call(mesh.jobs.RetryJob, request)).job
    return job


async def test_what_could_not_be_opened_is_opened_again(mesh: Mesh, ada: Caller) -> None:
    """From the original in memory; a repeat finds it done, and what the first try tells late ends nothing."""
    document, job = await mesh.submit(ada)
    first = await mesh.hands.next(document.id, "inspect")
    await first.fail("corrupt_document")
    assert JOB_STATE_FAILED == (await mesh.ended(ada, job.id)).state
    again = await retry(mesh, ada, job.id)
    assert (JOB_STATE_PENDING, 2, "queued", False, True) == (
        *(again.state, again.attempts, again.stage),
        again.HasField("completed_at"),
        again.zero_log,
    )
    assert again == await retry(mesh, ada, job.id, is_repeat=True)
    second = await mesh.hands.next(document.id, "inspect")
    assert SECRET.encode() == await mesh.blobs.get(second.task.inspect.source.storage_key)
    await first.report.fail("worker_lost", "Too late.")
    await eventually(lambda: _drained(mesh))
    assert JOB_STATE_PENDING == (await mesh.job(ada, job.id)).state
    await second.finish(inspected([False], await outcome(mesh, second, 1)))
    ended = await mesh.ended(ada, job.id)
    assert (JOB_STATE_COMPLETED, 2, True) == (ended.state, ended.attempts, mesh.hands.idle(document.id))
    with pytest.raises(IllegalState):
        await retry(mesh, ada, job.id)


async def _drained(mesh: Mesh) -> bool:
    return await mesh.hands.bus.depth("FACTS_EPHEMERAL") == 0


async def test_pages_that_could_not_be_read_are_open_again(mesh: Mesh, ada: Caller) -> None:
    """Though their failures were kept; the document is read by the second try."""
    document, job = await mesh.submit(ada)
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([True, True]))
    for _ in range(2):
        ocr = await mesh.hands.next(document.id, "ocr")
        failed = await outcome(mesh, ocr, ocr.task.ocr.page)
        failed.ClearField("content")
        failed.failure.code = "unreadable_page"
        await ocr.finish(PageRecognized(outcome=failed))
    failed_job = await mesh.ended(ada, job.id)
    assert ("unreadable_page", DOCUMENT_STATE_FAILED) == (
        failed_job.error.code,
        (await mesh.document(ada, document.id)).state,
    )
    await retry(mesh, ada, job.id)
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([True, True]))
    for _ in range(2):
        ocr = await mesh.hands.next(document.id, "ocr")
        await ocr.finish(PageRecognized(outcome=await outcome(mesh, ocr, ocr.task.ocr.page)))
    ended = await mesh.ended(ada, job.id)
    assert (JOB_STATE_COMPLETED, 2, 0, DOCUMENT_STATE_COMPLETED) == (
        *(ended.state, ended.pages_done, ended.pages_failed),
        (await mesh.document(ada, document.id)).state,
    )
    assert [f"The text {SECRET}."] * 2 == await mesh.texts(ada, document.id)


async def test_an_analysis_alone_is_made_again(mesh: Mesh, ada: Caller) -> None:
    """Pages that were read are not read anew, and each end is told."""
    async with receiving() as receiver:
        config = JobConfig(analysis=SUMMARY, callback_url=f"{receiver.url}/ends")
        document, job = await mesh.submit(ada, config=config)
        held = await mesh.hands.next(document.id, "inspect")
        await held.finish(inspected([False], await outcome(mesh, held, 1)))
        await (await mesh.hands.next(document.id, "analyze")).fail("model_unavailable")
        assert JOB_STATE_FAILED == (await mesh.ended(ada, job.id)).state
        assert "analyzing" == (await retry(mesh, ada, job.id)).stage
        await (await mesh.hands.next(document.id, "analyze")).finish(found())
        ended = await mesh.ended(ada, job.id)
        assert (JOB_STATE_COMPLETED, 1, True) == (ended.state, ended.pages_done, mesh.hands.idle(document.id))
        first, second = await receiver.got("/ends", 2)
        assert first.id != second.id


async def test_others_and_what_is_not_there_cannot_be_tried_again(mesh: Mesh, ada: Caller, bob: Caller) -> None:
    """Nor an analysis of what could not be read, nor what the memory has lost."""
    document, job = await mesh.submit(ada)
    asked = SubmitAnalysisRequest(document_id=document.id, job_id=str(uuid.uuid4()), config=SUMMARY)
    waiting = (await ada.call(mesh.jobs.SubmitAnalysis, asked)).job
    with pytest.raises(IllegalState):
        await retry(mesh, ada, job.id)
    await (await mesh.hands.next(document.id, "inspect")).fail("corrupt_document")
    assert "nothing_to_analyze" == (await mesh.ended(ada, waiting.id)).error.code
    with pytest.raises(IllegalState):
        await retry(mesh, ada, waiting.id)
    with pytest.raises(NotFound) as caught:
        await retry(mesh, bob, job.id)
    assert "NOT_FOUND" == caught.value.reason
    await mesh.hands.bus.jetstream.purge_stream("EPHEMERAL")
    with pytest.raises(NotFound) as caught:
        await retry(mesh, ada, job.id)
    assert "EPHEMERAL_LOST" == caught.value.reason

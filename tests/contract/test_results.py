"""Reading a document by the results service, with a real PostgreSQL and a real NATS; workers do what the test says."""

import asyncio

import pytest

from mesh import pages
from mesh.bus import Bus
from mesh.errors import IllegalState, NotFound
from pagemesh.ingest.v1.events_pb2 import PagesExtracted
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.job_pb2 import Job, JobConfig
from pagemesh.work.v1.work_pb2 import Task
from tests.contract.recording import (
    Results,
    all_taken_in,
    analysis_of,
    calls_about,
    inspected,
    page,
    results,
    settings,
    submission,
)
from tests.support.broker import eventually
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures


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


def test_tasks_have_the_shape_that_workers_expect() -> None:
    """The kinds that results hands out are those that workers take."""
    assert {"fetch", "inspect", "extract", "ocr", "analyze", "deliver"} == {
        each.name for each in Task.DESCRIPTOR.oneofs_by_name["work"].fields
    }

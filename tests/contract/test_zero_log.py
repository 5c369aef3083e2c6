"""Zero-log work by the results service on a real broker and database: the same pipeline, and nothing in the record."""

import asyncio
import uuid

import pytest

from mesh import pages
from mesh.bus import Bus
from mesh.errors import IllegalState, InvalidArgument, NotFound
from mesh.seal import ARRIVAL_SEAL, Sealer
from pagemesh.ingest.v1.events_pb2 import PagesExtracted
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
from pagemesh.work.v1.work_pb2 import Fact
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.state import State
from tests.contract.zero_logging import SECRET, SUMMARY, Mesh, found, inspected, mesh, outcome, owned, submission
from tests.support.broker import eventually
from tests.support.services import ARRIVAL_SECRET, Caller

__all__ = ["mesh"]  # a fixture


async def test_the_same_pipeline_in_memory(mesh: Mesh, ada: Caller) -> None:
    """Text, scans and an analysis: as for any document, and the answers say that it is forgotten."""
    before = mesh.used(ada.organization_id)
    document, job = await mesh.submit(ada, config=JobConfig(analysis=SUMMARY, password="pässword"))
    assert (True, True, "pending") == (document.zero_log, job.zero_log, job_pb2.JobState.Name(job.state)[10:].lower())
    assert document.expires_at.ToDatetime() == job.expires_at.ToDatetime()
    held = await mesh.hands.next(document.id, "inspect")
    source = held.task.inspect.source
    assert (SECRET.encode(), "pässword") == (await mesh.blobs.get(source.storage_key), source.password)
    await held.finish(inspected([False, True, True], await outcome(mesh, held, 1)))
    first, second = [await mesh.hands.next(document.id, "ocr") for _ in range(2)]
    large = SECRET * 60_000
    await first.finish(PageRecognized(outcome=await outcome(mesh, first, first.task.ocr.page, large)))
    await second.fail("unreadable_page", "No.")
    analyze = await mesh.hands.next(document.id, "analyze")
    assert (SUMMARY.prompt, ada.user_id) == (analyze.task.analyze.config.prompt, analyze.task.analyze.user_id)
    assert [f"The text {SECRET}.", large] == await mesh.texts(ada, document.id)
    await analyze.finish(found())
    ended = await mesh.ended(ada, job.id)
    assert (job_pb2.JOB_STATE_COMPLETED, 100, 3, [second.task.ocr.page]) == (
        *(ended.state, ended.progress, ended.result.page_count),
        [one.page for one in ended.result.pages_failed],
    )
    assert ended.completed_at.ToDatetime() >= ended.started_at.ToDatetime() >= ended.created_at.ToDatetime()
    read = await mesh.document(ada, document.id)
    assert (job_pb2.DOCUMENT_STATE_COMPLETED, 3, {"Title": SECRET}) == (
        *(read.state, read.page_count),
        dict(read.metadata),
    )
    listed = await ada.call(mesh.documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=document.id))
    [analysis] = listed.analyses
    assert (ended.result.analysis_id, job.id, SECRET) == (
        *(analysis.id, analysis.job_id),
        analysis.result_data["answer"],
    )
    page = await ada.call(mesh.documents.ListPages, results_pb2.ListPagesRequest(document_id=document.id, per_page=1))
    assert (True, 2, 1) == (page.zero_log, page.total, len(page.pages))
    await _drained(mesh)
    used = tuple(now - then for now, then in zip(mesh.used(ada.organization_id), before, strict=True))
    assert (1, 2, 17) == used


async def test_an_analysis_finds_all_that_was_read(mesh: Mesh, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is handed out when that is written, however long that takes."""
    save = Memory.save

    async def late(memory: Memory, state: State, revision: int) -> int | None:
        await asyncio.sleep(0.2)
        return await save(memory, state, revision)

    document, job = await mesh.submit(ada, config=JobConfig(analysis=SUMMARY))
    held = await mesh.hands.next(document.id, "inspect")
    monkeypatch.setattr(Memory, "save", late)
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    analyze = await mesh.hands.next(document.id, "analyze")
    assert [f"The text {SECRET}."] == await mesh.texts(ada, document.id)
    await analyze.finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await mesh.ended(ada, job.id)).state


async def test_the_record_has_times_and_counts_alone(mesh: Mesh, ada: Caller) -> None:
    """No document, job, page, task or analysis; no list shows it."""
    document, job = await mesh.submit(ada)
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    await mesh.ended(ada, job.id)
    for table, column in (("documents", "id"), ("jobs", "id"), ("pages", "document_id"), ("tasks", "job_id")):
        assert (0,) == mesh.row(f"SELECT count(*) FROM {table} WHERE {column} IN (%s, %s)", document.id, job.id)
    row = mesh.row("SELECT row_to_json(e)::text FROM ephemeral e WHERE id = %s", job.id)
    assert SECRET not in row[0]
    jobs = await ada.call(mesh.jobs.ListJobs, results_pb2.ListJobsRequest(per_page=100))
    documents = await ada.call(mesh.documents.ListDocuments, results_pb2.ListDocumentsRequest(per_page=100))
    assert job.id not in [one.id for one in jobs.jobs]
    assert document.id not in [one.id for one in documents.documents]


async def test_another_organization_finds_nothing(mesh: Mesh, ada: Caller, bob: Caller) -> None:
    """While it is there, and after."""
    document, job = await mesh.submit(ada)
    for ask in (mesh.job(bob, job.id), mesh.document(bob, document.id), mesh.delete(bob, document.id)):
        with pytest.raises(NotFound) as caught:
            await ask
        assert "NOT_FOUND" == caught.value.reason
    assert job.id == (await mesh.job(ada, job.id)).id
    await mesh.delete(ada, document.id)


async def test_a_repeat_goes_on_with_what_the_first_one_made(mesh: Mesh, ada: Caller) -> None:
    """However often and at once: one document, one job, one task, counted once."""
    before = mesh.used(ada.organization_id)
    request = submission(ada)
    answers = await asyncio.gather(*(ada.call(mesh.jobs.SubmitJob, request) for _ in range(4)))
    [(document_id, job_id)] = {(one.document.id, one.job.id) for one in answers}
    held = await mesh.hands.next(document_id, "inspect")
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    ended = await mesh.ended(ada, job_id)
    repeated = await ada.call(mesh.jobs.SubmitJob, request)
    assert (ended.state, True) == (repeated.job.state, mesh.hands.idle(document_id))
    await _drained(mesh)
    assert (1, 1) == tuple(mesh.used(ada.organization_id)[index] - before[index] for index in range(2))
    request.document.sha256 = "0" * 64
    with pytest.raises(IllegalState):
        await ada.call(mesh.jobs.SubmitJob, request)
    lasting = results_pb2.SubmitJobRequest()
    lasting.CopyFrom(request)
    lasting.ClearField("zero_log")
    lasting.document.storage_key = f"originals/{ada.organization_id}/a.pdf"
    with pytest.raises(IllegalState):
        await ada.call(mesh.jobs.SubmitJob, lasting)


async def test_facts_that_come_again_change_nothing(mesh: Mesh, ada: Caller) -> None:
    """Pages settle once, whatever a second delivery says, and are counted once; later facts find the job ended."""
    before = mesh.used(ada.organization_id)
    document, job = await mesh.submit(ada)
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([False, False]))
    extract = await mesh.hands.next(document.id, "extract")
    first, again, second = [await outcome(mesh, extract, *one) for one in ((1, "once"), (1, "twice"), (2, "two"))]
    await extract.report.tell(PagesExtracted(outcomes=[first]), last=False)
    await extract.report.tell(PagesExtracted(outcomes=[again]), last=False)
    await extract.finish(PagesExtracted(outcomes=[second]))
    ended = await mesh.ended(ada, job.id)
    await extract.report.fail("worker_lost", "Too late.")
    await _drained(mesh)
    assert (2, 0, ended) == (ended.pages_done, ended.pages_failed, await mesh.job(ada, job.id))
    assert ["once", "two"] == await mesh.texts(ada, document.id)
    assert 2 == mesh.used(ada.organization_id)[1] - before[1]


async def test_what_was_read_on_arrival_is_taken_in_at_once(mesh: Mesh, ada: Caller) -> None:
    """As the record does, if ingest vouches for it."""
    request = submission(ada)
    document_id = owned(ada, request.document.id)
    page = Page(number=1, width=595, height=842, text="read", engine="test 1")
    read = inspected([False], await pages.pack(page, mesh.blobs, f"pages/{document_id}")).SerializeToString()
    request.arrival.inspected = read
    request.arrival.seal = Sealer(ARRIVAL_SECRET, ARRIVAL_SEAL).seal(request.document.storage_key.encode(), read)
    answer = await ada.call(mesh.jobs.SubmitJob, request)
    assert (job_pb2.JOB_STATE_COMPLETED, True) == (answer.job.state, mesh.hands.idle(document_id))
    assert ["read"] == await mesh.texts(ada, document_id)


async def test_an_analysis_inherits_the_end_of_its_document(mesh: Mesh, ada: Caller) -> None:
    """Asked for while the document is being read, it waits; its prompt and result are in memory alone."""
    document, _ = await mesh.submit(ada)
    request = results_pb2.SubmitAnalysisRequest(document_id=document.id, job_id=str(uuid.uuid4()), config=SUMMARY)
    asked = (await ada.call(mesh.jobs.SubmitAnalysis, request)).job
    assert ("waiting", document.expires_at, True) == (asked.stage, asked.expires_at, asked.zero_log)
    again = (await ada.call(mesh.jobs.SubmitAnalysis, request)).job
    assert asked.id == again.id
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    analyze = await mesh.hands.next(document.id, "analyze")
    await analyze.finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await mesh.ended(ada, asked.id)).state
    assert (0,) == mesh.row("SELECT count(*) FROM analyses WHERE document_id = %s", document.id)


async def test_a_private_analysis_of_an_ordinary_document(mesh: Mesh, ada: Caller) -> None:
    """Its job and result are in memory for their time; the document stays where it is."""
    request = submission(ada)
    request.ClearField("zero_log")
    request.document.storage_key = f"originals/{ada.organization_id}/a.pdf"
    document = (await ada.call(mesh.jobs.SubmitJob, request)).document
    wanted = {"document_id": document.id, "config": SUMMARY, "zero_log": ZeroLog(ttl_seconds=600)}
    asked = results_pb2.SubmitAnalysisRequest(job_id=str(uuid.uuid4()), **wanted)
    with pytest.raises(IllegalState):
        await ada.call(mesh.jobs.SubmitAnalysis, asked)
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    await eventually(lambda: _completed(mesh, ada, document.id))
    job = (await ada.call(mesh.jobs.SubmitAnalysis, asked)).job
    analyze = await mesh.hands.next(document.id, "analyze")
    await analyze.finish(found())
    ended = await mesh.ended(ada, job.id)
    listed = await ada.call(mesh.documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=document.id))
    assert ([ended.result.analysis_id], True) == ([one.id for one in listed.analyses], listed.zero_log)
    assert (0,) == mesh.row("SELECT count(*) FROM jobs WHERE id = %s", job.id)
    await mesh.delete(ada, document.id)
    with pytest.raises(NotFound):
        await mesh.job(ada, job.id)
    assert 0 == await mesh.bytes_of(job.id)


async def _completed(mesh: Mesh, caller: Caller, document_id: str) -> bool:
    return (await mesh.document(caller, document_id)).state == job_pb2.DOCUMENT_STATE_COMPLETED


async def test_deleting_erases_at_once_what_waits_as_well(mesh: Mesh, ada: Caller) -> None:
    """Tasks that nobody has taken, originals, pages; what a worker tells later is dropped."""
    document, job = await mesh.submit(ada)
    held = await mesh.hands.next(document.id, "inspect")
    assert 0 < await mesh.bytes_of(document.id, job.id)
    await mesh.delete(ada, document.id)
    assert 0 == await mesh.bytes_of(document.id, job.id)
    for ask in (mesh.job(ada, job.id), mesh.document(ada, document.id), mesh.delete(ada, document.id)):
        with pytest.raises(NotFound) as caught:
            await ask
        assert "NOT_FOUND" == caught.value.reason
    await held.finish(inspected([False], await outcome(mesh, held, 1, SECRET * 60_000)))
    await _drained(mesh)
    assert 0 == await mesh.bytes_of(document.id, job.id)


async def test_after_its_time_it_is_gone_and_said_to_be(mesh: Mesh, ada: Caller, bob: Caller) -> None:
    """Expired for its organization, not there for others; the memory is given back."""
    document, job = await mesh.submit(ada, seconds=2)
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    await mesh.ended(ada, job.id)
    await eventually(lambda: _is_empty(mesh, document.id, job.id), within=10)
    for ask in (mesh.job(ada, job.id), mesh.document(ada, document.id), mesh.delete(ada, document.id)):
        with pytest.raises(NotFound) as caught:
            await ask
        assert "EXPIRED" == caught.value.reason
    with pytest.raises(NotFound) as caught:
        await mesh.job(bob, job.id)
    assert "NOT_FOUND" == caught.value.reason
    assert (True,) == mesh.row("SELECT erased_at >= expires_at FROM ephemeral WHERE id = %s", job.id)


async def _is_empty(mesh: Mesh, *ids: str) -> bool:
    return await mesh.bytes_of(*ids) == 0


async def test_lost_memory_fails_the_job_and_a_repeat_begins_anew(mesh: Mesh, ada: Caller) -> None:
    """Nothing that was accepted stays unanswered."""
    request = submission(ada)
    answer = await ada.call(mesh.jobs.SubmitJob, request)
    held = await mesh.hands.next(answer.document.id, "inspect")
    await mesh.hands.bus.jetstream.purge_stream("EPHEMERAL")
    job = await mesh.job(ada, answer.job.id)
    assert (job_pb2.JOB_STATE_FAILED, "ephemeral_lost", True) == (job.state, job.error.code, job.zero_log)
    with pytest.raises(NotFound) as caught:
        await mesh.document(ada, answer.document.id)
    assert "EPHEMERAL_LOST" == caught.value.reason
    await ada.call(mesh.jobs.SubmitJob, request)
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    assert job_pb2.JOB_STATE_COMPLETED == (await mesh.ended(ada, answer.job.id)).state


async def test_cancelling_ends_a_job_and_what_waits_for_it(mesh: Mesh, ada: Caller, bob: Caller) -> None:
    """What was read stays; pages that come later count for nothing; analyses that waited go on with what there is."""
    document, job = await mesh.submit(ada)
    request = results_pb2.SubmitAnalysisRequest(document_id=document.id, job_id=str(uuid.uuid4()), config=SUMMARY)
    waiting = (await ada.call(mesh.jobs.SubmitAnalysis, request)).job
    held = await mesh.hands.next(document.id, "inspect")
    await held.finish(inspected([False, True], await outcome(mesh, held, 1)))
    ocr = await mesh.hands.next(document.id, "ocr")
    async with mesh.beside() as ephemeral:
        with pytest.raises(NotFound):
            await ephemeral.cancel(uuid.UUID(bob.organization_id), uuid.UUID(job.id), None)
        ids = (uuid.UUID(ada.organization_id), uuid.UUID(job.id), uuid.UUID(ada.user_id))
        ended = await ephemeral.cancel(*ids)
        assert (job_pb2.JOB_STATE_CANCELLED, True) == (ended.state, ended.HasField("completed_at"))
        with pytest.raises(IllegalState):
            await ephemeral.cancel(*ids)
    await ocr.finish(PageRecognized(outcome=await outcome(mesh, ocr, 2)))
    await _drained(mesh)
    assert ended == await mesh.job(ada, job.id)
    assert [f"The text {SECRET}."] == await mesh.texts(ada, document.id)
    assert "waiting" != (await mesh.job(ada, waiting.id)).stage
    await mesh.delete(ada, document.id)


async def test_a_fact_that_makes_no_sense_ends_its_task(mesh: Mesh, ada: Caller, bus: Bus) -> None:
    """It is about nobody's job, and is dropped without a copy."""
    dead = await bus.depth("DEAD")
    await bus.publish("zlfacts.test.x", b"nonsense", uuid.uuid4().hex)
    fact = Fact(task_id=str(uuid.uuid4()), job_id=str(uuid.uuid4()), last=True)
    await bus.publish(f"zlfacts.test.{fact.job_id}", fact.SerializeToString(), uuid.uuid4().hex)
    await eventually(lambda: _left(bus, 1))
    assert dead == await bus.depth("DEAD")
    await bus.jetstream.purge_stream("FACTS_EPHEMERAL")


async def _left(bus: Bus, count: int) -> bool:
    return await bus.depth("FACTS_EPHEMERAL") == count


async def _drained(mesh: Mesh) -> None:
    """A fact is acknowledged once it is counted, which is after its job is seen to have ended."""
    await eventually(lambda: _left(mesh.hands.bus, 0))


async def test_keys_and_times_of_others_are_refused(mesh: Mesh, ada: Caller, bob: Caller) -> None:
    """A key of another organization, document or kind, and times beyond the bounds."""
    for key in (
        submission(bob).document.storage_key,
        submission(ada).document.storage_key,
        f"originals/{ada.organization_id}/a.pdf",
    ):
        request = submission(ada)
        request.document.storage_key = key
        with pytest.raises(InvalidArgument):
            await ada.call(mesh.jobs.SubmitJob, request)
    with pytest.raises(InvalidArgument):
        await ada.call(mesh.jobs.SubmitJob, submission(ada, config=JobConfig(callback_url="https://example.org/")))
    for seconds in (0, -1, 3_601):
        request = submission(ada)
        request.zero_log.ttl_seconds = seconds
        with pytest.raises(InvalidArgument):
            await ada.call(mesh.jobs.SubmitJob, request)

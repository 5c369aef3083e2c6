"""Zero-log work by the results service on a real broker and database: the same pipeline, and nothing in the record."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from mesh import db, memory_blobs, pages
from mesh.addresses import Allowed
from mesh.bus import Bus
from mesh.errors import IllegalState, InvalidArgument, NotFound
from mesh.seal import ARRIVAL_SEAL, Sealer
from mesh.storage import Storage
from mesh.tasks import pages_folder
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo, PagesExtracted
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, TokenUsage
from pagemesh.results.v1.job_pb2 import Document, Job, JobConfig
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.results.v1.page_pb2 import Line, Page
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub, JobServiceStub
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
from pagemesh.work.v1.work_pb2 import Fact
from services.results.ephemeral import Ephemeral
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.reading import EphemeralWork
from services.results.ephemeral.recording import Recording
from services.results.service import serve
from services.results.settings import ResultsSettings
from services.results.status import StatusFeed
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.store.database import SCHEMA
from services.results.tombstones import Tombstone
from services.results.webhooks.callbacks import Callbacks
from services.results.webhooks.secrets import Secrets
from tests.support.broker import eventually
from tests.support.services import ARRIVAL_SECRET, Caller, Hands, Held, running

SECRET = "canary-5f0c27"
SUMMARY = AnalysisConfig(analysis_type="custom", prompt=f"What of {SECRET}?")
EVERY_STREAM = ("EPHEMERAL", "WORK_EPHEMERAL", "FACTS_EPHEMERAL")


async def _record(store: Store, tombstone: Tombstone) -> None:
    async with store.reading() as tables:
        await tables.erasures.record(tombstone)


class Mesh:
    """The running service, its workers, and what is behind it."""

    def __init__(self, channel: Any, hands: Hands, blobs: Storage, url: str) -> None:
        self.channel = channel
        self.jobs = JobServiceStub(channel)
        self.documents = DocumentServiceStub(channel)
        self.hands = hands
        self.blobs = blobs
        self._url = url
        self._dsn = url.replace("+psycopg", "")

    async def submit(self, caller: Caller, **more: Any) -> tuple[Document, Job]:
        """Starts a new document; its original is in memory."""
        request = submission(caller, **more)
        await self.blobs.put(request.document.storage_key, SECRET.encode())
        answer = await caller.call(self.jobs.SubmitJob, request)
        return answer.document, answer.job

    async def job(self, caller: Caller, job_id: str) -> Job:
        """The job now."""
        answer = await caller.call(self.jobs.GetJob, results_pb2.GetJobRequest(job_id=job_id))
        job: Job = answer.job
        return job

    async def ended(self, caller: Caller, job_id: str) -> Job:
        """The job once it has ended."""
        watched = await caller.stream(self.jobs.WatchJob, results_pb2.WatchJobRequest(job_id=job_id))
        job: Job = watched[-1].job
        return job

    async def document(self, caller: Caller, document_id: str) -> Document:
        """The document now."""
        request = results_pb2.GetDocumentRequest(document_id=document_id)
        answer = await caller.call(self.documents.GetDocument, request)
        document: Document = answer.document
        return document

    async def delete(self, caller: Caller, document_id: str) -> None:
        """Deletes the document."""
        request = results_pb2.DeleteDocumentRequest(document_id=document_id)
        await caller.call(self.documents.DeleteDocument, request)

    async def texts(self, caller: Caller, document_id: str) -> list[str]:
        """Texts of the pages read."""
        request = results_pb2.StreamPagesRequest(document_id=document_id, include_lines=True)
        answers = await caller.stream(self.documents.StreamPages, request)
        assert all(one.zero_log for one in answers)
        return [one.page.text for one in answers if one.HasField("page")]

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[Ephemeral]:
        """Zero-log work, as another replica of the service does it."""
        bus, store = self.hands.bus, Store(db.connect(self._url, SCHEMA, 2))
        memory, status = Memory(bus, self.blobs), StatusFeed(bus)
        stopping, recording = Stopping(bus, store), Recording(bus, store, memory, status)
        work = EphemeralWork(store, memory, status, stopping, partial(_record, store))
        callbacks = Callbacks(Allowed.parse(""), Secrets(""))
        yield Ephemeral.over(store, memory, recording, stopping, work, callbacks)
        await stopping.finish()
        await store.close()

    async def bytes_of(self, document_id: str, *job_ids: str) -> int:
        """Messages that the broker has of a document."""
        jetstream, count = self.hands.bus.jetstream, 0
        for stream in EVERY_STREAM:
            subjects = (await jetstream.stream_info(stream, subjects_filter=">")).state.subjects or {}
            ours = {document_id, *job_ids}
            count += sum(number for subject, number in subjects.items() if ours & set(subject.split(".")))
        return count

    def row(self, statement: str, *values: str) -> Any:
        """The first row of a query."""
        with psycopg.connect(self._dsn, autocommit=True, options="-c search_path=results") as connection:
            return connection.execute(statement.encode(), values).fetchone()

    def used(self, organization_id: str) -> tuple[int, int, int]:
        """Documents, pages and tokens that an organization has used."""
        sums = "SELECT coalesce(sum(documents),0), coalesce(sum(pages),0), coalesce(sum(tokens),0) FROM usage"
        row: tuple[int, int, int] = self.row(f"{sums} WHERE organization_id = %s", organization_id)
        return row


def submission(caller: Caller, seconds: int = 600, **more: Any) -> results_pb2.SubmitJobRequest:
    """A request for a new zero-log document."""
    chosen = more.pop("document_id", str(uuid.uuid4()))
    document_id = more.pop("owned_id", None) or owned(caller, chosen)
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    folder = memory_blobs.folder(caller.organization_id, document_id, expires_at)
    document = Document(
        id=chosen,
        original_filename=f"{SECRET}.pdf",
        file_size=len(SECRET),
        mime_type="application/pdf",
        sha256=hashlib.sha256(SECRET.encode()).hexdigest(),
        storage_key=f"{folder}/original.pdf",
    )
    document.expires_at.FromDatetime(expires_at)
    values = {"job_id": str(uuid.uuid4()), "priority": 5, "zero_log": ZeroLog(ttl_seconds=seconds), **more}
    return results_pb2.SubmitJobRequest(document=document, **values)


def owned(caller: Caller, chosen: str) -> str:
    """The id that the service makes of a chosen one."""
    from mesh.ids import owned as own

    return str(own(caller.organization_id, chosen, "id"))


async def outcome(mesh: Mesh, held: Held, number: int, text: str = f"The text {SECRET}.") -> PageOutcome:
    """A page that was read."""
    page = Page(number=number, width=595, height=842, text=text, lines=[Line(text=text)], engine="test 1")
    return await pages.pack(page, mesh.blobs, pages_folder(held.task))


def inspected(needs_ocr: list[bool], *outcomes: PageOutcome) -> DocumentInspected:
    """An inspection of pages."""
    infos = [PageInfo(width=595, height=842, needs_ocr=each) for each in needs_ocr]
    return DocumentInspected(pages=infos, metadata={"Title": SECRET}, outcomes=outcomes)


def found() -> DocumentAnalyzed:
    """What an analysis found."""
    outcome = AnalysisOutcome(confidence=0.5, model_version="test 1", token_usage=TokenUsage(total_tokens=17))
    outcome.result_data.update({"answer": SECRET})
    return DocumentAnalyzed(outcome=outcome)


@pytest.fixture(scope="module")
async def mesh(
    common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path, bus: Bus
) -> AsyncIterator[Mesh]:
    """The running service with workers."""
    async with meshed(common, fresh_database(), server_directory, bus) as mesh:
        yield mesh


@asynccontextmanager
async def meshed(common: dict[str, Any], url: str, directory: Path, bus: Bus, **more: Any) -> AsyncIterator[Mesh]:
    """The running service with workers, inside the block."""
    listen = f"unix:{directory}/{uuid.uuid4().hex[:8]}.sock"
    settings = ResultsSettings(listen=listen, database_url=SecretStr(url), **common, **more)
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Mesh(channel, hands, Storage(settings.storage_url, lambda: bus), url)
        await hands.stop()


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
    used = tuple(now - then for now, then in zip(mesh.used(ada.organization_id), before, strict=True))
    assert (1, 2, 17) == used


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

"""Zero-log runs by the results service: the same runs, in memory alone."""

import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from standardwebhooks import Webhook

from mesh import memory_blobs
from mesh.errors import IllegalState, NotFound
from mesh.tasks import expiry
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.results.v1 import job_pb2, results_pb2, runs_pb2, webhooks_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.job_pb2 import Document
from pagemesh.results.v1.runs_pb2 import Run, SentRun
from pagemesh.results.v1.runs_pb2_grpc import RunServiceStub
from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceStub
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.state import State
from tests.contract.test_zero_log_calls import database, mesh
from tests.contract.zero_logging import SECRET, Mesh, found, inspected, outcome, submission
from tests.support.broker import eventually
from tests.support.receiver import receiving
from tests.support.services import Caller, Held

__all__ = ["database", "mesh"]  # fixtures

SUMMARY, TAGS = AnalysisConfig(analysis_type="summary"), AnalysisConfig(analysis_type="tagging")
URL = f"https://example.org/{SECRET}.pdf"


@dataclass
class Runs:
    """Runs of one person."""

    mesh: Mesh
    caller: Caller

    @property
    def stub(self) -> Any:
        """Who has them."""
        return RunServiceStub(self.mesh.channel)

    async def submit(self, seconds: int | None = 600, **fields: Any) -> Run:
        """Starts one of something that is named."""
        fields = {"id": str(uuid.uuid4()), "priority": 5, "max_bytes": 1_000, **fields}
        zero_log = ZeroLog(ttl_seconds=seconds) if seconds else None
        request = runs_pb2.SubmitRunRequest(zero_log=zero_log, **fields)
        run: Run = (await self.caller.call(self.stub.SubmitRun, request)).run
        return run

    async def sent(self, *analyses: AnalysisConfig, seconds: int = 600, **sent: str) -> Run:
        """Starts one of a file or a text."""
        run = SentRun(id=str(uuid.uuid4()), analyses=analyses, **(sent or {"file": "a.pdf"}))
        request = submission(self.caller, seconds, run=run)
        await self.mesh.blobs.put(request.document.storage_key, SECRET.encode())
        made: Run = (await self.caller.call(self.mesh.jobs.SubmitJob, request)).run
        return made

    async def get(self, run: Run) -> Run:
        """The run now."""
        answer = await self.caller.call(self.stub.GetRun, runs_pb2.GetRunRequest(run_id=run.id))
        now: Run = answer.run
        return now

    async def ended(self, run: Run) -> Run:
        """The run once it has ended."""
        watched = await self.caller.stream(self.stub.WatchRun, runs_pb2.WatchRunRequest(run_id=run.id))
        ended: Run = watched[-1].run
        return ended

    async def cancel(self, run: Run) -> Run:
        """Cancels it."""
        cancelled: Run = (await self.caller.call(self.stub.CancelRun, runs_pb2.CancelRunRequest(run_id=run.id))).run
        return cancelled

    async def read(self, document_id: str, needs_ocr: list[bool] | None = None) -> None:
        """Has a document's first page read."""
        held = await self.mesh.hands.next(document_id, "inspect")
        await held.finish(inspected(needs_ocr or [False], await outcome(self.mesh, held, 1)))

    async def analyse(self, document_id: str) -> None:
        """Has an analysis made."""
        await (await self.mesh.hands.next(document_id, "analyze")).finish(found())

    async def document(self) -> Document:
        """An ordinary document that was read."""
        request = submission(self.caller)
        request.ClearField("zero_log")
        request.document.storage_key = f"originals/{self.caller.organization_id}/a.pdf"
        document: Document = (await self.caller.call(self.mesh.jobs.SubmitJob, request)).document
        await self.read(document.id)
        await eventually(lambda: self._is_read(document.id))
        return document

    async def _is_read(self, document_id: str) -> bool:
        return (await self.mesh.document(self.caller, document_id)).page_count == 1


@pytest.fixture
def runs(mesh: Mesh, ada: Caller) -> Runs:
    """Ada's."""
    return Runs(mesh, ada)


async def test_a_file_is_read_and_analysed(runs: Runs, ada: Caller, bob: Caller) -> None:
    """As any run, with one result; no list, no table and nobody else has it."""
    run = await runs.sent(SUMMARY, TAGS, file=f"{SECRET}.pdf", callback_url="")
    assert (True, runs_pb2.RUN_STATE_PENDING, ["queued", "waiting", "waiting"]) == (
        *(run.zero_log, run.state),
        [job.stage for job in run.jobs],
    )
    await runs.read(run.document_id)
    for _ in range(2):
        await runs.analyse(run.document_id)
    ended = await runs.ended(run)
    result = ended.result
    assert (runs_pb2.RUN_STATE_COMPLETED, 100, {"summary", "tagging"}, 1, ["test 1"], run.expires_at) == (
        *(ended.state, ended.progress, {one.analysis_type for one in result.analyses}),
        *(result.reading.page_count, list(result.engines), ended.expires_at),
    )
    assert (0,) == runs.mesh.row("SELECT count(*) FROM runs WHERE id = %s", run.id)
    assert (4,) == runs.mesh.row("SELECT count(*) FROM ephemeral WHERE root_id = %s", run.document_id)
    listed = await ada.call(runs.stub.ListRuns, runs_pb2.ListRunsRequest())
    assert run.id not in {one.id for one in listed.runs}
    with pytest.raises(NotFound) as caught:
        await Runs(runs.mesh, bob).get(run)
    assert "NOT_FOUND" == caught.value.reason
    for wrong in (runs.mesh.job(ada, run.id), runs.get(Run(id=run.jobs[0].id))):  # neither is the other
        with pytest.raises(NotFound):
            await wrong


async def test_the_document_of_a_text_is_nobodys(runs: Runs, ada: Caller) -> None:
    """It is counted, and found only through its run."""
    run = await runs.sent(text=f"It says {SECRET}.")
    await runs.read(run.document_id)
    assert f"It says {SECRET}." == (await runs.ended(run)).source.text
    asked = results_pb2.SubmitAnalysisRequest(document_id=run.document_id, job_id=str(uuid.uuid4()), config=SUMMARY)
    for ask in (
        runs.mesh.document(ada, run.document_id),
        runs.mesh.delete(ada, run.document_id),
        ada.call(runs.mesh.jobs.SubmitAnalysis, asked),
        runs.submit(document_id=run.document_id),
    ):
        with pytest.raises(NotFound):
            await ask


async def test_a_url_is_fetched_into_memory(runs: Runs, ada: Caller) -> None:
    """Its worker is told until when; a repeat makes nothing new, and another run under the id is refused."""
    asked: dict[str, Any] = {"id": str(uuid.uuid4()), "url": URL, "analyses": [SUMMARY]}
    run = await runs.submit(**asked)
    held = await runs.mesh.hands.next(run.document_id, "fetch")
    assert (URL, run.expires_at) == (held.task.fetch.url, held.task.expires_at)
    assert run.id == (await runs.submit(**asked)).id
    await held.finish(DocumentFetched(), await fetched(runs, held))
    await runs.read(run.document_id)
    await runs.analyse(run.document_id)
    ended = await runs.ended(run)
    assert (runs_pb2.RUN_STATE_COMPLETED, "Final.pdf", URL) == (
        *(ended.state, ended.result.document.original_filename),
        ended.source.url,
    )
    assert (ended.id, ended.state) == ((again := await runs.submit(**asked)).id, again.state)
    with pytest.raises(IllegalState):
        await runs.submit(**asked | {"url": "https://example.org/other.pdf"})
    await runs.mesh.delete(ada, run.document_id)
    assert 0 == await runs.mesh.bytes_of(run.document_id, *(job.id for job in run.jobs))
    with pytest.raises(NotFound):
        await runs.get(run)


async def fetched(runs: Runs, held: Held) -> DocumentFetched:
    """An original that was fetched into memory."""
    expires_at = expiry(held.task)
    assert expires_at is not None
    folder = memory_blobs.folder(held.task.organization_id, held.task.document_id, expires_at)
    key = f"{folder}/{uuid.uuid4()}.pdf"
    await runs.mesh.blobs.put(key, SECRET.encode())
    return DocumentFetched(
        storage_key=key, sha256="ab" * 32, size=12, mime_type="application/pdf", filename="Final.pdf"
    )


async def test_a_fetch_that_fails_fails_its_run(runs: Runs) -> None:
    """With the reason."""
    run = await runs.submit(url=URL, analyses=[SUMMARY])
    await (await runs.mesh.hands.next(run.document_id, "fetch")).fail("fetch_failed")
    ended = await runs.ended(run)
    assert (runs_pb2.RUN_STATE_FAILED, "fetch_failed") == (ended.state, ended.error.code)


async def test_a_run_on_a_document_in_memory_ends_with_it(runs: Runs, ada: Caller) -> None:
    """Unasked; begun while it is being read, it takes the reading in, and cancelling it leaves that to others."""
    document, _ = await runs.mesh.submit(ada)
    run = await runs.submit(None, document_id=document.id, analyses=[SUMMARY])
    assert (True, document.expires_at, 2) == (run.zero_log, run.expires_at, len(run.jobs))
    other = await runs.submit(document_id=document.id, analyses=[TAGS])
    assert (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_CANCELLED) == tuple(
        job.state for job in (await runs.cancel(other)).jobs
    )
    await runs.read(document.id)
    await runs.analyse(document.id)
    ended = await runs.ended(run)
    assert (runs_pb2.RUN_STATE_COMPLETED, document.id) == (ended.state, ended.result.document.id)
    assert runs_pb2.RUN_STATE_CANCELLED == (await runs.ended(other)).state  # its reading went on for the other
    await runs.mesh.delete(ada, document.id)
    with pytest.raises(NotFound):
        await runs.get(run)


async def test_a_private_run_on_an_ordinary_document(runs: Runs, ada: Caller) -> None:
    """It is in memory alone, the document stays; its analyses are found beside those of the record, each once."""
    document = await runs.document()
    run = await runs.submit(document_id=document.id, analyses=[SUMMARY, TAGS])
    for _ in range(2):
        await runs.analyse(document.id)
    ended = await runs.ended(run)
    assert (runs_pb2.RUN_STATE_COMPLETED, 2, 1, ["test 1"]) == (
        *(ended.state, len(ended.result.analyses), ended.result.document.page_count),
        list(ended.result.engines),
    )
    listed = await ada.call(runs.mesh.documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=document.id))
    assert 2 == len(listed.analyses)
    assert (0,) == runs.mesh.row("SELECT count(*) FROM jobs WHERE document_id = %s AND type = 'analysis'", document.id)
    await runs.mesh.delete(ada, document.id)
    with pytest.raises(NotFound):
        await runs.get(run)


async def test_cancelling_ends_what_has_not_ended(runs: Runs) -> None:
    """Reading and analyses; what a worker tells later counts for nothing, and a second time there is nothing to end."""
    run = await runs.sent(SUMMARY)
    await runs.read(run.document_id, [False, True])
    ocr = await runs.mesh.hands.next(run.document_id, "ocr")
    cancelled = await runs.cancel(run)
    assert (runs_pb2.RUN_STATE_CANCELLED, {job_pb2.JOB_STATE_CANCELLED}) == (
        cancelled.state,
        {job.state for job in cancelled.jobs},
    )
    await ocr.fail("worker_lost")
    with pytest.raises(IllegalState):
        await runs.cancel(run)
    assert cancelled.revision == (await runs.get(run)).revision


async def test_after_its_time_a_run_has_expired(runs: Runs, bob: Caller) -> None:
    """For its organization; for others there was none. One whose memory was lost is said to be."""
    run = await runs.sent(seconds=2)
    await runs.read(run.document_id)
    await runs.ended(run)

    async def is_gone() -> bool:
        return await runs.mesh.bytes_of(run.document_id) == 0

    await eventually(is_gone, within=10)
    analysis = results_pb2.SubmitAnalysisRequest(document_id=run.document_id, job_id=str(uuid.uuid4()), config=SUMMARY)
    for ask in (
        runs.get(run),
        runs.cancel(run),
        runs.submit(document_id=run.document_id),
        runs.caller.call(runs.mesh.jobs.SubmitAnalysis, analysis),
    ):
        with pytest.raises(NotFound) as caught:
            await ask
        assert "EXPIRED" == caught.value.reason
    with pytest.raises(NotFound) as caught:
        await Runs(runs.mesh, bob).get(run)
    assert "NOT_FOUND" == caught.value.reason
    lost = await runs.sent()
    await runs.mesh.hands.bus.jetstream.purge_stream("EPHEMERAL")
    with pytest.raises(NotFound) as caught:
        await runs.get(lost)
    assert "EPHEMERAL_LOST" == caught.value.reason


async def test_a_run_calls_back_once(runs: Runs, ada: Caller) -> None:
    """When its last job has ended, or at once where there is nothing to do."""
    answer = await ada.call(
        WebhookServiceStub(runs.mesh.channel).GetWebhookSecret, webhooks_pb2.GetWebhookSecretRequest()
    )
    verifier = Webhook(answer.secret.secret)
    document = await runs.document()
    async with receiving() as receiver:
        run = await runs.sent(SUMMARY, file="a.pdf", callback_url=f"{receiver.url}/run")
        await runs.read(run.document_id)
        await runs.analyse(run.document_id)
        nothing = await runs.submit(document_id=document.id, callback_url=f"{receiver.url}/nothing")
        for path, one in (("/run", run), ("/nothing", nothing)):
            [hit] = await receiver.got(path)
            event = verifier.verify(hit.body, hit.headers)
            assert ("run.completed", one.id, one.document_id) == (
                event["type"],
                *(event["data"][name] for name in ("run_id", "document_id")),
            )


async def test_an_end_that_is_written_late_is_told_all_the_same(
    runs: Runs, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is there before the end, which may be of a run, or of a whole root, that nobody has seen yet."""
    kept, _ = await runs.mesh.submit(ada)
    await runs.read(kept.id)
    recorded = await runs.document()
    save = Memory.save

    async def late(memory: Memory, state: State, revision: int) -> int | None:
        await asyncio.sleep(0.3)
        return await save(memory, state, revision)

    monkeypatch.setattr(Memory, "save", late)
    async with receiving() as receiver:
        for path, document, seconds in (("/kept", kept, None), ("/recorded", recorded, 600)):
            run = await runs.submit(seconds, document_id=document.id, callback_url=receiver.url + path)
            [hit] = await receiver.got(path)
            assert run.id == json.loads(hit.body)["data"]["run_id"]

"""Zero-log work as tests of results see it: the service with its clients, and workers that do what the test says."""

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

from mesh import db, ids, memory_blobs, pages
from mesh.addresses import Allowed
from mesh.bus import Bus
from mesh.storage import Storage
from mesh.tasks import pages_folder
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo
from pagemesh.results.v1 import results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, TokenUsage
from pagemesh.results.v1.job_pb2 import Document, Job
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.results.v1.page_pb2 import Line, Page
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
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
from tests.contract.recording import Clients
from tests.support.services import Caller, Hands, Held, running

SECRET = "canary-5f0c27"
SUMMARY = AnalysisConfig(analysis_type="custom", prompt=f"What of {SECRET}?")
EVERY_STREAM = ("EPHEMERAL", "WORK_EPHEMERAL", "FACTS_EPHEMERAL")


async def _record(store: Store, tombstone: Tombstone) -> None:
    async with store.reading() as tables:
        await tables.erasures.record(tombstone)


class Mesh(Clients):
    """The running service, its workers, and what is behind it."""

    def __init__(self, channel: Any, hands: Hands, blobs: Storage, url: str) -> None:
        super().__init__(channel, hands)
        self.blobs = blobs
        self._url = url
        self._dsn = url.replace("+psycopg", "")

    async def submit(self, caller: Caller, **more: Any) -> tuple[Document, Job]:
        """Starts a new document; its original is in memory."""
        request = submission(caller, **more)
        await self.blobs.put(request.document.storage_key, SECRET.encode())
        answer = await caller.call(self.jobs.SubmitJob, request)
        return answer.document, answer.job

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
    return str(ids.owned(caller.organization_id, chosen, "id"))


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

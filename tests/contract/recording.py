"""The results service over gRPC as tests see it: its clients, and workers that do what the test says."""

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
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo
from pagemesh.results.v1 import results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.job_pb2 import Document, Job
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.results.v1.page_pb2 import Line, Page, PageSource
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub, JobServiceStub
from pagemesh.work.v1.work_pb2 import Fact
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.support.broker import eventually
from tests.support.services import Caller, Hands, Held, running

NOBODYS = "00000000-0000-4000-8000-000000000000"
SUMMARY = AnalysisConfig(analysis_type="summary")


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service."""
    url = SecretStr(fresh_database())
    return ResultsSettings(listen=f"unix:{server_directory}/results.sock", database_url=url, **common)


class Clients:
    """Clients of the service, and workers."""

    def __init__(self, channel: Any, hands: Hands) -> None:
        self.channel = channel
        self.jobs = JobServiceStub(channel)
        self.documents = DocumentServiceStub(channel)
        self.hands = hands

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


class Results(Clients):
    """What is asked of the service, and done by workers, about documents that are recorded."""

    def __init__(self, channel: Any, hands: Hands, blobs: Blobs) -> None:
        super().__init__(channel, hands)
        self.blobs = blobs

    async def submit(self, caller: Caller, name: str = "a.pdf", **more: Any) -> tuple[Document, Job]:
        """Records a new document; `more` are fields of the request."""
        response = await caller.call(self.jobs.SubmitJob, submission(caller, name, **more))
        return response.document, response.job

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


def analysis_of(document: Document, **more: Any) -> results_pb2.SubmitAnalysisRequest:
    """A request for a summary."""
    values = {"document_id": document.id, "job_id": str(uuid.uuid4()), "config": SUMMARY, **more}
    return results_pb2.SubmitAnalysisRequest(**values)


@pytest.fixture(scope="module")
async def results(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Results]:
    """The running service with workers."""
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Results(channel, hands, Blobs(settings.storage_url))
        await hands.stop()


async def all_taken_in(results: Results) -> None:
    """Waits until no fact waits to be taken in."""

    async def none_wait() -> bool:
        return await results.hands.bus.depth("FACTS") == 0

    await eventually(none_wait)


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

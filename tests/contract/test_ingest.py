"""The ingest service over gRPC and NATS; the record and OCR are small servers of the test."""

import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from mesh import context, errors, pages
from mesh.blobs import Blobs
from mesh.errors import InvalidArgument, NotFound, PagemeshError, TooMuch, Unauthenticated, Unavailable, to_status
from pagemesh.ingest.v1.ingest_pb2 import UploadConfig, UploadRequest, UploadResponse
from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceStub
from pagemesh.ocr.v1.ocr_pb2 import Engine, ListEnginesRequest, ListEnginesResponse
from pagemesh.ocr.v1.ocr_pb2_grpc import OcrServiceServicer, add_OcrServiceServicer_to_server
from pagemesh.results.v1 import results_pb2
from pagemesh.results.v1.job_pb2 import Job, JobConfig
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.results.v1.results_pb2_grpc import JobServiceServicer, add_JobServiceServicer_to_server
from pagemesh.work.v1.work_pb2 import ExtractTask, Fact, InspectTask, Source, Task
from services.ingest.service import serve
from services.ingest.settings import IngestSettings
from tests.support import documents
from tests.support.broker import eventually
from tests.support.children import cpu_seconds, sandboxed
from tests.support.services import Caller, Facts, running

HANDLER = "services.ingest.child:handle"
MIB = 1 << 20


class Record(JobServiceServicer):
    """Records the first submission of each document; `broken` is raised before or after that."""

    def __init__(self) -> None:
        self.recorded: dict[str, results_pb2.SubmitJobRequest] = {}
        self.broken: PagemeshError | None = None
        self.tokens: list[str] = []

    async def SubmitJob(self, request: results_pb2.SubmitJobRequest, ctx: Any) -> results_pb2.SubmitJobResponse:
        self.tokens.append(dict(ctx.invocation_metadata())["authorization"])
        if self.broken:
            await ctx.abort_with_status(to_status(self.broken))
        first = self.recorded.setdefault(request.document.id, request)
        job = Job(id=first.job_id, document_id=first.document.id, config=first.config, priority=first.priority)
        return results_pb2.SubmitJobResponse(document=first.document, job=job)


class Ocr(OcrServiceServicer):
    """Has one language."""

    async def ListEngines(self, request: ListEnginesRequest, ctx: Any) -> ListEnginesResponse:
        return ListEnginesResponse(engines=[Engine(name="test", languages=["eng"])])


@asynccontextmanager
async def neighbours(record: Record, listen: str) -> AsyncIterator[None]:
    """Both, on one socket."""
    server = grpc.aio.server()
    add_JobServiceServicer_to_server(record, server)
    add_OcrServiceServicer_to_server(Ocr(), server)  # type: ignore[abstract]  # nothing else is asked
    server.add_insecure_port(listen)
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


class Ingest:
    """A client of the service and what stands around it."""

    def __init__(self, channel: grpc.aio.Channel, record: Record, root: Path, facts: Facts) -> None:
        self.upload_method = IngestServiceStub(channel).Upload
        self.record = record
        self.root = root
        self.blobs = Blobs(f"file://{root}")
        self.facts = facts

    async def upload(self, caller: Caller, content: bytes, piece: int = 64 << 10, **config: Any) -> UploadResponse:
        """Sends the content in pieces; `config` are fields of the config."""
        return await self.send(caller, [UploadRequest(config=config_of(**config)), *chunks(content, piece)])

    async def send(self, caller: Caller, requests: list[UploadRequest]) -> UploadResponse:
        """Sends the messages. Raises a PagemeshError."""
        context.bearer_token.set(caller.token)

        async def stream() -> AsyncIterator[UploadRequest]:
            for request in requests:
                yield request

        try:
            return await self.upload_method(stream(), metadata=context.outgoing_metadata(), timeout=60)
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from error

    def files(self) -> set[Path]:
        """Every file of the blob store."""
        return {path for path in self.root.rglob("*") if path.is_file()}

    async def source(self, content: bytes, mime_type: str = "application/pdf", password: str = "") -> Source:
        """A stored document."""
        key = f"originals/{uuid.uuid4()}"
        await self.blobs.put(key, content)
        return Source(storage_key=key, mime_type=mime_type, password=password, size=len(content))

    async def inspect(self, content: bytes, mime_type: str = "application/pdf", password: str = "") -> Fact:
        """The one fact of an inspection."""
        task = task_of(inspect=InspectTask(source=await self.source(content, mime_type, password)))
        [fact] = await self.facts.of(task)
        return fact

    async def extract(self, content: bytes, *numbers: int) -> list[Fact]:
        """Facts of an extraction."""
        return await self.facts.of(task_of(extract=ExtractTask(source=await self.source(content), pages=numbers)))


def config_of(**fields: Any) -> UploadConfig:
    """A config with ids of its own."""
    ids = {"document_id": str(uuid.uuid4()), "job_id": str(uuid.uuid4())}
    return UploadConfig(**{**ids, "original_filename": "a.pdf", "max_bytes": MIB, "priority": 5, **fields})


def chunks(content: bytes, piece: int) -> Iterator[UploadRequest]:
    """The content in pieces."""
    for start in range(0, len(content), piece):
        yield UploadRequest(chunk=content[start : start + piece])


def task_of(**work: Any) -> Task:
    """A task of a document of its own."""
    return Task(job_id=str(uuid.uuid4()), document_id=str(uuid.uuid4()), **work)


@pytest.fixture(scope="module")
async def ingest(common: dict[str, Any], facts: Facts, server_directory: Path) -> AsyncIterator[Ingest]:
    """The running service with one child, strict limits, and its neighbours."""
    root = server_directory / "ingest-blobs"
    record = Record()  # type: ignore[abstract]  # nothing else is asked
    neighbour = f"unix:{server_directory}/neighbours.sock"
    settings = IngestSettings(
        **{**common, "storage_url": f"file://{root}"},
        listen=f"unix:{server_directory}/ingest.sock",
        results_url=neighbour,
        ocr_url=neighbour,
        ingest_processes=1,
        ingest_cpu_seconds=2,
        ingest_page_seconds=6,
        ingest_memory_mb=400,
    )
    async with neighbours(record, neighbour), running(serve, settings) as channel:
        yield Ingest(channel, record, root, facts)


CONTENTS = [
    (documents.text_pdf(), "application/pdf", ".pdf"),
    (documents.png("x"), "image/png", ".png"),
    (documents.jpeg("x"), "image/jpeg", ".jpg"),
    (documents.tiff(1), "image/tiff", ".tiff"),
]


@pytest.mark.parametrize(("content", "mime_type", "suffix"), CONTENTS, ids=[suffix for *_, suffix in CONTENTS])
async def test_an_upload_is_stored_and_submitted(
    ingest: Ingest, ada: Caller, content: bytes, mime_type: str, suffix: str
) -> None:
    """By content and not by name; bytes, size and hash are those sent, as the caller, with what was asked."""
    job = JobConfig(languages="eng", password="p")
    config = config_of(original_filename="..\\..\\etc/Bericht ü\n.exe", max_bytes=8 * MIB, job=job, priority=7)
    response = await ingest.send(ada, [UploadRequest(config=config), *chunks(content, 10_007)])
    document = response.document
    assert (config.document_id, config.job_id, 7) == (document.id, response.job.id, response.job.priority)
    assert (mime_type, len(content), hashlib.sha256(content).hexdigest()) == (
        document.mime_type,
        document.file_size,
        document.sha256,
    )
    assert ("Bericht ü.exe", suffix) == (document.original_filename, Path(document.storage_key).suffix)
    assert content == await ingest.blobs.get(document.storage_key)
    assert document.storage_key.startswith(f"originals/{ada.organization_id}/")
    assert (job, f"Bearer {ada.token}") == (ingest.record.recorded[document.id].config, ingest.record.tokens[-1])


@pytest.mark.parametrize("piece", [1, 7, 1024, 1025])
async def test_pieces_may_have_any_size(ingest: Ingest, ada: Caller, piece: int) -> None:
    """Empty ones too."""
    content = documents.text_pdf()[:3000]
    empty = UploadRequest(chunk=b"")
    requests = [UploadRequest(config=config_of()), empty, *chunks(content, piece), empty]
    response = await ingest.send(ada, requests)
    assert content == await ingest.blobs.get(response.document.storage_key)


@pytest.mark.parametrize("head", [1, 1023, 3000])
async def test_the_first_bytes_may_come_with_the_config(ingest: Ingest, ada: Caller, head: int) -> None:
    """So that a small file is one message."""
    content = documents.text_pdf()[:3000]
    requests = [UploadRequest(config=config_of(head=content[:head])), *chunks(content[head:], 1000)]
    response = await ingest.send(ada, requests)
    assert content == await ingest.blobs.get(response.document.storage_key)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"", InvalidArgument, "EMPTY_FILE"),
        (b"x", InvalidArgument, "INVALID_FILE_TYPE"),
        (documents.not_a_document(), InvalidArgument, "INVALID_FILE_TYPE"),
        (b"x" * 1024 + b"%PDF-1.7", InvalidArgument, "INVALID_FILE_TYPE"),
        (b"%PDF-" + bytes(MIB), TooMuch, "FILE_TOO_LARGE"),
        (b"x" * (MIB + 1), InvalidArgument, "INVALID_FILE_TYPE"),
    ],
    ids=["empty", "one byte", "executable", "late header", "too large", "neither"],
)
async def test_what_is_refused_leaves_nothing(
    ingest: Ingest, ada: Caller, content: bytes, kind: type[PagemeshError], reason: str
) -> None:
    """No blob and no job."""
    before, recorded = ingest.files(), len(ingest.record.recorded)
    with pytest.raises(kind) as caught:
        await ingest.upload(ada, content)
    assert (reason, recorded) == (caught.value.reason, len(ingest.record.recorded))
    assert before == ingest.files()


async def test_a_file_that_is_too_large_leaves_no_part(ingest: Ingest, ada: Caller) -> None:
    """One that was being stored in parts; the limit is told in bytes, and one of that very size passes."""
    before = ingest.files()
    limit = 9 * MIB
    with pytest.raises(TooMuch) as caught:
        await ingest.upload(ada, b"%PDF-" + bytes(limit), piece=MIB, max_bytes=limit)
    assert {"limit_bytes": str(limit)} == caught.value.details
    assert before == ingest.files()
    response = await ingest.upload(ada, b"%PDF-" + bytes(limit - 5), piece=MIB, max_bytes=limit)
    assert limit == response.document.file_size


async def test_the_config_comes_first_and_once(ingest: Ingest, ada: Caller) -> None:
    """Anything else is no upload."""
    first, chunk = UploadRequest(config=config_of()), UploadRequest(chunk=documents.text_pdf())
    for requests in ([], [chunk], [chunk, first], [first, chunk, first], [UploadRequest()]):
        with pytest.raises(InvalidArgument):
            await ingest.send(ada, requests)


async def test_languages_that_are_not_installed_are_refused(ingest: Ingest, ada: Caller) -> None:
    """Before a byte is stored; the answer names the language and what there is."""
    before = ingest.files()
    with pytest.raises(InvalidArgument) as caught:
        await ingest.upload(ada, documents.text_pdf(), job=JobConfig(languages="eng+xyz"))
    assert ("LANGUAGE_MISSING", "xyz", True) == (
        caught.value.reason,
        caught.value.details["language"],
        "Installed: eng." in caught.value.message,
    )
    assert before == ingest.files()


async def test_a_repeat_is_the_first_upload(ingest: Ingest, ada: Caller) -> None:
    """The same answer, and no second blob."""
    config = config_of()
    requests = [UploadRequest(config=config), *chunks(documents.text_pdf(), 1000)]
    first = await ingest.send(ada, requests)
    before = ingest.files()
    assert first == await ingest.send(ada, requests)
    assert before == ingest.files()


async def test_what_the_record_refuses_is_not_kept(ingest: Ingest, ada: Caller) -> None:
    """Its reason goes through; while it is away the blob stays, since the job may have been recorded all the same."""
    before = ingest.files()
    for broken, kept in ((NotFound("Never."), False), (Unavailable("Later."), True)):
        ingest.record.broken = broken
        try:
            with pytest.raises(type(broken)) as caught:
                await ingest.upload(ada, documents.text_pdf())
        finally:
            ingest.record.broken = None
        assert (broken.message, kept) == (caught.value.message, ingest.files() > before)


async def test_without_a_token_nothing_is_read(ingest: Ingest) -> None:
    """The first byte is not even sniffed."""
    with pytest.raises(Unauthenticated):
        await ingest.upload(Caller("forged", "", ""), b"")


def texts(fact: Fact) -> dict[int, str]:
    """Text of every page that the fact carries."""
    outcomes = [*fact.inspected.outcomes, *fact.extracted.outcomes]
    return {each.number: each.content.text for each in outcomes if each.HasField("content")}


def failures(*facts: Fact) -> dict[int, str]:
    """Code of every page that could not be read."""
    outcomes = [each for fact in facts for each in (*fact.inspected.outcomes, *fact.extracted.outcomes)]
    return {each.number: each.failure.code for each in outcomes if each.HasField("failure")}


async def test_inspection_reads_a_small_document(ingest: Ingest) -> None:
    """Sizes, and the text of the pages that have one; scans are left to OCR."""
    fact = await ingest.inspect(documents.mixed_pdf())
    infos = [(round(each.width), round(each.height), each.needs_ocr) for each in fact.inspected.pages]
    assert ([(595, 842, False), (595, 842, True)], True) == (infos, fact.last)
    [text] = texts(fact).values()
    assert "The total of 42.50 EUR was paid on 3 May 2026." in text


async def test_pictures_have_pages_too(ingest: Ingest) -> None:
    """Each frame of a TIFF is one, and all need OCR."""
    fact = await ingest.inspect(documents.tiff(2), "image/tiff")
    assert [True, True] == [each.needs_ocr for each in fact.inspected.pages]


async def test_extraction_reads_the_pages_asked_for(ingest: Ingest) -> None:
    """And no others; tables come with their page."""
    [fact] = await ingest.extract(documents.text_pdf(pages=5), 2, 4)
    found = texts(fact)
    assert ([2, 4], True) == (sorted(found), "Page 4 of a plain document." in found[4])
    [fact] = await ingest.extract(documents.table_pdf(), 1)
    [outcome] = fact.extracted.outcomes
    layout: Page = pages.unpack(outcome.content.layout)
    assert (1, 4, 3) == (outcome.content.table_count, layout.tables[0].row_count, layout.tables[0].column_count)


async def test_a_password_opens(ingest: Ingest) -> None:
    """Without it, or with another, the document says so."""
    locked = documents.encrypted_pdf("open sesame")
    assert "42.50 EUR" in texts(await ingest.inspect(locked, password="open sesame"))[1]
    codes = [(await ingest.inspect(locked, password=each)).failed.code for each in ("", "wrong")]
    assert ["password_required", "wrong_password"] == codes


HOSTILE = [
    (documents.truncated_pdf(), "application/pdf", {"corrupt_document"}),
    (documents.empty_pdf(), "application/pdf", {"empty_document", "corrupt_document"}),
    (documents.not_a_document(), "application/pdf", {"corrupt_document"}),
    (documents.page_bomb_image(), "image/png", {"page_too_large"}),
]


@pytest.mark.parametrize(
    ("content", "mime_type", "codes"), HOSTILE, ids=["truncated", "empty", "no document", "page bomb"]
)
async def test_a_document_that_cannot_be_read_fails_with_a_code(
    ingest: Ingest, content: bytes, mime_type: str, codes: set[str]
) -> None:
    """The child that found out lives on, and the next document is read."""
    before = sandboxed(HANDLER)
    fact = await ingest.inspect(content, mime_type)
    assert {fact.failed.code or "/".join(failures(fact).values())} <= codes
    assert 1 == len(texts(await ingest.inspect(documents.text_pdf())))
    assert before == sandboxed(HANDLER)


async def test_a_huge_page_fails_alone(ingest: Ingest) -> None:
    """1.2 TB would be its picture."""
    fact = await ingest.inspect(documents.huge_page_pdf())
    assert "page_too_large" == (fact.failed.code or failures(fact)[1])


async def test_a_broken_page_fails_alone(ingest: Ingest) -> None:
    """The others are read."""
    content = documents.broken_page_pdf(pages=3, broken=2)
    fact = await ingest.inspect(content)
    assert (3, {1, 3}) == (len(fact.inspected.pages), set(texts(fact)))
    assert {2: "unreadable_page"} == failures(fact)


async def test_an_object_bomb_ends_by_its_limits(ingest: Ingest) -> None:
    """The page fails with a code, whether inspection or extraction meets it, and the service reads on."""
    bomb = documents.object_bomb_pdf()
    fact = await ingest.inspect(bomb)
    assert fact.failed.code in ("", "out_of_resources")
    ends = await ingest.extract(bomb, 1)
    assert {1: "out_of_resources"} == failures(*ends) or "out_of_resources" == ends[-1].failed.code
    assert 1 == len(texts(await ingest.inspect(documents.text_pdf())))


async def test_a_document_that_nobody_wants_any_more_is_left(ingest: Ingest) -> None:
    """Its child is killed while it is at it, nothing is reported, and the next document gets another child."""
    await ingest.inspect(documents.text_pdf())
    [child] = sandboxed(HANDLER)
    idle = cpu_seconds(child)
    task = task_of(inspect=InspectTask(source=await ingest.source(documents.object_bomb_pdf())))
    await ingest.facts.put(task)
    await eventually(lambda: _works(child, idle))
    await ingest.facts.cancel(task)
    assert child not in sandboxed(HANDLER)
    assert 1 == len(texts(await ingest.inspect(documents.text_pdf())))
    assert not ingest.facts.told(task)


async def _works(child: int, idle: float) -> bool:
    return cpu_seconds(child) > idle + 0.1


async def test_an_original_that_is_gone_fails_its_task(ingest: Ingest) -> None:
    """With a code of its own, for either kind."""
    gone = Source(storage_key="originals/gone", mime_type="application/pdf")
    tasks = [task_of(inspect=InspectTask(source=gone)), task_of(extract=ExtractTask(source=gone, pages=[1]))]
    assert ["blob_missing"] * 2 == [(await ingest.facts.of(task))[-1].failed.code for task in tasks]


async def test_a_second_delivery_reports_the_same(ingest: Ingest) -> None:
    """Under the same ids, so that the broker keeps one."""
    task = task_of(inspect=InspectTask(source=await ingest.source(documents.text_pdf())))
    [first] = await ingest.facts.of(task)
    task.attempt = 2
    [second] = await ingest.facts.of(task)
    assert (1, 2, first.inspected) == (first.attempt, second.attempt, second.inspected)

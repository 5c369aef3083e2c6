"""The OCR service over gRPC and NATS, with a real engine."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from mesh import pages
from mesh.blobs import Blobs
from mesh.errors import InvalidArgument, Unauthenticated
from pagemesh.ocr.v1.ocr_pb2 import ListEnginesRequest, RecognizeRequest, RecognizeResponse
from pagemesh.ocr.v1.ocr_pb2_grpc import OcrServiceStub
from pagemesh.results.v1.outcome_pb2 import PageOutcome
from pagemesh.results.v1.page_pb2 import PageSource
from pagemesh.work.v1.work_pb2 import OcrTask, Source, Task
from services.ocr.service import serve
from services.ocr.settings import OcrSettings
from tests.support import documents
from tests.support.broker import eventually
from tests.support.children import cpu_seconds, sandboxed
from tests.support.services import Caller, Facts, running

HANDLER = "services.ocr.child:handle"


class Ocr:
    """A client of the service, and its worker's tasks."""

    def __init__(self, channel: grpc.aio.Channel, blobs: Blobs, facts: Facts) -> None:
        self.stub = OcrServiceStub(channel)
        self._blobs = blobs
        self._facts = facts

    async def recognize(self, caller: Caller, content: bytes, **fields: Any) -> RecognizeResponse:
        """Reads a picture. Raises a PagemeshError."""
        return await caller.call(self.stub.Recognize, RecognizeRequest(content=content, **fields))

    async def outcome(self, content: bytes | None, mime_type: str, page: int, languages: str = "eng") -> PageOutcome:
        """What the worker's one fact says of the page; without content the original is gone."""
        [fact] = await self._facts.of(await self.task(content, mime_type, page, languages))
        return fact.recognized.outcome

    async def stopped(self, content: bytes) -> Task:
        """A task about a picture whose job was cancelled when a child had begun with it."""
        task, idle = await self.task(content, "image/png", 1, "eng"), _cpu_seconds()
        await self._facts.put(task)
        await eventually(lambda: _later(idle + 0.1))
        await self._facts.cancel(task)
        return task

    def told(self, task: Task) -> bool:
        """Whether anything was reported of it."""
        return self._facts.told(task)

    async def task(self, content: bytes | None, mime_type: str, page: int, languages: str) -> Task:
        """A task about a page."""
        key = f"originals/{uuid.uuid4()}"
        if content is not None:
            await self._blobs.put(key, content)
        source = Source(storage_key=key, mime_type=mime_type)
        work = OcrTask(source=source, page=page, languages=languages)
        return Task(job_id=str(uuid.uuid4()), document_id=str(uuid.uuid4()), ocr=work)


def _cpu_seconds() -> float:
    """Processor time of the one child."""
    [pid] = sandboxed(HANDLER)
    return cpu_seconds(pid)


async def _later(seconds: float) -> bool:
    return _cpu_seconds() >= seconds


@pytest.fixture(scope="module")
async def ocr(common: dict[str, Any], facts: Facts, server_directory: Path) -> AsyncIterator[Ocr]:
    """The running service with one child."""
    storage = f"file://{server_directory}/ocr-blobs"
    values = {**common, "storage_url": storage, "listen": f"unix:{server_directory}/ocr.sock", "ocr_processes": 1}
    async with running(serve, OcrSettings(**values)) as channel:
        yield Ocr(channel, Blobs(storage), facts)


async def test_a_picture_is_read(ocr: Ocr, ada: Caller) -> None:
    """Text, confidence, words with their places, and the engine."""
    response = await ocr.recognize(ada, documents.png("The harbour office opens at nine."))
    page = response.page
    assert ("The harbour office opens at nine.", 1, PageSource.PAGE_SOURCE_OCR, "eng") == (
        page.text.strip(),
        page.number,
        page.source,
        page.language,
    )
    words = [word for line in page.lines for word in line.words]
    assert ["The", "harbour", "office", "opens", "at", "nine."] == [word.text for word in words]
    assert all(0 <= word.box.left < word.box.right <= page.width for word in words)
    assert page.confidence > 0.5
    assert page.engine.startswith("tesseract ")
    assert response.processing_time_ms > 0


async def test_a_page_of_a_document_is_read(ocr: Ocr, ada: Caller) -> None:
    """Of a PDF or of a TIFF, counted from 1."""
    for content in (documents.scanned_pdf(pages=2), documents.tiff(2)):
        response = await ocr.recognize(ada, content, page=2)
        assert ("Scanned page 2", 2) == (response.page.text.splitlines()[0], response.page.number)


@pytest.mark.parametrize(
    ("content", "fields", "reason"),
    [
        (b"", {}, "INVALID_FILE_TYPE"),
        (documents.not_a_document(), {}, "INVALID_FILE_TYPE"),
        (b"%PDF-" + bytes(16 << 20), {}, "FILE_TOO_LARGE"),
        (documents.png("x"), {"page": -1}, "INVALID_ARGUMENT"),
        (documents.png("x"), {"page": 2}, "UNREADABLE_PAGE"),
        (documents.png("x"), {"languages": "xyz"}, "LANGUAGE_MISSING"),
        (documents.png("x"), {"languages": "../../etc/passwd"}, "LANGUAGE_MISSING"),
        (documents.png("x")[:100], {}, "UNREADABLE_PAGE"),
        (documents.huge_page_pdf(), {}, "PAGE_TOO_LARGE"),
        (documents.encrypted_pdf("x"), {}, "PASSWORD_REQUIRED"),
    ],
    ids=[
        "empty",
        "no picture",
        "too large",
        "negative",
        "no such page",
        "no such language",
        "path",
        "truncated",
        "huge",
        "encrypted",
    ],
)
async def test_what_cannot_be_read_has_a_reason(
    ocr: Ocr, ada: Caller, content: bytes, fields: dict[str, Any], reason: str
) -> None:
    """The child that found out lives on, and reads the next."""
    before = sandboxed(HANDLER)
    with pytest.raises(InvalidArgument) as caught:
        await ocr.recognize(ada, content, **fields)
    assert (reason, before) == (caught.value.reason, sandboxed(HANDLER))


async def test_a_child_reads_page_after_page(ocr: Ocr, ada: Caller) -> None:
    """An engine that is open stays open."""
    content = documents.png("Short.")
    await ocr.recognize(ada, content)
    before = sandboxed(HANDLER)
    for _ in range(2):
        assert "Short." == (await ocr.recognize(ada, content)).page.text.strip()
    assert (1, before) == (len(before), sandboxed(HANDLER))


async def test_the_engine_is_told_with_its_languages(ocr: Ocr, ada: Caller) -> None:
    """Those that are installed are not among those that are missing."""
    [engine] = (await ada.call(ocr.stub.ListEngines, ListEnginesRequest())).engines
    assert (True, True, True) == (engine.name.startswith("tesseract"), "eng" in engine.languages, bool(engine.version))
    assert set() == set(engine.languages) & set(engine.missing_languages)


async def test_without_a_token_nothing_is_read(ocr: Ocr) -> None:
    """Not even the list of engines."""
    nobody = Caller("forged", "", "")
    with pytest.raises(Unauthenticated):
        await nobody.call(ocr.stub.ListEngines, ListEnginesRequest())
    with pytest.raises(Unauthenticated):
        await ocr.recognize(nobody, documents.png("x"))


async def test_a_task_becomes_a_fact(ocr: Ocr) -> None:
    """The page with its text, confidence and places, as the record stores it."""
    outcome = await ocr.outcome(documents.mixed_pdf(), "application/pdf", 2)
    assert (2, True) == (outcome.number, "The harbour office opens at nine." in outcome.content.text)
    assert 0.5 < outcome.content.confidence <= 1
    assert [line.text for line in pages.unpack(outcome.content.layout).lines] == outcome.content.text.split("\n")


async def test_a_page_that_nobody_wants_any_more_is_left(ocr: Ocr, ada: Caller) -> None:
    """Its child is killed in the middle of it, nothing is reported, and the next page gets another child."""
    await ocr.recognize(ada, documents.png("Short."))
    before = sandboxed(HANDLER)
    dense = "\n".join("The harbour office opens at nine, and closes at five in the afternoon." for _ in range(60))
    task = await ocr.stopped(documents.png(dense))
    assert not before & sandboxed(HANDLER)
    assert "Short." == (await ocr.recognize(ada, documents.png("Short."))).page.text.strip()
    assert (False, 1) == (ocr.told(task), len(sandboxed(HANDLER)))


async def test_a_picture_that_claims_10_gigabytes_is_not_decoded(ocr: Ocr, ada: Caller) -> None:
    """It fails with a code for direct callers and for tasks, and its child lives on."""
    before = sandboxed(HANDLER)
    outcome = await ocr.outcome(documents.page_bomb_image(), "image/png", 1)
    with pytest.raises(InvalidArgument) as caught:
        await ocr.recognize(ada, documents.page_bomb_image())
    codes = {outcome.failure.code, caught.value.code}
    assert (True, before) == (codes <= {"page_too_large", "unreadable_page"}, sandboxed(HANDLER))


@pytest.mark.parametrize(
    ("content", "mime_type", "page", "languages", "code"),
    [
        (documents.png("x"), "image/png", 1, "xyz", "language_missing"),
        (documents.png("x"), "image/png", 7, "eng", "unreadable_page"),
        (documents.huge_page_pdf(), "application/pdf", 1, "eng", "page_too_large"),
        (documents.truncated_pdf(), "application/pdf", 1, "eng", "unreadable_page"),
        (documents.encrypted_pdf("x"), "application/pdf", 1, "eng", "password_required"),
        (None, "image/png", 1, "eng", "blob_missing"),
    ],
    ids=["language", "page", "huge", "truncated", "encrypted", "gone"],
)
async def test_a_page_that_cannot_be_read_is_a_fact_too(
    ocr: Ocr, content: bytes | None, mime_type: str, page: int, languages: str, code: str
) -> None:
    """With its code and a sentence; nobody waits for it."""
    outcome = await ocr.outcome(content, mime_type, page, languages)
    assert (page, code, True) == (outcome.number, outcome.failure.code, bool(outcome.failure.message))

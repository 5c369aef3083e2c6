"""What runs in the sandboxed children: opens the document, inspects it, reads its text pages."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo
from pagemesh.results.v1.job_pb2 import PageFailure, ReadMode
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from services.ingest.faults import DocumentFault, PageFault
from services.ingest.inspection import SMALL_DOCUMENT_PAGES, inspect_document
from services.ingest.pdf import OpenPage
from services.ingest.plain_text import read_text, split, text_pages
from services.ingest.searchable import searchable_pdf
from services.ingest.sniff import PLAIN_TEXT
from services.ingest.text import ExtractionMode, extract_pages, read_or_fault

_MODES: dict[int, ExtractionMode] = {
    ReadMode.READ_MODE_TEXT: "text",
    ReadMode.READ_MODE_TABLE: "table",
}


def handle(payload: bytes) -> Iterable[bytes]:
    """Frames of a ReadRequest: those of an inspection together, pages one by one."""
    request = ReadRequest.FromString(payload)
    if request.searchable:
        return _told(_searchable(request))
    return list(_told(_inspect(request))) if request.inspect else _told(_read(request, request.pages))


def _told(frames: Iterator[ReadFrame]) -> Iterator[bytes]:
    try:
        for frame in frames:
            yield frame.SerializeToString()
    except DocumentFault as fault:
        yield ReadFrame(failure=Failure(code=fault.code, message=fault.message)).SerializeToString()


def _inspect(request: ReadRequest) -> Iterator[ReadFrame]:
    return _inspect_text(request) if request.mime_type == PLAIN_TEXT else _inspect_file(request)


def _inspect_text(request: ReadRequest) -> Iterator[ReadFrame]:
    pieces = split(read_text(request.path))
    yield ReadFrame(inspected=DocumentInspected(pages=[PageInfo() for _ in pieces]))
    if request.read_small and len(pieces) <= SMALL_DOCUMENT_PAGES:
        yield from map(_frame, text_pages(pieces, range(1, len(pieces) + 1)))


def _inspect_file(request: ReadRequest) -> Iterator[ReadFrame]:
    read: list[ReadFrame] = []

    def visit(page: OpenPage, number: int) -> None:
        read.append(_frame(read_or_fault(page, number, with_tables=_mode(request) != "text")))

    password = request.password or None
    found = inspect_document(request.path, request.mime_type, password, visit=visit if request.read_small else None)
    pages = [PageInfo(width=page.width, height=page.height, needs_ocr=page.needs_ocr) for page in found.pages]
    yield ReadFrame(inspected=DocumentInspected(pages=pages, metadata=found.metadata))
    for page in found.pages:
        if page.fault:
            yield _frame(PageFault(page.number, page.fault, _MESSAGES.get(page.fault, "The page cannot be read.")))
    yield from read


def _searchable(request: ReadRequest) -> Iterator[ReadFrame]:
    for chunk in searchable_pdf(Path(request.path), request.mime_type, request.recognized):
        yield ReadFrame(chunk=chunk)


def _mode(request: ReadRequest) -> ExtractionMode:
    return _MODES.get(request.mode, "mixed")


def _read(request: ReadRequest, numbers: Iterable[int]) -> Iterator[ReadFrame]:
    if request.mime_type == PLAIN_TEXT:
        yield from map(_frame, text_pages(split(read_text(request.path)), numbers))
        return
    for page in extract_pages(request.path, numbers, _mode(request), request.password or None):
        yield _frame(page)


def _frame(page: Page | PageFault) -> ReadFrame:
    if isinstance(page, PageFault):
        return ReadFrame(page_failure=PageFailure(page=page.number, code=page.code, message=page.message))
    return ReadFrame(page=page)


_MESSAGES = {"page_too_large": "The page is larger than any that is read."}

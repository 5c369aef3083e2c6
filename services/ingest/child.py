"""What runs in the sandboxed children: opens the document, inspects it, reads its text pages."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo
from pagemesh.results.v1.job_pb2 import PageFailure, ReadMode
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from services.ingest.faults import DocumentFault, PageFault
from services.ingest.inspection import PageInspection, inspect_document
from services.ingest.text import extract_pages

SMALL_DOCUMENT_PAGES = 16
"""Up to so many text pages are read while the document is open: that saves a hop and a second opening."""

_MODES: dict[int, Literal["text", "table", "mixed"]] = {
    ReadMode.READ_MODE_TEXT: "text",
    ReadMode.READ_MODE_TABLE: "table",
}


def handle(payload: bytes) -> Iterator[bytes]:
    """Frames of a ReadRequest."""
    request = ReadRequest.FromString(payload)
    try:
        for frame in _inspect(request) if request.inspect else _read(request, request.pages):
            yield frame.SerializeToString()
    except DocumentFault as fault:
        yield ReadFrame(failure=Failure(code=fault.code, message=fault.message)).SerializeToString()


def _inspect(request: ReadRequest) -> Iterator[ReadFrame]:
    found = inspect_document(request.path, request.mime_type, request.password or None)
    pages = [PageInfo(width=page.width, height=page.height, needs_ocr=page.needs_ocr) for page in found.pages]
    yield ReadFrame(inspected=DocumentInspected(pages=pages, metadata=found.metadata))
    for page in found.pages:
        if page.fault:
            yield _failure(PageFault(page.number, page.fault, _MESSAGES.get(page.fault, "The page cannot be read.")))
    readable = [page.number for page in found.pages if _has_text(page)]
    if 0 < len(readable) <= SMALL_DOCUMENT_PAGES:
        yield from _read(request, readable)


def _has_text(page: PageInspection) -> bool:
    return not page.needs_ocr and page.fault is None


def _read(request: ReadRequest, numbers: Iterable[int]) -> Iterator[ReadFrame]:
    mode = _MODES.get(request.mode, "mixed")
    for page in extract_pages(request.path, numbers, mode, request.password or None):
        yield _failure(page) if isinstance(page, PageFault) else ReadFrame(page=page)


def _failure(fault: PageFault) -> ReadFrame:
    return ReadFrame(page_failure=PageFailure(page=fault.number, code=fault.code, message=fault.message))


_MESSAGES = {"page_too_large": "The page is larger than any that is read."}

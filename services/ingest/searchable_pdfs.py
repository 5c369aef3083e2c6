"""Searchable PDFs of documents in the record, for a caller who may read them."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import IO, TYPE_CHECKING

from mesh import client
from mesh.blobs import Blobs
from mesh.errors import IllegalState
from mesh.sandbox import HandlerFailed, Sandbox, SandboxError
from pagemesh.results.v1.job_pb2 import Document, DocumentState
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.results.v1.page_pb2 import Page, PageSource
from pagemesh.results.v1.results_pb2 import GetDocumentRequest, StreamPagesRequest
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from services.ingest.sniff import PDF, PLAIN_TEXT
from services.ingest.worker import TOO_MUCH

if TYPE_CHECKING:
    from pagemesh.results.v1.results_pb2_grpc import DocumentServiceAsyncStub

_CHUNK = 1 << 20
_MAX_LAYER_BYTES = 64 << 20


class SearchablePdfs:
    """Makes them in the sandbox, anew each time."""

    def __init__(self, sandbox: Sandbox, blobs: Blobs, documents: "DocumentServiceAsyncStub") -> None:
        self._sandbox = sandbox
        self._blobs = blobs
        self._documents = documents

    async def of(self, document_id: str) -> AsyncIterator[bytes]:
        """The file, piece by piece. Raises NotFound, IllegalState, Unavailable."""
        document = await self._document(document_id)
        recognized = await self._recognized(document_id)
        if document.mime_type == PDF and not recognized:
            async for piece in self._blobs.stream(document.storage_key):
                yield piece
            return
        path = await self._blobs.local_path(document.storage_key)
        request = ReadRequest(path=str(path), mime_type=document.mime_type, searchable=True, recognized=recognized)
        # A child is not kept for as long as somebody takes to read.
        with tempfile.TemporaryFile() as made:
            await self._make(request, made)
            made.seek(0)
            while piece := made.read(_CHUNK):
                yield piece

    async def _document(self, document_id: str) -> Document:
        request = GetDocumentRequest(document_id=document_id)
        document = (await client.call(self._documents.GetDocument, request)).document
        if document.state != DocumentState.DOCUMENT_STATE_COMPLETED:
            state = DocumentState.Name(document.state).removeprefix("DOCUMENT_STATE_").lower()
            raise IllegalState("The document has not been read, so there is nothing to search in.", state=state)
        if document.mime_type == PLAIN_TEXT:
            raise IllegalState("The document is a text and has no pages to show.", "INVALID_FILE_TYPE")
        return document

    async def _recognized(self, document_id: str) -> list[Page]:
        """The lines of pages that were recognized."""
        pages, size = [], 0
        request = StreamPagesRequest(document_id=document_id, include_lines=True)
        async for message in client.stream(self._documents.StreamPages, request):
            if message.page.source == PageSource.PAGE_SOURCE_OCR:
                pages.append(_lines(message.page))
                size += pages[-1].ByteSize()
            if size > _MAX_LAYER_BYTES:
                raise IllegalState("The document has too much recognized text.", "OUT_OF_RESOURCES")
        return pages

    async def _make(self, request: ReadRequest, made: IO[bytes]) -> None:
        failure: Failure | None = None
        try:
            async with aclosing(self._sandbox.run(request.SerializeToString())) as frames:
                async for payload in frames:
                    frame = ReadFrame.FromString(payload)
                    failure = frame.failure if frame.HasField("failure") else None
                    made.write(frame.chunk)
        except HandlerFailed as error:
            raise IllegalState("The original is too damaged for this.", "CORRUPT_DOCUMENT") from error
        except SandboxError as error:
            raise IllegalState(TOO_MUCH, "OUT_OF_RESOURCES") from error
        if failure:
            raise IllegalState(failure.message, failure.code.upper())


def _lines(page: Page) -> Page:
    return Page(number=page.number, width=page.width, height=page.height, rotation=page.rotation, lines=page.lines)

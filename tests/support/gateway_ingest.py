"""`ingest` in memory, as tests of the gateway need it."""

import hashlib
import time
from collections.abc import AsyncIterator

from mesh import identity, ids
from mesh.blobs import Blobs
from mesh.errors import (
    InvalidArgument,
    TooMuch,
    Unavailable,
)
from pagemesh.ingest.v1 import ingest_pb2, ingest_pb2_grpc, preview_pb2
from pagemesh.results.v1 import (
    job_pb2,
)
from tests.support.gateway_results import Results


class Ingest(ingest_pb2_grpc.IngestServiceServicer):
    """Takes PDFs."""

    def __init__(self, results: Results, blobs: Blobs) -> None:
        self._results = results
        self._blobs = blobs
        self.configs: list[ingest_pb2.UploadConfig] = []
        self.largest_chunk = 0
        self.previews: list[bytes] = []
        self.breaks = False
        """While set, the connection seems to break when the document is made."""

    async def Preview(
        self, request_iterator: AsyncIterator[preview_pb2.PreviewRequest], context: object
    ) -> preview_pb2.PreviewResponse:
        config = (await anext(aiter(request_iterator))).config
        content = config.head
        async for piece in request_iterator:
            content += piece.chunk
        if not content.startswith(b"%PDF"):
            raise InvalidArgument("The content is no PDF, PNG, JPEG or TIFF.", "INVALID_FILE_TYPE")
        self.previews.append(content)
        return preview_pb2.PreviewResponse(mime_type="application/pdf", pages=3, ocr_pages=1, characters=4_000)

    async def Upload(
        self, request_iterator: AsyncIterator[ingest_pb2.UploadRequest], context: object
    ) -> ingest_pb2.UploadResponse:
        config = (await anext(aiter(request_iterator))).config
        self.configs.append(config)
        content = bytearray()
        async for chunk in _pieces(config, request_iterator):
            self.largest_chunk = max(self.largest_chunk, len(chunk))
            content += chunk
            if not content.startswith(b"%PDF"[: len(content)]):
                raise InvalidArgument("The content is no PDF, PNG, JPEG or TIFF.", "INVALID_FILE_TYPE")
            if len(content) > config.max_bytes:
                raise TooMuch("The file is too large.", "FILE_TOO_LARGE", limit_bytes=str(config.max_bytes))
        if not content:
            raise InvalidArgument("The file is empty.", "EMPTY_FILE")
        made = await self._store(config, bytes(content))
        if self.breaks:
            raise Unavailable("The connection broke.")
        return made

    async def SearchablePdf(
        self, request: ingest_pb2.SearchablePdfRequest, context: object
    ) -> AsyncIterator[ingest_pb2.SearchablePdfResponse]:
        for chunk in (b"%PDF-", b"searchable"):
            yield ingest_pb2.SearchablePdfResponse(chunk=chunk)

    async def _store(self, config: ingest_pb2.UploadConfig, content: bytes) -> ingest_pb2.UploadResponse:
        organization = identity.current().organization_id
        document_id = str(ids.owned(organization, config.document_id, "document_id"))
        key = f"originals/{organization}/{document_id}"
        await self._blobs.put(key, content)
        document = job_pb2.Document(
            id=document_id,
            filename=f"{document_id}.pdf",
            original_filename=config.original_filename,
            file_size=len(content),
            mime_type="application/pdf",
            sha256=hashlib.sha256(content).hexdigest(),
            storage_key=key,
        )
        job = job_pb2.Job(
            id=str(ids.owned(organization, config.job_id, "job_id")),
            type=job_pb2.JOB_TYPE_TEXT_EXTRACTION,
            stage="queued",
            config=config.job,
            priority=config.priority,
        )
        for one in (document, job) if config.HasField("zero_log") else ():
            one.expires_at.FromSeconds(int(time.time()) + config.zero_log.ttl_seconds)
            one.zero_log = True
        recorded = self._results.add(organization, document, job)
        return ingest_pb2.UploadResponse(document=self._results.records.documents[document.id], job=recorded)


async def _pieces(
    config: ingest_pb2.UploadConfig, rest: AsyncIterator[ingest_pb2.UploadRequest]
) -> AsyncIterator[bytes]:
    yield config.head
    async for piece in rest:
        yield piece.chunk

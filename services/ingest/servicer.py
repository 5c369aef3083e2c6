"""Proto ⇄ domain."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import grpc

from mesh import client, identity
from mesh.blobs import Blobs
from mesh.errors import DeadlineExceeded, InvalidArgument, PagemeshError, Unavailable
from mesh.ids import owned, to_uuid
from pagemesh.ingest.v1.ingest_pb2 import (
    SearchablePdfRequest,
    SearchablePdfResponse,
    UploadConfig,
    UploadRequest,
    UploadResponse,
)
from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceServicer
from pagemesh.ingest.v1.preview_pb2 import PreviewConfig, PreviewRequest, PreviewResponse
from pagemesh.ocr.v1.ocr_pb2 import ListEnginesRequest
from pagemesh.results.v1.job_pb2 import Document
from pagemesh.results.v1.results_pb2 import Arrival, SubmitJobRequest
from services.ingest import upload
from services.ingest.arrival import Arrivals
from services.ingest.preview import Previews
from services.ingest.searchable_pdfs import SearchablePdfs

if TYPE_CHECKING:
    from pagemesh.ocr.v1.ocr_pb2_grpc import OcrServiceAsyncStub
    from pagemesh.results.v1.results_pb2_grpc import JobServiceAsyncStub

    Context = grpc.aio.ServicerContext[Any, Any]

_LANGUAGES_SECONDS = 30.0
_AWAY_SECONDS = 3.0
_HEARD_SECONDS = 2.0


class Languages:
    """The languages that OCR workers have, asked for now and then."""

    def __init__(self, ocr: "OcrServiceAsyncStub") -> None:
        self._ocr = ocr
        self._known: frozenset[str] = frozenset()
        self._asked_at = -_LANGUAGES_SECONDS

    async def require(self, languages: str) -> None:
        """Raises InvalidArgument LANGUAGE_MISSING; while no OCR worker answers, everything passes: pages will tell."""
        if not languages:
            return
        if time.monotonic() - self._asked_at > _LANGUAGES_SECONDS:
            await self._ask()
        for code in languages.split("+"):
            if self._known and code not in self._known:
                installed = ", ".join(sorted(self._known))
                message = f'Language "{code}" is not installed. Installed: {installed}.'
                raise InvalidArgument(message, "LANGUAGE_MISSING", field="languages", language=code)

    async def _ask(self) -> None:
        try:
            answer = await client.call(self._ocr.ListEngines, ListEnginesRequest(), seconds=2)
        except (Unavailable, DeadlineExceeded):
            self._asked_at = time.monotonic() - _LANGUAGES_SECONDS + _AWAY_SECONDS
            return
        self._known = frozenset(language for engine in answer.engines for language in engine.languages)
        self._asked_at = time.monotonic()


class IngestServicer(IngestServiceServicer):
    """Uploads, and what is made of originals."""

    def __init__(
        self,
        blobs: Blobs,
        jobs: "JobServiceAsyncStub",
        languages: Languages,
        arrivals: Arrivals,
        searchable: SearchablePdfs,
        previews: Previews,
    ) -> None:
        self._searchable = searchable
        self._previews = previews
        self._blobs = blobs
        self._arrivals = arrivals
        self._jobs = jobs
        self._languages = languages

    async def Upload(self, request_iterator: AsyncIterator[UploadRequest], context: "Context") -> UploadResponse:
        """See the proto."""
        config = await _config(request_iterator)
        organization_id = identity.current().organization_id
        # Both before anything is stored.
        document_id = owned(organization_id, config.document_id, "document_id")
        to_uuid(config.job_id, "job_id")
        async with _heard_out(request_iterator):
            await self._languages.require(config.job.languages)
            chunks = _chunks(config, request_iterator)
            stored = await upload.store(self._blobs, organization_id, chunks, config.max_bytes, config.plain_text)
        arrival = await self._arrivals.read(str(document_id), stored, config.job)
        try:
            response = await client.call(self._jobs.SubmitJob, _submission(config, stored, arrival))
        except PagemeshError as error:
            if not isinstance(error, Unavailable | DeadlineExceeded):  # else it may have been recorded all the same
                await self._blobs.delete(stored.key)
            raise
        if response.document.storage_key != stored.key:  # a repeat: the first upload is the document
            await self._blobs.delete(stored.key)
        run = response.run if response.HasField("run") else None
        return UploadResponse(document=response.document, job=response.job, run=run)

    async def SearchablePdf(
        self, request: SearchablePdfRequest, context: "Context"
    ) -> AsyncIterator[SearchablePdfResponse]:
        """See the proto."""
        async for piece in self._searchable.of(request.document_id):
            yield SearchablePdfResponse(chunk=piece)

    async def Preview(self, request_iterator: AsyncIterator[PreviewRequest], context: "Context") -> PreviewResponse:
        """See the proto."""
        first = await anext(aiter(request_iterator), None)
        if first is None or not first.HasField("config"):
            raise InvalidArgument("The first message is the config.", field="config")
        config = first.config
        async with _heard_out(request_iterator):
            await self._languages.require(config.job.languages)
            return await self._previews.of(config, _chunks(config, request_iterator))


@asynccontextmanager
async def _heard_out(requests: AsyncIterator[UploadRequest] | AsyncIterator[PreviewRequest]) -> AsyncIterator[None]:
    """Takes for a moment what is still sent before a refusal goes out.

    A caller in the middle of sending would hear from gRPC that the call was cancelled, and not why.
    """
    try:
        yield
    except PagemeshError:
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARD_SECONDS):
                async for _ in requests:
                    continue
        raise


async def _config(requests: AsyncIterator[UploadRequest]) -> UploadConfig:
    first = await anext(aiter(requests), None)
    if first is None or not first.HasField("config"):
        raise InvalidArgument("The first message is the config.", field="config")
    return first.config


async def _chunks(
    config: UploadConfig | PreviewConfig, requests: AsyncIterator[UploadRequest] | AsyncIterator[PreviewRequest]
) -> AsyncIterator[bytes]:
    yield config.head
    config.ClearField("head")  # a large file's need not stay while the rest comes
    async for request in requests:
        if request.HasField("config"):
            raise InvalidArgument("The config comes once.", field="config")
        yield request.chunk


def _submission(config: UploadConfig, stored: upload.Stored, arrival: Arrival | None) -> SubmitJobRequest:
    document = Document(
        id=config.document_id,
        original_filename=upload.display_name(config.original_filename),
        file_size=stored.size,
        mime_type=stored.mime_type,
        sha256=stored.sha256,
        storage_key=stored.key,
    )
    return SubmitJobRequest(
        document=document,
        job_id=config.job_id,
        config=config.job,
        priority=config.priority,
        arrival=arrival,
        job_type=config.job_type,
        run=config.run if config.HasField("run") else None,
    )

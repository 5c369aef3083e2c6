"""Looking through a file that nobody takes in: how many pages, how many of them need OCR, about how much text.

The bytes go to a file without a name, so that nothing of it stays behind however this ends, the process killed at any
moment included; the sandboxed child opens it by the descriptor that this process holds.
"""

import os
import tempfile
from collections.abc import AsyncIterator

from mesh.errors import InvalidArgument
from mesh.sandbox import HandlerFailed, Sandbox, SandboxError
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.ingest.v1.preview_pb2 import PreviewConfig, PreviewResponse
from pagemesh.results.v1.job_pb2 import ReadMode
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from services.ingest import upload
from services.ingest.worker import TOO_MUCH

SAMPLE_PAGES = 8
"""Text pages that are read of a document, to know about how much text it has."""
UNREAD_PAGE_CHARACTERS = 2_000
"""What a page is taken to hold where no page of the document could be read without OCR."""


class Previews:
    """Looks files through in the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def of(self, config: PreviewConfig, chunks: AsyncIterator[bytes]) -> PreviewResponse:
        """What the file holds. Raises InvalidArgument for a file whose job would fail, TooMuch FILE_TOO_LARGE."""
        with tempfile.TemporaryFile(prefix="pagemesh-preview-") as file:
            mime_type = await upload.spool(file, chunks, config.max_bytes)
            request = ReadRequest(
                path=f"/proc/{os.getpid()}/fd/{file.fileno()}",
                mime_type=mime_type,
                password=config.job.password,
                mode=ReadMode.READ_MODE_TEXT,
            )
            found = await self._inspected(request)
            texts = [number for number, page in enumerate(found.pages, 1) if not page.needs_ocr]
            sampled = await self._lengths(request, texts[:SAMPLE_PAGES])
        average = sum(sampled) / len(sampled) if sampled else UNREAD_PAGE_CHARACTERS
        return PreviewResponse(
            mime_type=mime_type,
            pages=len(found.pages),
            ocr_pages=len(found.pages) - len(texts),
            characters=round(average * len(found.pages)),
        )

    async def _inspected(self, request: ReadRequest) -> DocumentInspected:
        inspection = ReadRequest()
        inspection.CopyFrom(request)
        inspection.inspect = True
        frames = await self._frames(inspection)
        return next((frame.inspected for frame in frames if frame.HasField("inspected")), DocumentInspected())

    async def _lengths(self, request: ReadRequest, numbers: list[int]) -> list[int]:
        """Characters on each page that could be read."""
        if not numbers:
            return []
        reading = ReadRequest(pages=numbers)
        reading.MergeFrom(request)
        return [len(frame.page.text) for frame in await self._frames(reading) if frame.HasField("page")]

    async def _frames(self, request: ReadRequest) -> list[ReadFrame]:
        try:
            frames = [ReadFrame.FromString(payload) async for payload in self._sandbox.run(request.SerializeToString())]
        except HandlerFailed as error:
            raise InvalidArgument("This is damaged in a way that cannot be read.", "CORRUPT_DOCUMENT") from error
        except SandboxError as error:
            raise InvalidArgument(TOO_MUCH, "OUT_OF_RESOURCES") from error
        for frame in frames:
            if frame.HasField("failure"):
                raise _refusal(frame.failure)
        return frames


def _refusal(failure: Failure) -> InvalidArgument:
    return InvalidArgument(failure.message, failure.code)

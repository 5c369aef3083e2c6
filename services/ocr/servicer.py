"""Proto ⇄ domain."""

import time
from typing import TYPE_CHECKING, Any

import grpc

from mesh.errors import InvalidArgument
from mesh.memory_files import memory_file, path_of
from pagemesh.ocr.v1.ocr_pb2 import (
    Engine,
    ListEnginesRequest,
    ListEnginesResponse,
    RecognizeRequest,
    RecognizeResponse,
)
from pagemesh.ocr.v1.ocr_pb2_grpc import OcrServiceServicer
from pagemesh.work.v1.sandbox_pb2 import ReadRequest
from services.ocr.content import content_type
from services.ocr.worker import PageReader

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

MAX_BYTES = 16 << 20


class OcrServicer(OcrServiceServicer):
    """Direct use, and what is installed."""

    def __init__(self, reader: PageReader, engine: Engine) -> None:
        self._reader = reader
        self._engine = engine

    async def Recognize(self, request: RecognizeRequest, context: "Context") -> RecognizeResponse:
        """See the proto."""
        mime_type = content_type(request.content)
        if mime_type is None:
            raise InvalidArgument("The content is no PDF, PNG, JPEG or TIFF.", "INVALID_FILE_TYPE")
        if len(request.content) > MAX_BYTES:
            raise InvalidArgument("The content is larger than 16 MiB.", "FILE_TOO_LARGE", limit_bytes=str(MAX_BYTES))
        if request.page < 0:
            raise InvalidArgument("Pages count from 1.", field="page")
        started = time.perf_counter()
        with memory_file() as file:
            file.write(request.content)
            languages, path = request.languages or "eng", str(path_of(file))
            read = ReadRequest(path=path, mime_type=mime_type, pages=[request.page or 1], languages=languages)
            page = await self._reader.read(read)
        return RecognizeResponse(page=page, processing_time_ms=int((time.perf_counter() - started) * 1000))

    async def ListEngines(self, request: ListEnginesRequest, context: "Context") -> ListEnginesResponse:
        """See the proto."""
        return ListEnginesResponse(engines=[self._engine])

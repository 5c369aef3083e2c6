"""The way of a text to ingest, which reads it like a document."""

from typing import TYPE_CHECKING

from pagemesh.ingest.v1 import ingest_pb2
from services.gateway.ingest_sink import IngestSink
from services.gateway.uploads import CHUNK_BYTES

if TYPE_CHECKING:  # a name for type checkers alone
    from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceAsyncStub

MAX_CHARACTERS = 1_000_000
_UTF8_BYTES = 4


async def submit_text(
    stub: "IngestServiceAsyncStub", config: ingest_pb2.UploadConfig, text: str, seconds: float
) -> ingest_pb2.UploadResponse:
    """What came of the text. Raises what ingest refuses it with."""
    config.plain_text, config.max_bytes = True, _UTF8_BYTES * MAX_CHARACTERS
    content = text.encode()
    sink = IngestSink(stub, seconds)
    try:
        sink.begin(config)
        for start in range(0, len(content), CHUNK_BYTES):
            await sink.write(content[start : start + CHUNK_BYTES])
        return await sink.finish()
    except BaseException:
        sink.cancel()
        raise

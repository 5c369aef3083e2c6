"""The way of a file's bytes to ingest: its client-streaming `Upload`."""

import asyncio
from typing import TYPE_CHECKING

import grpc

from mesh import context, errors
from pagemesh.ingest.v1 import ingest_pb2

if TYPE_CHECKING:  # a name for type checkers alone
    from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceAsyncStub


class IngestSink:
    """One call to `Upload`."""

    def __init__(self, stub: "IngestServiceAsyncStub", seconds: float) -> None:
        self._call: grpc.aio.StreamUnaryCall[ingest_pb2.UploadRequest, ingest_pb2.UploadResponse] = stub.Upload(
            timeout=seconds, metadata=context.outgoing_metadata()
        )

        self._config: ingest_pb2.UploadConfig | None = None

    def begin(self, config: ingest_pb2.UploadConfig) -> None:
        """Tells what comes; it goes together with the first bytes."""
        self._config = config

    async def write(self, chunk: bytes) -> None:
        """Sends the next bytes, as fast as they are taken. Raises what ingest refuses the file with."""
        config, self._config = self._config, None
        if config is None:
            await self._send(ingest_pb2.UploadRequest(chunk=chunk))
        else:
            config.head = chunk
            await self._send(ingest_pb2.UploadRequest(config=config))

    async def finish(self) -> ingest_pb2.UploadResponse:
        """Says that the file is whole; what came of it. Raises what ingest refuses the file with."""
        if self._config is not None:
            await self.write(b"")
        try:
            await self._call.done_writing()
            return await self._call
        except errors.CALL_ERRORS as error:
            raise errors.from_rpc(error) from error

    def cancel(self) -> None:
        """Leaves the file incomplete, so that nothing comes of it; nothing happens after `finish`."""
        self._call.cancel()

    async def _send(self, request: ingest_pb2.UploadRequest) -> None:
        try:
            await self._call.write(request)
        except asyncio.InvalidStateError:  # ingest has answered already: it refuses
            await self.finish()
        except errors.CALL_ERRORS as error:
            raise errors.from_rpc(error) from error

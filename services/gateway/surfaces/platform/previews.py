"""An upload that is only looked through: the same form and the same checks, but nothing is taken in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import grpc

from mesh import context, errors
from pagemesh.ingest.v1.preview_pb2 import PreviewConfig, PreviewRequest, PreviewResponse
from pagemesh.results.v1 import job_pb2
from services.gateway.uploads import Head, Sink, UploadReader

if TYPE_CHECKING:  # a name for type checkers alone
    from pagemesh.ingest.v1.ingest_pb2_grpc import IngestServiceAsyncStub


Wanted = Callable[[Head], Awaitable[job_pb2.JobConfig]]
"""What the fields of a form ask for. Raises a PagemeshError."""


class Preview:
    """One call to `Preview` of ingest."""

    def __init__(self, stub: "IngestServiceAsyncStub", seconds: float, max_bytes: int, wanted: Wanted) -> None:
        self._stub = stub
        self._seconds = seconds
        self._wanted = wanted
        self._call: grpc.aio.StreamUnaryCall[PreviewRequest, PreviewResponse] | None = None
        self.max_bytes = max_bytes
        self.job = job_pb2.JobConfig()
        """What the form asks for, once it is known."""

    async def open(self, head: Head) -> Sink:
        """Tells ingest what comes."""
        self.job = await self._wanted(head)
        self._call = self._stub.Preview(timeout=self._seconds, metadata=context.outgoing_metadata())
        await self._send(PreviewRequest(config=PreviewConfig(max_bytes=self.max_bytes, job=self.job)))
        return self

    async def write(self, chunk: bytes) -> None:
        """Sends the next bytes. Raises what ingest refuses the file with."""
        await self._send(PreviewRequest(chunk=chunk))

    async def run(self, reader: UploadReader) -> PreviewResponse:
        """Reads the form to its end; what the file holds. Raises as an upload, and what its job would fail with."""
        try:
            await reader.run()
            return await self._finish()
        finally:
            if self._call is not None:
                self._call.cancel()  # nothing happens after its end

    async def _finish(self) -> PreviewResponse:
        assert self._call is not None
        try:
            await self._call.done_writing()
            return await self._call
        except errors.CALL_ERRORS as error:
            raise errors.from_rpc(error) from error

    async def _send(self, request: PreviewRequest) -> None:
        assert self._call is not None
        try:
            await self._call.write(request)
        except asyncio.InvalidStateError:  # ingest has answered already: it refuses
            await self._finish()
        except errors.CALL_ERRORS as error:
            raise errors.from_rpc(error) from error

"""A MeshServer around a servicer whose behaviour a test fixes: one method of each shape."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc

from mesh import client
from mesh.server import MeshServer, ServiceSpec
from mesh.settings import MeshSettings
from pagemesh.analysis.v1.analysis_pb2 import AnalyzeProgress, AnalyzeRequest, AnalyzeResponse
from pagemesh.analysis.v1.analysis_pb2_grpc import (
    AnalysisServiceServicer,
    AnalysisServiceStub,
    add_AnalysisServiceServicer_to_server,
)
from pagemesh.ingest.v1.ingest_pb2 import UploadRequest, UploadResponse
from pagemesh.ingest.v1.ingest_pb2_grpc import (
    IngestServiceServicer,
    IngestServiceStub,
    add_IngestServiceServicer_to_server,
)
from pagemesh.ocr.v1.ocr_pb2 import ListEnginesRequest, ListEnginesResponse
from pagemesh.ocr.v1.ocr_pb2_grpc import OcrServiceServicer, OcrServiceStub, add_OcrServiceServicer_to_server
from tests.support.tokens import Signer

NAMES = ["pagemesh.ocr.v1.OcrService", "pagemesh.analysis.v1.AnalysisService", "pagemesh.ingest.v1.IngestService"]
Behaviour = Callable[[], Awaitable[None]]


class _Servicer(OcrServiceServicer, AnalysisServiceServicer, IngestServiceServicer):
    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave

    async def ListEngines(self, request: ListEnginesRequest, context: Any) -> ListEnginesResponse:
        await self._behave()
        return ListEnginesResponse()

    async def Analyze(self, request: AnalyzeRequest, context: Any) -> AsyncIterator[AnalyzeResponse]:
        yield AnalyzeResponse(progress=AnalyzeProgress(stage="analyzing"))
        await self._behave()
        yield AnalyzeResponse(progress=AnalyzeProgress(stage="done"))

    async def Upload(self, requests: AsyncIterator[UploadRequest], context: Any) -> UploadResponse:
        async for _ in requests:
            await self._behave()
        return UploadResponse()


class Peer:
    """The running server and a client of it."""

    def __init__(self, settings: MeshSettings, signer: Signer) -> None:
        self.settings = settings
        self.signer = signer
        self.channel = client.connect(settings.listen, settings)
        self.once = OcrServiceStub(self.channel).ListEngines
        self.many = AnalysisServiceStub(self.channel).Analyze
        self.sent = IngestServiceStub(self.channel).Upload

    async def ask(self, seconds: float = 10.0) -> None:
        """The unary method, through `mesh.client`."""
        await client.call(self.once, ListEnginesRequest(), seconds)

    async def follow(self) -> list[str]:
        """The streaming method, through `mesh.client`."""
        return [each.progress.stage async for each in client.stream(self.many, AnalyzeRequest())]


@asynccontextmanager
async def serving(
    settings: MeshSettings,
    behave: Behaviour,
    checks: Mapping[str, Behaviour] | None = None,
    public_methods: frozenset[str] = frozenset(),
) -> AsyncIterator[Peer]:
    """Runs the server within the block."""

    def register(server: grpc.aio.Server) -> list[str]:
        servicer = _Servicer(behave)  # type: ignore[abstract]  # one method of each shape suffices
        add_OcrServiceServicer_to_server(servicer, server)
        add_AnalysisServiceServicer_to_server(servicer, server)
        add_IngestServiceServicer_to_server(servicer, server)
        return NAMES

    signer = Signer()
    server = MeshServer(ServiceSpec("test", register, signer.verifier(), public_methods, checks or {}), settings)
    await server.start()
    peer = Peer(settings, signer)
    try:
        yield peer
    finally:
        await peer.channel.close()
        await server.stop()

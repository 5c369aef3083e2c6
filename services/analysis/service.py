"""The analysis service, put together."""

import asyncio

import grpc

from mesh import client
from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.server import MeshServer, ServiceSpec
from mesh.service_tokens import ServiceTokens
from mesh.tasks import give_up, handler
from mesh.verifier import remote_verifier
from mesh.worker import Worker, WorkerSpec
from pagemesh.analysis.v1.analysis_pb2_grpc import add_AnalysisServiceServicer_to_server
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub
from services.analysis.choice import Choice
from services.analysis.estimate import Estimates
from services.analysis.servicer import AnalysisServicer
from services.analysis.settings import AnalysisSettings
from services.analysis.user_keys import UserKeys
from services.analysis.worker import Analyst

NAME = "analysis"


async def serve(settings: AnalysisSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set, then drains."""
    bus = await Bus.connect(settings)
    provider = settings.provider()
    documents = DocumentServiceStub(client.connect(settings.results_url, settings))
    auth = TokenServiceStub(client.connect(settings.auth_url, settings))
    tokens = ServiceTokens(NAME, settings.service_secret, auth, ["documents.read"])
    choice = Choice(UserKeys(tokens, settings), provider, settings.user_models())
    analyst = Analyst(documents, tokens, choice)
    handle = handler(bus, NAME, analyst.work, await Cancellations.heard_by(bus))
    spec = WorkerSpec("analyze", handle, give_up(bus, NAME), settings.analysis_slots)
    worker = Worker(bus, spec)
    await worker.start()

    def register(server: grpc.aio.Server) -> list[str]:
        add_AnalysisServiceServicer_to_server(AnalysisServicer(analyst, Estimates(choice), provider), server)
        return ["pagemesh.analysis.v1.AnalysisService"]

    checks = {"messaging": bus.check, "worker": worker.check}
    server = MeshServer(ServiceSpec(NAME, register, await remote_verifier(settings, bus), checks=checks), settings)
    await server.start()
    await stop.wait()
    await asyncio.gather(server.stop(), worker.stop(settings.drain_seconds))
    await bus.close()

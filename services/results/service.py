"""The results service, put together."""

import asyncio

import grpc

from mesh import db
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.server import MeshServer, ServiceSpec
from mesh.verifier import remote_verifier
from pagemesh.results.v1.results_pb2_grpc import (
    add_DocumentServiceServicer_to_server,
    add_JobServiceServicer_to_server,
)
from pagemesh.results.v1.usage_pb2_grpc import add_UsageServiceServicer_to_server
from services.results.intake import Intake
from services.results.metering import Metering
from services.results.outbox import Outbox, Reconciler
from services.results.servicer import DocumentServicer, JobServicer, UsageServicer
from services.results.settings import ResultsSettings
from services.results.status import StatusFeed
from services.results.store import Store
from services.results.store.database import MIGRATIONS, SCHEMA
from services.results.submission import Submission


async def serve(settings: ResultsSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set, then drains."""
    url = settings.database_url.get_secret_value()
    bus, _ = await asyncio.gather(Bus.connect(settings), db.migrate(url, SCHEMA, MIGRATIONS))
    store = Store(db.connect(url, SCHEMA, settings.database_pool))
    blobs = Blobs(settings.storage_url)
    outbox, status = Outbox(bus, store), StatusFeed(bus)
    intake = Intake(bus, store, blobs, outbox, status)
    loops = [
        asyncio.create_task(loop)
        for loop in (
            *(intake.run(), outbox.note_confirmations()),
            *(Reconciler(bus, store, outbox).run(), Metering(bus, store).run()),
        )
    ]

    def register(server: grpc.aio.Server) -> list[str]:
        add_JobServiceServicer_to_server(JobServicer(store, Submission(store, outbox, status), bus), server)
        add_DocumentServiceServicer_to_server(DocumentServicer(store, blobs, status), server)
        add_UsageServiceServicer_to_server(UsageServicer(store), server)
        return [f"pagemesh.results.v1.{name}Service" for name in ("Job", "Document", "Usage")]

    async def loops_live() -> None:
        if any(loop.done() for loop in loops):
            raise Unavailable("A loop of the service has ended.", dependency="results")

    checks = {"database": store.check, "messaging": bus.check, "storage": blobs.check, "loops": loops_live}
    server = MeshServer(ServiceSpec("results", register, await remote_verifier(settings, bus), checks=checks), settings)
    await server.start()
    await stop.wait()
    await server.stop()
    for loop in loops:
        loop.cancel()
    await outbox.finish()
    await bus.close()
    await store.close()

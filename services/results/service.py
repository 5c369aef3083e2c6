"""The results service, put together."""

import asyncio
import logging
from collections.abc import Sequence

import grpc

from mesh import client, db
from mesh.addresses import Allowed
from mesh.bus import Bus
from mesh.seal import ARRIVAL_SEAL, Sealer
from mesh.server import MeshServer, ServiceSpec
from mesh.storage import Storage
from mesh.streams import identity_subject
from mesh.verifier import remote_verifier
from pagemesh.auth.v1.auth_pb2_grpc import OrganizationServiceStub
from pagemesh.results.v1.erasures_pb2_grpc import add_ErasureServiceServicer_to_server
from pagemesh.results.v1.results_pb2_grpc import (
    add_DocumentServiceServicer_to_server,
    add_JobServiceServicer_to_server,
)
from pagemesh.results.v1.runs_pb2_grpc import add_RunServiceServicer_to_server
from pagemesh.results.v1.templates_pb2_grpc import add_TemplateServiceServicer_to_server
from pagemesh.results.v1.text_tasks_pb2_grpc import add_TextTaskServiceServicer_to_server
from pagemesh.results.v1.usage_pb2_grpc import add_UsageServiceServicer_to_server
from pagemesh.results.v1.webhooks_pb2_grpc import add_WebhookServiceServicer_to_server
from services.results.control import Control
from services.results.ephemeral import Ephemeral
from services.results.ephemeral.expiry import Expiry
from services.results.ephemeral.intake import EphemeralIntake
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.reading import EphemeralWork
from services.results.ephemeral.recording import Recording as EphemeralRecording
from services.results.erasure_servicer import ErasureServicer
from services.results.forecast import Forecast
from services.results.hiding import Aftermath
from services.results.intake import Intake
from services.results.metering import Metering
from services.results.outbox import Outbox, Reconciler
from services.results.planning import Planner
from services.results.run_servicer import RunServicer
from services.results.run_submission import RunSubmission
from services.results.servicer import DocumentServicer, JobServicer, UsageServicer
from services.results.settings import ResultsSettings
from services.results.sharing import Sharing
from services.results.status import StatusFeed
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.store.database import MIGRATIONS, SCHEMA
from services.results.submission import Submission
from services.results.sweeping import Sweeping
from services.results.template_servicer import TemplateServicer
from services.results.text_task_servicer import TextTaskServicer
from services.results.webhooks.service import WebhookService

log = logging.getLogger(__name__)

SERVICES = ("Job", "Document", "Usage", "Webhook", "Erasure", "Template", "TextTask", "Run")


async def serve(settings: ResultsSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set, then drains."""
    url = settings.database_url.get_secret_value()
    bus, _ = await asyncio.gather(Bus.connect(settings), db.migrate(url, SCHEMA, MIGRATIONS))
    store = Store(db.connect(url, SCHEMA, settings.database_pool))
    blobs = Storage(settings.storage_url, lambda: bus)
    outbox, status, stopping = Outbox(bus, store), StatusFeed(bus), Stopping(bus, store)
    forecast = Forecast(store)
    control = Control(store, blobs, outbox, status, stopping, forecast)
    sealer = Sealer(settings.arrival_secret.get_secret_value(), ARRIVAL_SEAL)
    auth = client.connect(settings.auth_url, settings)
    sharing = Sharing(OrganizationServiceStub(auth))
    await bus.listen(identity_subject("organization_changed"), sharing.on_message)
    memory = Memory(bus, blobs)
    webhooks = WebhookService(bus, store, memory, sharing, settings)
    submission = Submission(store, blobs, outbox, status, forecast, webhooks.callbacks)
    planner = Planner(Allowed.parse(settings.allowed_private_networks), webhooks.callbacks)
    sweeping = Sweeping.build(settings, store, blobs, bus, Aftermath(status, stopping), auth)
    in_memory = EphemeralWork(store, memory, status, stopping, sweeping.erasure.record)
    recording = EphemeralRecording(bus, store, memory, status)
    ephemeral = Ephemeral.over(store, memory, recording, stopping, in_memory, webhooks.callbacks)
    jobs = JobServicer(store, submission, control, planner, bus, sealer, sharing, ephemeral)
    run_submission = RunSubmission(store, submission, outbox, control, planner, ephemeral.runs)
    runs = RunServicer(store, run_submission, bus, sharing, ephemeral.runs)
    intake = Intake(bus, store, blobs, outbox, status, forecast)
    ephemeral_intake = EphemeralIntake(bus, store, blobs, outbox, status, forecast, recording)
    loops = [
        asyncio.create_task(loop)
        for loop in (
            *(intake.run(), outbox.note_confirmations(), forecast.run(), status.pulse()),
            *(Reconciler(bus, store, outbox, stopping).run(), Metering(bus, store).run()),
            *(webhooks.run(), sweeping.sweeper.run()),
            *(ephemeral_intake.run(), Expiry(store, in_memory).run()),
        )
    ]

    def register(server: grpc.aio.Server) -> list[str]:
        add_JobServiceServicer_to_server(jobs, server)
        documents = DocumentServicer(store, blobs, control, sharing, sweeping.erasure, in_memory)
        add_DocumentServiceServicer_to_server(documents, server)
        add_UsageServiceServicer_to_server(UsageServicer(store), server)
        add_RunServiceServicer_to_server(runs, server)
        add_WebhookServiceServicer_to_server(webhooks.servicer, server)
        add_ErasureServiceServicer_to_server(ErasureServicer(store), server)
        add_TemplateServiceServicer_to_server(TemplateServicer(store), server)
        text_tasks = TextTaskServicer(store, control, sharing, sweeping.erasure, ephemeral)
        add_TextTaskServiceServicer_to_server(text_tasks, server)
        return [f"pagemesh.results.v1.{name}Service" for name in SERVICES]

    checks = {"database": store.check, "messaging": bus.check, "storage": blobs.check, "webhooks": webhooks.check}
    server = MeshServer(ServiceSpec("results", register, await remote_verifier(settings, bus), checks=checks), settings)
    await server.start()
    ended = await _first_ended(stop, loops)
    jobs.close()
    runs.close()
    await asyncio.gather(server.stop(), intake.stop(), ephemeral_intake.stop(), webhooks.stop())
    for loop in loops:
        loop.cancel()
    await asyncio.wait(loops)
    await asyncio.gather(outbox.finish(), stopping.finish(), webhooks.finish())
    await bus.close()
    await store.close()
    if ended:
        raise SystemExit(1)  # whoever supervises the process starts it again


async def _first_ended(stop: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> asyncio.Task[None] | None:
    """Waits for `stop`, or for a loop that ended though it never should; logs why."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, *loops}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    ended = next((loop for loop in loops if loop.done()), None)
    if ended and not ended.cancelled():
        log.error("a loop of the service has ended", exc_info=ended.exception())
    return ended

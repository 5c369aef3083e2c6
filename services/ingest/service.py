"""The ingest service, put together."""

import asyncio

import grpc

from mesh import client
from mesh.addresses import Allowed
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.outgoing import outgoing_client
from mesh.sandbox import Limits, Sandbox
from mesh.seal import ARRIVAL_SEAL, Sealer
from mesh.server import MeshServer, ServiceSpec
from mesh.tasks import give_up, handler
from mesh.verifier import remote_verifier
from mesh.worker import Worker, WorkerSpec
from pagemesh.ingest.v1.ingest_pb2_grpc import add_IngestServiceServicer_to_server
from pagemesh.ocr.v1.ocr_pb2_grpc import OcrServiceStub
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub, JobServiceStub
from services.ingest.arrival import Arrivals
from services.ingest.fetch import Fetcher
from services.ingest.fetch_http import HttpOpener
from services.ingest.fetch_s3 import S3Opener
from services.ingest.preview import Previews
from services.ingest.searchable_pdfs import SearchablePdfs
from services.ingest.servicer import IngestServicer, Languages
from services.ingest.settings import IngestSettings
from services.ingest.worker import Reader

NAME = "ingest"
_STEP_SECONDS = 20.0


async def serve(settings: IngestSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set, then drains."""
    bus = await Bus.connect(settings)
    blobs = Blobs(settings.storage_url)
    sandbox = _sandbox(settings)
    await sandbox.start()
    reader = Reader(sandbox, blobs)
    sealer = Sealer(settings.arrival_secret.get_secret_value(), ARRIVAL_SEAL)
    arrivals = Arrivals(reader, sandbox, blobs, sealer, settings.ingest_arrival_bytes)
    slots, cancellations = settings.ingest_processes, await Cancellations.heard_by(bus)
    workers = [
        Worker(bus, WorkerSpec(kind, handle, give_up(bus, NAME), slots, prefetch=2 * slots))
        for kind, handle in (
            ("inspect", handler(bus, NAME, reader.inspect, cancellations)),
            ("extract", handler(bus, NAME, reader.extract, cancellations)),
        )
    ]
    allowed = Allowed.parse(settings.allowed_private_networks)
    http = outgoing_client(allowed, _STEP_SECONDS)
    s3 = S3Opener(settings.fetch_buckets, settings.storage_url)
    fetcher = Fetcher(blobs, HttpOpener(http, allowed), s3, settings.fetch_seconds)
    fetches = WorkerSpec(
        "fetch", handler(bus, NAME, fetcher.fetch, cancellations), give_up(bus, NAME), settings.ingest_fetches
    )
    workers.append(Worker(bus, fetches))
    for worker in workers:
        await worker.start()

    def register(server: grpc.aio.Server) -> list[str]:
        results = client.connect(settings.results_url, settings)
        jobs, documents = JobServiceStub(results), DocumentServiceStub(results)
        languages = Languages(OcrServiceStub(client.connect(settings.ocr_url, settings)))
        searchable = SearchablePdfs(sandbox, blobs, documents)
        servicer = IngestServicer(blobs, jobs, languages, arrivals, searchable, Previews(sandbox))
        add_IngestServiceServicer_to_server(servicer, server)
        return ["pagemesh.ingest.v1.IngestService"]

    checks = {"messaging": bus.check, "storage": blobs.check} | {
        f"worker {number}": worker.check for number, worker in enumerate(workers)
    }
    server = MeshServer(ServiceSpec(NAME, register, await remote_verifier(settings, bus), checks=checks), settings)
    await server.start()
    await stop.wait()
    await asyncio.gather(server.stop(), *(worker.stop(settings.drain_seconds) for worker in workers))
    await http.aclose()
    await sandbox.stop()
    await bus.close()


def _sandbox(settings: IngestSettings) -> Sandbox:
    limits = Limits(
        memory_bytes=settings.ingest_memory_mb << 20,
        cpu_seconds=settings.ingest_cpu_seconds,
        wall_seconds=settings.ingest_page_seconds,
    )
    return Sandbox(NAME, "services.ingest.child:handle", settings.ingest_processes, limits)

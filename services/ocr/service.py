"""The OCR service, put together."""

import asyncio
import tempfile
from pathlib import Path

import grpc

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.sandbox import Limits, Sandbox
from mesh.server import MeshServer, ServiceSpec
from mesh.tasks import give_up, handler
from mesh.verifier import remote_verifier
from mesh.worker import Worker, WorkerSpec
from pagemesh.ocr.v1.ocr_pb2 import Engine
from pagemesh.ocr.v1.ocr_pb2_grpc import add_OcrServiceServicer_to_server
from services.ocr.child import DATA_VARIABLE, DPI_VARIABLE, ENGINE_VARIABLE
from services.ocr.engine import make_engine
from services.ocr.servicer import OcrServicer
from services.ocr.settings import OcrSettings
from services.ocr.tessdata import prepare
from services.ocr.worker import PageReader

NAME = "ocr"
DEFAULT_LANGUAGES = frozenset({"eng", "hin"})


async def serve(settings: OcrSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set, then drains."""
    with tempfile.TemporaryDirectory(prefix="pagemesh-tessdata-") as directory:
        data = prepare(Path(directory))
        sandbox = _sandbox(settings, data)
        bus, _ = await asyncio.gather(Bus.connect(settings), sandbox.start())
        blobs = Blobs(settings.storage_url)
        reader = PageReader(sandbox, blobs)
        handle = handler(bus, NAME, reader.recognize, await Cancellations.heard_by(bus))
        spec = WorkerSpec("ocr", handle, give_up(bus, NAME), settings.ocr_processes, prefetch=1)
        worker = Worker(bus, spec)
        await worker.start()
        engine = await asyncio.to_thread(_engine, settings, data)

        def register(server: grpc.aio.Server) -> list[str]:
            add_OcrServiceServicer_to_server(OcrServicer(reader, engine), server)
            return ["pagemesh.ocr.v1.OcrService"]

        checks = {"messaging": bus.check, "storage": blobs.check, "worker": worker.check}
        server = MeshServer(ServiceSpec(NAME, register, await remote_verifier(settings, bus), checks=checks), settings)
        await server.start()
        await stop.wait()
        await asyncio.gather(server.stop(), worker.stop(settings.drain_seconds))
        await sandbox.stop()
        await bus.close()


def _engine(settings: OcrSettings, data: Path) -> Engine:
    engine = make_engine(settings.ocr_engine, data)
    installed = engine.languages()
    return Engine(
        name=engine.name,
        version=engine.version,
        languages=sorted(installed),
        missing_languages=sorted(DEFAULT_LANGUAGES - installed),
    )


def _sandbox(settings: OcrSettings, data: Path) -> Sandbox:
    limits = Limits(
        memory_bytes=settings.ocr_memory_mb << 20,
        cpu_seconds=settings.ocr_cpu_seconds,
        wall_seconds=settings.ocr_page_seconds,
        tasks=200,
    )
    environment = {
        ENGINE_VARIABLE: settings.ocr_engine,
        DPI_VARIABLE: str(settings.ocr_dpi),
        DATA_VARIABLE: str(data),
    }
    return Sandbox(NAME, "services.ocr.child:handle", settings.ocr_processes, limits, environment)

"""One-page documents per second with 200 WebSockets that are told of each, and without."""

import asyncio
import json
from contextlib import AsyncExitStack

from benchmarks.figures import Figure, Findings
from benchmarks.load import documents_per_second
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.wire import Address
from benchmarks.wire_live import text_frame, upgrade

READERS, SILENT, ROUNDS = 200, 20, 4
DOCUMENTS, IN_FLIGHT, PAUSE_SECONDS = 160, 16, 0.02
WANTED = 0.85
METHOD = (
    f"{DOCUMENTS} one-page PDFs by {IN_FLIGHT} clients, {ROUNDS} rounds with and without readers in turn. With: "
    f"{READERS} WebSockets of the same user, the worst case, all subscribed to everything, {SILENT} of which never "
    "read; their client shares the processors."
)


async def measure() -> Findings:
    """Rounds in turn."""
    bare, told = [], []
    with running_mesh() as mesh:
        await _rate(mesh)
        for _ in range(ROUNDS):
            bare.append(await _rate(mesh))
            async with AsyncExitStack() as opened:
                await _open(opened, mesh)
                told.append(await _rate(mesh))
    what = f"one-page documents with {READERS} readers"
    return Findings([Figure(what, "documents/s", told, "the same without readers", bare, at_least=WANTED)], METHOD)


async def _rate(mesh: Mesh) -> float:
    pdf, submit = one_page_pdf(), mesh.submit()
    done = await documents_per_second(mesh.url, submit, pdf, DOCUMENTS, IN_FLIGHT, pause_seconds=PAUSE_SECONDS)
    return done.per_second


class _Reader(asyncio.Protocol):
    """Takes in whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


async def _open(opened: AsyncExitStack, mesh: Mesh) -> None:
    address, loop = Address.of(mesh.url), asyncio.get_running_loop()
    wanted = text_frame(json.dumps({"type": "subscribe", "channels": ["document_updates", "job_updates"]}))
    transports = []
    for _ in range(READERS):
        transport, _ = await loop.create_connection(_Reader, address.host, address.port)
        opened.callback(transport.abort)
        transport.write(upgrade(mesh.url, mesh.token))
        transports.append(transport)
    await asyncio.sleep(1)  # what comes together with the handshake is lost
    for number, transport in enumerate(transports):
        transport.write(wanted)
        if number < SILENT:
            transport.pause_reading()
    await asyncio.sleep(1)

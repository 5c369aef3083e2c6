"""Memory of the gateway for each long poll, event stream and WebSocket that it holds."""

import asyncio
import os
import resource
import signal
from contextlib import AsyncExitStack

from benchmarks.alive import alive_jobs
from benchmarks.children import accepts
from benchmarks.figures import Figure, Findings
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.processes import memory
from benchmarks.wire import Address, request_bytes
from benchmarks.wire_live import upgrade

HELD, BEFORE, ROUNDS = 2_000, 100, 3
SETTLE_SECONDS = 4.0
WANTED_KIB = 15.0
_AT_ONCE = 100
_RESTART_SECONDS = 60.0
METHOD = (
    f"A gateway that was started anew holds {BEFORE} connections, then {HELD} more, all for one job that goes on; "
    f"what its resident memory grew by meanwhile, by {HELD}, in {ROUNDS} rounds."
)


async def measure() -> Findings:
    """Each kind on a gateway that has held nothing before."""
    _raise_limit()
    kinds = ("long poll", "event stream", "WebSocket")
    grown: dict[str, list[float]] = {kind: [] for kind in kinds}
    with running_mesh({"PAGEMESH_LIVE_READERS_PER_USER": str(2 * HELD)}) as mesh:
        async with alive_jobs(mesh, 1) as (job_id,):
            for _ in range(ROUNDS):
                for kind in kinds:
                    grown[kind].append(await _kib_each(mesh, _request(mesh, kind, job_id)))
    figures = [
        Figure(f"memory of each {kind}", "KiB", values, at_most=None if kind == "WebSocket" else WANTED_KIB)
        for kind, values in grown.items()
    ]
    return Findings(figures, METHOD)


def _request(mesh: Mesh, kind: str, job_id: str) -> bytes:
    path, headers = f"/api/v1/jobs/{job_id}", {"Authorization": f"Bearer {mesh.token}"}
    if kind == "WebSocket":
        return upgrade(mesh.url, mesh.token)
    if kind == "long poll":
        headers["Prefer"] = "wait=60"
    else:
        path += "/events"
    return request_bytes("GET", path, Address.of(mesh.url).authority, headers)


async def _kib_each(mesh: Mesh, request: bytes) -> float:
    os.kill(mesh.pids()["gateway"], signal.SIGKILL)
    await _until_back(Address.of(mesh.url).port)
    async with AsyncExitStack() as opened:
        await _open(opened, mesh.url, request, BEFORE)
        before = memory(mesh.pids()["gateway"]).rss
        await _open(opened, mesh.url, request, HELD)
        return (memory(mesh.pids()["gateway"]).rss - before) * 1024 / HELD


async def _until_back(port: int) -> None:
    async with asyncio.timeout(_RESTART_SECONDS):
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            if await accepts(port):
                return


async def _open(opened: AsyncExitStack, url: str, request: bytes, count: int) -> None:
    address = Address.of(url)
    for start in range(0, count, _AT_ONCE):
        pairs = await asyncio.gather(
            *(asyncio.open_connection(address.host, address.port) for _ in range(min(_AT_ONCE, count - start)))
        )
        for _, writer in pairs:
            opened.callback(writer.close)
            writer.write(request)
        await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLE_SECONDS)


def _raise_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

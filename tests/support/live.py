"""The gateway of a small mesh behind its real HTTP server, and clients of its live updates."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cli.ports import LOOPBACK, free_ports
from pagemesh.results.v1 import job_pb2
from services.gateway.server import HttpServer
from services.gateway.settings import GatewaySettings
from tests.support.gateway_auth import FOREVER, organization_id
from tests.support.gateway_mesh import Mesh

Json = dict[str, Any]
BOTH = ["document_updates", "job_updates"]


@dataclass
class Served:
    """A gateway that listens."""

    mesh: Mesh
    port: int
    stop: asyncio.Event
    ended: asyncio.Event

    @property
    def http(self) -> str:
        """Base URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def url(self, user_id: str, token: str = "") -> str:
        """Where a user's updates are."""
        return f"ws://{LOOPBACK}:{self.port}/api/v1/ws/{user_id}" + (f"?token={token}" if token else "")


@asynccontextmanager
async def served(mesh: Mesh, **settings: object) -> AsyncIterator[Served]:
    """The mesh's gateway on a port of its own."""
    port = free_ports(1)[0]
    known = GatewaySettings.model_validate({"http_port": port, "drain_seconds": 2, **settings})
    running = Served(mesh, port, asyncio.Event(), asyncio.Event())
    serving = asyncio.create_task(HttpServer(mesh.gateway.app, known).run_until(running.stop, mesh.gateway.let_go))
    serving.add_done_callback(lambda _: running.ended.set())
    watching = asyncio.create_task(mesh.gateway.watch())
    await _until_accepted(port)
    try:
        yield running
    finally:
        watching.cancel()
        running.stop.set()
        await serving


async def _until_accepted(port: int) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return


class Person:
    """Somebody with a token, and jobs."""

    def __init__(self, mesh: Mesh, organization: str = "", **claims: str) -> None:
        self.user_id = str(uuid.uuid4())
        self.organization = organization or organization_id()
        self.session_id = str(uuid.uuid4())
        self.claims = {"sub": self.user_id, "sid": self.session_id, **claims}
        self._mesh = mesh

    def token(self, expires_at: int = FOREVER) -> str:
        """An access token."""
        return self._mesh.auth.token(self.organization, expires_at, **self.claims)

    def job(self, state: "job_pb2.JobState.ValueType" = job_pb2.JOB_STATE_RUNNING, **more: object) -> job_pb2.Job:
        """A new job of theirs, which reads a document."""
        fields = {"stage": "reading", "progress": 10, "pages_total": 4, **more}
        job = job_pb2.Job(id=str(uuid.uuid4()), type=job_pb2.JOB_TYPE_TEXT_EXTRACTION, state=state, **fields)  # type: ignore[arg-type]
        job.user_id = self.user_id
        return self._mesh.results.add(self.organization, job_pb2.Document(id=str(uuid.uuid4())), job)


def later(job: job_pb2.Job, progress: int, state: "job_pb2.JobState.ValueType | None" = None) -> job_pb2.Job:
    """The job's next revision."""
    following = job_pb2.Job()
    following.CopyFrom(job)
    following.progress, following.revision = progress, job.revision + 1
    if state is not None:
        following.state, following.stage = state, job_pb2.JobState.Name(state).removeprefix("JOB_STATE_").lower()
    return following


async def ask(socket: ClientConnection, message: Json) -> Json:
    """Sends a message; the next that comes."""
    await socket.send(json.dumps(message))
    return await heard(socket)


async def heard(socket: ClientConnection, seconds: float = 5) -> Json:
    """The next message. Raises TimeoutError, ConnectionClosed."""
    return dict(json.loads(await asyncio.wait_for(socket.recv(), seconds)))


async def closed_with(socket: ClientConnection, seconds: float = 5) -> int | None:
    """The close code, after whatever else comes before it; 1006 when the connection was cut."""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code


@asynccontextmanager
async def following(server: Served, person: Person, channels: list[str] = BOTH) -> AsyncIterator[ClientConnection]:
    """A subscribed connection."""
    async with connect(server.url(person.user_id, person.token())) as socket:
        answer = await ask(socket, {"type": "subscribe", "channels": channels})
        assert {"type": "subscribed", "channels": channels} == answer
        yield socket

"""A small mesh in one process for tests of the gateway: `auth`, `ingest` and `results` in memory, behind real gRPC.

Every refusal is one that the real services make.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx

from mesh import identity
from mesh.blobs import Blobs
from mesh.revocations import Revocations
from mesh.server import MeshServer, ServiceSpec
from pagemesh.auth.v1 import auth_pb2_grpc
from pagemesh.ingest.v1 import ingest_pb2_grpc
from pagemesh.results.v1 import (
    job_pb2,
    results_pb2_grpc,
    usage_pb2_grpc,
)
from services.gateway.limits import Counting
from services.gateway.neighbours import Neighbours
from services.gateway.settings import GatewaySettings
from services.gateway.wiring import Gateway
from tests.support.counting import ENDLESS, MemoryCounters
from tests.support.entries import MemoryEntries
from tests.support.gateway_auth import FOREVER, SERVICE_SECRET, Auth
from tests.support.gateway_ingest import Ingest
from tests.support.gateway_results import Results

Registration = Callable[[grpc.aio.Server], list[str]]


@dataclass
class Mesh:
    """The gateway among its neighbours."""

    gateway: Gateway
    auth: Auth
    results: Results
    ingest: Ingest
    blobs: Blobs
    servers: dict[str, MeshServer]
    counters: MemoryCounters
    entries: MemoryEntries
    memory: MemoryEntries
    connected: bool = True

    def client(self, organization: str | None = None, **claims: str) -> httpx.AsyncClient:
        """An HTTP client of the gateway, with a token of the organization when one is given."""
        transport = httpx.ASGITransport(self.gateway.app, raise_app_exceptions=False)
        headers = (
            {"authorization": f"Bearer {self.auth.token(organization, FOREVER, **claims)}"} if organization else {}
        )
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)

    def tell(self, job: job_pb2.Job) -> None:
        """Records a job and tells the gateway of it as `results` does."""
        self.results.records.jobs[job.id] = job
        self.gateway.feed.on_message(f"status.{job.organization_id}.{job.id}", job.SerializeToString())


@asynccontextmanager
async def running_mesh(directory: Path, counting: Counting | None = None, **settings: object) -> AsyncIterator[Mesh]:
    """A mesh whose sockets and blobs are in the directory."""
    auth = Auth()  # type: ignore[abstract]  # the rest is asked of the real service, by tests/contract
    results, blobs = Results(), Blobs(f"file://{directory}/blobs")
    ingest = Ingest(results, blobs)
    urls = {f"{name}_url": f"unix:{directory}/{name}" for name in ("auth", "ingest", "ocr", "analysis", "results")}
    limits = {"limits": {"free": ENDLESS}, "address_limits": ENDLESS}
    secret = {"service_secret": SERVICE_SECRET}
    known = GatewaySettings.model_validate({**urls, **limits, **secret, "drain_seconds": 0, **settings})
    registrations = {"auth": _auth(auth), "ingest": _ingest(ingest), "results": _results(results)}
    servers = {name: _server(name, known, auth, register) for name, register in registrations.items()}
    neighbours = Neighbours.connect(known)
    counters, entries, memory = MemoryCounters(), MemoryEntries(), MemoryEntries()
    mesh: Mesh
    counting = counting or counters
    gateway = Gateway(known, neighbours, blobs, lambda: mesh.connected, Revocations(), counting, entries, memory)
    mesh = Mesh(gateway, auth, results, ingest, blobs, servers, counters, entries, memory)
    for server in servers.values():
        await server.start()
    try:
        yield mesh
    finally:
        gateway.let_go()
        await neighbours.close()
        for server in servers.values():
            await server.stop()


def _server(name: str, settings: GatewaySettings, auth: Auth, register: Registration) -> MeshServer:
    public = {
        "/pagemesh.auth.v1.AccountService/Register",
        "/pagemesh.auth.v1.AccountService/Login",
        "/pagemesh.auth.v1.AccountService/Refresh",
        "/pagemesh.auth.v1.TokenService/GetJwks",
        "/pagemesh.auth.v1.TokenService/IssueServiceToken",
    }
    spec = ServiceSpec(name, register, identity.TokenVerifier(auth.jwks), frozenset(public))
    return MeshServer(spec, settings.model_copy(update={"listen": getattr(settings, f"{name}_url")}))


def _auth(auth: Auth) -> Registration:
    def register(server: grpc.aio.Server) -> list[str]:
        auth_pb2_grpc.add_AccountServiceServicer_to_server(auth, server)
        auth_pb2_grpc.add_OrganizationServiceServicer_to_server(auth, server)
        auth_pb2_grpc.add_TokenServiceServicer_to_server(auth, server)
        return []

    return register


def _ingest(ingest: Ingest) -> Registration:
    def register(server: grpc.aio.Server) -> list[str]:
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(ingest, server)
        return []

    return register


def _results(results: Results) -> Registration:
    def register(server: grpc.aio.Server) -> list[str]:
        results_pb2_grpc.add_JobServiceServicer_to_server(results, server)
        results_pb2_grpc.add_DocumentServiceServicer_to_server(results, server)
        usage_pb2_grpc.add_UsageServiceServicer_to_server(results, server)
        return []

    return register

"""The real `auth` behind the real gateway, and two replicas of the latter; documents are recorded in memory."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
from psycopg.rows import TupleRow
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.revocations import Revocations
from mesh.server import MeshServer, ServiceSpec
from mesh.streams import IDEMPOTENCY
from mesh.verifier import remote_verifier
from pagemesh.results.v1 import results_pb2_grpc, usage_pb2_grpc
from services.auth.__main__ import serve
from services.auth.settings import AuthSettings
from services.gateway.entry_link import EntryLink, LinkedEntries
from services.gateway.neighbours import Neighbours
from services.gateway.settings import GatewaySettings
from services.gateway.status_link import StatusLink
from services.gateway.wiring import Gateway
from tests.support.counting import ENDLESS, MemoryCounters
from tests.support.gateway_results import Results

PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """Somebody with a session."""

    email: str
    client: httpx.AsyncClient
    session: dict[str, Any]


@dataclass
class IdentityMesh:
    """Two gateways, of which the first is asked when a test does not care."""

    gateways: list[Gateway]
    database_url: str

    def client(self, replica: int = 0, **headers: str) -> httpx.AsyncClient:
        """An HTTP client with these headers; `_` stands for `-`."""
        transport = httpx.ASGITransport(self.gateways[replica].app, raise_app_exceptions=False)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.AsyncClient(transport=transport, base_url="http://gateway/api/v1", headers=named)

    def bearer(self, token: str, replica: int = 0) -> httpx.AsyncClient:
        """A client with a token."""
        return self.client(replica, authorization=f"Bearer {token}")

    async def register(self, **fields: str) -> Person:
        """A new account with its organization."""
        body = {"email": f"{uuid.uuid4()}@example.org", "password": PASSWORD, "full_name": "Marie Curie", **fields}
        return self.person((await self.client().post("/auth/register", json=body)).json())

    async def join(self, admin: Person, role: str = "user") -> Person:
        """A new member of the admin's organization."""
        email = f"{uuid.uuid4()}@example.org"
        invited = await admin.client.post("/organizations/me/members", json={"email": email, "role": role})
        body = {"token": invited.json()["token"], "password": PASSWORD, "full_name": "Pierre Curie"}
        return self.person((await self.client().post("/auth/invitations/accept", json=body)).json())

    def person(self, session: dict[str, Any]) -> Person:
        """The person of a session."""
        return Person(session["user"]["email"], self.bearer(session["access_token"]), session)

    async def login(self, person: Person, password: str = PASSWORD) -> httpx.Response:
        """Opens another session."""
        return await self.client().post("/auth/login", json={"email": person.email, "password": password})

    async def sql(self, statement: str, *values: object) -> None:
        """Changes the record behind the service's back."""
        async with self.connection() as connection:
            await connection.execute(statement.encode(), values)

    async def rows(self, statement: str, *values: object) -> list[TupleRow]:
        """Reads the record behind the service's back."""
        async with self.connection() as connection:
            return await (await connection.execute(statement.encode(), values)).fetchall()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """A connection to the record; its transaction is committed at the end of the block."""
        url = make_url(self.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(url, options="-c search_path=auth") as connection:
            yield connection

    async def somebody_waits(self) -> bool:
        """Whether a transaction of this database waits for another's lock."""
        waiting = b"""
            SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' LIMIT 1
        """
        async with self.connection() as connection:
            return await (await connection.execute(waiting)).fetchone() is not None


@asynccontextmanager
async def identity_mesh(settings: AuthSettings, directory: Path) -> AsyncIterator[IdentityMesh]:
    """Runs it within the block; the settings name a database, a broker and a socket."""
    urls = {f"{name}_url": f"unix:{directory}/{name}" for name in ("ingest", "ocr", "analysis", "results")}
    nats = SecretStr(settings.nats_url.get_secret_value())
    limits = {"limits": dict.fromkeys(("free", "pro", "enterprise"), ENDLESS), "address_limits": ENDLESS}
    common = {**urls, **limits, "auth_url": settings.listen, "nats_url": nats, "drain_seconds": 0}
    known = GatewaySettings.model_validate(common)
    async with serve(settings), _recording(known):
        neighbours, links, entries = Neighbours.connect(known), [StatusLink(), StatusLink()], EntryLink()
        await entries.open(known)
        blobs = Blobs(f"file://{directory}/blobs")
        gateways = [await _gateway(known, neighbours, link, blobs, entries) for link in links]
        yield IdentityMesh(gateways, settings.database_url.get_secret_value())
        for gateway, link in zip(gateways, links, strict=True):
            gateway.feed.close()
            await link.close()
        await neighbours.close()
        await entries.close()


async def _gateway(
    settings: GatewaySettings, neighbours: Neighbours, link: StatusLink, blobs: Blobs, entries: EntryLink
) -> Gateway:
    revocations = Revocations(complete=False)
    kept, counters = LinkedEntries(entries, IDEMPOTENCY), MemoryCounters()
    gateway = Gateway(settings, neighbours, blobs, lambda: link.connected, revocations, counters, kept, kept)
    await link.open(settings, gateway.feed, revocations, gateway.organizations)
    return gateway


@asynccontextmanager
async def _recording(settings: GatewaySettings) -> AsyncIterator[None]:
    results = Results()

    def register(server: grpc.aio.Server) -> list[str]:
        results_pb2_grpc.add_JobServiceServicer_to_server(results, server)
        results_pb2_grpc.add_DocumentServiceServicer_to_server(results, server)
        usage_pb2_grpc.add_UsageServiceServicer_to_server(results, server)
        return []

    bus = await Bus.connect(settings)
    spec = ServiceSpec("results", register, await remote_verifier(settings, bus))
    server = MeshServer(spec, settings.model_copy(update={"listen": settings.results_url}))
    await server.start()
    yield
    await server.stop()
    await bus.close()

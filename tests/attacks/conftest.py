"""A running stack with a victim in it; every test here must leave the victim's record as it was."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import httpx
import pytest
from sqlalchemy.engine import make_url

from cli.background import Background
from cli.postgres import database_url
from mesh import client, context
from mesh.scopes import GRANTABLE
from mesh.settings import MeshSettings
from pagemesh.auth.v1.admin_pb2 import IssueOperatorTokenRequest
from pagemesh.auth.v1.admin_pb2_grpc import AdminServiceStub
from pagemesh.auth.v1.auth_pb2 import IssueServiceTokenRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub
from pagemesh.auth.v1.clients_pb2 import CreateClientRequest
from pagemesh.auth.v1.clients_pb2_grpc import OAuthClientServiceStub
from pagemesh.auth.v1.keys_pb2 import CreateApiKeyRequest
from pagemesh.auth.v1.keys_pb2_grpc import ApiKeyServiceStub
from pagemesh.results.v1.results_pb2 import GetDocumentRequest
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceStub
from tests.attacks.operations import Operation, every_operation
from tests.attacks.people import Attacker, Person, Victim, make_victim, new_client, register
from tests.attacks.record import Record
from tests.support.loopback import Answer, Asked, LoopbackServer


@dataclass
class World:
    """The stack, seen from outside and from below."""

    url: str
    channels: dict[str, grpc.aio.Channel]
    service_secret: str
    operators_secret: str
    record: Record
    receiver: str
    """URL of somebody who takes webhooks."""

    async def storage_key(self, person: Person, document_id: str) -> str:
        """Where the original of a person's document is."""
        context.bearer_token.set(person.token)
        stub = DocumentServiceStub(self.channels["results"])
        answer = await client.call(stub.GetDocument, GetDocumentRequest(document_id=document_id))
        return str(answer.document.storage_key)

    async def request(self, person: Person) -> str:
        """The id of the requests by which the person made a key and a client; whoever may repeats them."""
        request_id = str(uuid.uuid4())
        context.bearer_token.set(person.token)
        key = CreateApiKeyRequest(name="a program", request_id=request_id)
        await client.call(ApiKeyServiceStub(self.channels["auth"]).CreateApiKey, key)
        machine = CreateClientRequest(name="a machine", scopes=GRANTABLE, request_id=request_id)
        await client.call(OAuthClientServiceStub(self.channels["auth"]).CreateClient, machine)
        return request_id

    @asynccontextmanager
    async def attacking(self) -> AsyncIterator[Attacker]:
        """A new organization."""
        person = await register(self.url, "Mallory")
        try:
            yield Attacker(person, await new_client(person), self.storage_key, self.receiver)
        finally:
            await person.close()

    async def operator_token(self) -> str:
        """A token of whoever runs the installation."""
        request = IssueOperatorTokenRequest(secret=self.operators_secret, operator="grace@test")
        stub = AdminServiceStub(self.channels["auth"])
        return str((await client.call(stub.IssueOperatorToken, request)).access_token)

    async def service_token(self, organization_id: str, service: str = "analysis") -> str:
        """A token by which a service acts inside the organization."""
        request = IssueServiceTokenRequest(service=service, secret=self.service_secret, organization_id=organization_id)
        stub = TokenServiceStub(self.channels["auth"])
        return str((await client.call(stub.IssueServiceToken, request)).access_token)


class _Receiver(LoopbackServer):
    def answer(self, asked: Asked) -> Answer:
        return Answer(204)


@pytest.fixture(scope="session")
def receiver() -> Iterator[str]:
    """URL of somebody who takes webhooks."""
    with _Receiver() as server:
        yield server.url


@pytest.fixture(scope="session")
async def world(stack: Background, receiver: str) -> AsyncIterator[World]:
    """The session's stack."""
    state = stack.state
    channels = {
        name: client.connect(f"unix:{path}", MeshSettings())
        for name, path in state.sockets.items()
        if name != "postgres"
    }
    url = make_url(database_url(stack.layout.sockets / "postgres", "postgres")).set(drivername="postgresql")
    record = Record(url.render_as_string(hide_password=False), stack.layout.blobs)
    secrets = (stack.layout.secret("service"), stack.layout.secret("admin"))
    yield World(stack.url, channels, *secrets, record, receiver)
    for channel in channels.values():
        await channel.close()


@pytest.fixture(scope="session")
async def victim(world: World) -> AsyncIterator[Victim]:
    """Somebody with something of every kind."""
    victim = await make_victim(world.url, world.storage_key, world.request, world.receiver)
    yield victim
    await victim.person.close()


@pytest.fixture(scope="session")
async def attacker(world: World, victim: Victim) -> AsyncIterator[Attacker]:
    """Somebody of another organization."""
    async with world.attacking() as attacker:
        yield attacker


@pytest.fixture
async def untouched(world: World, victim: Victim) -> AsyncIterator[Any]:
    """The victim's record is after the test what it was before."""
    read = partial(world.record.of, victim.secrets)
    before = await read()
    yield before
    assert before == await read()


@pytest.fixture(scope="session")
async def operations(world: World) -> list[Operation]:
    """What the gateway publishes."""
    return await every_operation(world.url)


@pytest.fixture
async def nobody(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a credential."""
    async with httpx.AsyncClient(base_url=world.url, timeout=90) as client:
        yield client

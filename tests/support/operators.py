"""An operator of a running `auth`, and the bare admin service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.message import Message

from cli.administration.client import AdminClient, connected
from cli.administration.target import Target
from mesh import client, context
from pagemesh.auth.v1 import admin_pb2
from pagemesh.auth.v1.admin_pb2_grpc import AdminServiceStub
from services.auth.settings import AuthSettings

SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
METHODS = sorted(method.name for method in SERVICE.methods if method.name != "IssueOperatorToken")
"""Those that are for operators."""
NAME = "grace@test"


@dataclass
class Admin:
    """The admin service: as the command line asks it, and method by method with any credential."""

    client: AdminClient
    channel: grpc.aio.Channel
    secret: str

    async def token(self) -> str:
        """An operator's token."""
        return await self.issue(self.secret, NAME)

    async def issue(self, secret: str, operator: str) -> str:
        """A token for whoever shows the secret. Raises a PagemeshError."""
        request = admin_pb2.IssueOperatorTokenRequest(secret=secret, operator=operator)
        context.bearer_token.set("")
        return (await client.call(AdminServiceStub(self.channel).IssueOperatorToken, request)).access_token

    async def ask(self, method: str, token: str, request: Message | None = None) -> Any:
        """Calls a method, with an empty request unless one is given. Raises a PagemeshError."""
        kind = message_factory.GetMessageClass(SERVICE.methods_by_name[method].input_type)
        call: Callable[..., Awaitable[Any]] = getattr(AdminServiceStub(self.channel), method)
        context.bearer_token.set(token)
        return await client.call(call, kind() if request is None else request)

    async def send(self, request: Message) -> Any:
        """Calls the method that the request belongs to as an operator. Raises a PagemeshError."""
        return await self.ask(type(request).__name__.removesuffix("Request"), await self.token(), request)


@asynccontextmanager
async def administering(settings: AuthSettings) -> AsyncIterator[Admin]:
    """An operator of the service with these settings."""
    secret = settings.operators_secret()
    channel = client.connect(settings.listen, settings)
    async with connected(Target(settings.listen, secret, NAME, settings)) as admin:
        yield Admin(admin, channel, secret)
    await channel.close()

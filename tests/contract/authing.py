"""The auth service as tests see it: its client, its settings, and its database behind its back."""

import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.abc import QueryNoTemplate
from psycopg.rows import TupleRow
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from mesh import client, context
from mesh.errors import (
    PagemeshError,
    Unauthenticated,
)
from mesh.identity import TokenVerifier
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from services.auth.__main__ import serve
from services.auth.settings import AuthSettings

PASSWORD = "correct horse battery staple"
NOBODY = "00000000-0000-4000-8000-000000000000"


def settings_for(url: str, directory: Path, name: str = "auth") -> AuthSettings:
    """Settings of a service that listens on a socket in the directory; the master key stays the same there."""
    key = directory / "master.key"
    if not key.exists():
        key.write_bytes(base64.b64encode(os.urandom(32)))
    return AuthSettings(
        listen=f"unix:{directory}/{name}.sock",
        database_url=SecretStr(url),
        service_secret=SecretStr("shared among services"),
        master_key_file=key,
        drain_seconds=0.5,
    )


def dsn(settings: AuthSettings, database: str | None = None) -> str:
    """The service's database, or another one of its server, as libpq names it."""
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
    if database:
        url = url.set(database=database)
    return url.render_as_string(hide_password=False)


class Auth:
    """A client of the service."""

    def __init__(self, settings: AuthSettings) -> None:
        self.settings = settings
        self.channel = client.connect(settings.listen, settings)
        self.accounts = auth_pb2_grpc.AccountServiceStub(self.channel)
        self.organizations = auth_pb2_grpc.OrganizationServiceStub(self.channel)
        self.tokens = auth_pb2_grpc.TokenServiceStub(self.channel)
        self.verifier = TokenVerifier(self.jwks)

    async def register(self, email: str, password: str = PASSWORD, **more: str) -> auth_pb2.RegisterResponse:
        """Registers; `more` are fields of the request."""
        request = auth_pb2.RegisterRequest(email=email, password=password, **{"full_name": "Marie Curie", **more})
        return await client.call(self.accounts.Register, request)

    async def login(self, email: str, password: str = PASSWORD) -> auth_pb2.LoginResponse:
        """Logs in."""
        return await client.call(self.accounts.Login, auth_pb2.LoginRequest(email=email, password=password))

    async def refresh(self, token: str) -> auth_pb2.TokenPair:
        """Spends a refresh token."""
        request = auth_pb2.RefreshRequest(refresh_token=token)
        return (await client.call(self.accounts.Refresh, request)).tokens

    async def me(self, token: str) -> auth_pb2.User:
        """The account of the token."""
        context.bearer_token.set(token)
        return (await client.call(self.accounts.GetMe, auth_pb2.GetMeRequest())).user

    async def organization(self, token: str) -> auth_pb2.Organization:
        """The organization of the token."""
        context.bearer_token.set(token)
        request = auth_pb2.GetOrganizationRequest()
        return (await client.call(self.organizations.GetOrganization, request)).organization

    async def service_token(self, secret: str, organization_id: str) -> auth_pb2.IssueServiceTokenResponse:
        """A token for the analysis service."""
        request = auth_pb2.IssueServiceTokenRequest(service="analysis", secret=secret, organization_id=organization_id)
        return await client.call(self.tokens.IssueServiceToken, request)

    async def jwks(self) -> str:
        """The public keys."""
        return (await client.call(self.tokens.GetJwks, auth_pb2.GetJwksRequest())).jwks_json

    async def sql(self, statement: QueryNoTemplate, *values: object) -> list[TupleRow]:
        """Reads or changes the record behind the service's back."""
        async with await psycopg.AsyncConnection.connect(
            dsn(self.settings), options="-c search_path=auth"
        ) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
async def auth(fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Auth]:
    """A client of a running service."""
    settings = settings_for(fresh_database(), tmp_path_factory.mktemp("auth"))
    async with serve(settings):
        caller = Auth(settings)
        yield caller
        await caller.channel.close()


@pytest.fixture(autouse=True)
def _without_a_credential() -> None:
    """Each test begins with none."""
    context.bearer_token.set("")


async def tries(auth: Auth, email: str, password: str, address: str = "192.0.2.1") -> str:
    """What becomes of a login from an address: its reason, or nothing when it worked."""
    request = auth_pb2.LoginRequest(email=email, password=password, client_address=address)
    try:
        await client.call(auth.accounts.Login, request)
    except PagemeshError as error:
        return error.reason
    return ""


async def refusal(auth: Auth, refresh_token: str) -> str:
    """Why the token is refused."""
    with pytest.raises(Unauthenticated) as caught:
        await auth.refresh(refresh_token)
    return caught.value.reason


@asynccontextmanager
async def locked_out(settings: AuthSettings) -> AsyncIterator[None]:
    """Hangs up every connection to the service's database, and lets none in, within the block."""
    name = make_url(settings.database_url.get_secret_value()).database or ""
    alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    async with await psycopg.AsyncConnection.connect(dsn(settings, "postgres"), autocommit=True) as connection:
        await connection.execute(alter.format(sql.Identifier(name), sql.SQL("false")))
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        await connection.execute(alter.format(sql.Identifier(name), sql.SQL("true")))

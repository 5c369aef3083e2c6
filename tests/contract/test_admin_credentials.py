"""Who is an operator, and who is not: with the real `auth`, a gateway in front of it, and another service."""

import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from mesh import client, context
from mesh.bus import Bus
from mesh.errors import Forbidden, InvalidArgument, PagemeshError, Unauthenticated
from mesh.verifier import remote_verifier
from pagemesh.auth.v1 import admin_pb2, auth_pb2, auth_pb2_grpc, keys_pb2, keys_pb2_grpc
from services.auth.settings import AuthSettings
from tests.contract.authing import settings_for
from tests.contract.test_oauth import make as make_client
from tests.contract.test_oauth import token_of
from tests.support.identity_mesh import IdentityMesh, identity_mesh
from tests.support.operators import METHODS, Admin, administering
from tests.support.servers import NatsServer

SECRET = "of operators alone"


@pytest.fixture(scope="module")
async def settings(fresh_database: Callable[[], str], nats_server: NatsServer) -> AsyncIterator[AuthSettings]:
    """Settings of a service whose operators have a secret of their own."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        changed = {"nats_url": SecretStr(nats_server.url), "admin_secret": SecretStr(SECRET)}
        yield settings_for(fresh_database(), Path(directory)).model_copy(update=changed)


@pytest.fixture(scope="module")
async def mesh(settings: AuthSettings) -> AsyncIterator[IdentityMesh]:
    """A running mesh."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with identity_mesh(settings, Path(directory)) as running:
            yield running


@pytest.fixture(scope="module")
async def admin(mesh: IdentityMesh, settings: AuthSettings) -> AsyncIterator[Admin]:
    """An operator."""
    async with administering(settings) as operator:
        yield operator


async def credentials(mesh: IdentityMesh, admin: Admin) -> dict[str, str]:
    """A good credential of every kind but an operator's."""
    governor = await mesh.register()
    member = await mesh.join(governor)
    key = (await governor.client.post("/api-keys", json={"name": "a program"})).json()["key"]
    exchange = keys_pb2_grpc.ApiKeyServiceStub(admin.channel).ExchangeApiKey
    organization_id = governor.session["user"]["organization_id"]
    issue = auth_pb2_grpc.TokenServiceStub(admin.channel).IssueServiceToken
    services = {
        name: await client.call(
            issue,
            auth_pb2.IssueServiceTokenRequest(
                service=name, secret="shared among services", organization_id=organization_id
            ),
        )
        for name in ("analysis", "admin", "operator")
    }
    return {
        "user": member.session["access_token"],
        "admin of an organization": governor.session["access_token"],
        "refresh token": governor.session["refresh_token"],
        "API key": key,
        "token of an API key": (await client.call(exchange, keys_pb2.ExchangeApiKeyRequest(key=key))).access_token,
        "OAuth client": await token_of(mesh, await make_client(governor)),
        **{f"service {name}": issued.access_token for name, issued in services.items()},
        "the secret itself": SECRET,
        "garbage": "a.b.c",
        "none": "",
    }


async def test_nobody_but_an_operator_is_let_in(mesh: IdentityMesh, admin: Admin) -> None:
    """Every method refuses every other credential, before it looks at the request."""
    refused = {}
    for kind, token in (await credentials(mesh, admin)).items():
        for method in METHODS:
            with pytest.raises((Unauthenticated, Forbidden)) as caught:
                await admin.ask(method, token)
            refused[kind, method] = type(caught.value)
    good = {kind for kind, _ in refused} - {"refresh token", "API key", "the secret itself", "garbage", "none"}
    assert {(kind, Forbidden) for kind in good} == {each for each in _kinds(refused) if each[0] in good}
    assert {Unauthenticated} == {error for kind, error in _kinds(refused) if kind not in good}


def _kinds(refused: dict[tuple[str, str], type[PagemeshError]]) -> set[tuple[str, type[PagemeshError]]]:
    return {(kind, error) for (kind, _), error in refused.items()}


async def test_an_operator_is_let_in(admin: Admin) -> None:
    """The credentials above fail for what they are, not for how they are sent."""
    answer = await admin.ask(
        "ListOrganizations", await admin.token(), admin_pb2.ListOrganizationsRequest(page=1, per_page=1)
    )
    assert answer.total >= 0


async def test_an_operators_token_opens_nothing_else(mesh: IdentityMesh, admin: Admin, settings: AuthSettings) -> None:
    """No gateway and no other service takes it, and `auth` for operators' methods alone."""
    token = await admin.token()
    paths = ("/users/me", "/organizations/me", "/organizations/me/members", "/documents", "/jobs")
    assert {401} == {(await mesh.bearer(token, replica).get(path)).status_code for path in paths for replica in (0, 1)}
    bus = await Bus.connect(settings)
    verifier = await remote_verifier(settings.model_copy(update={"auth_url": settings.listen}), bus)
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)
    await bus.close()
    accounts = auth_pb2_grpc.AccountServiceStub(admin.channel)
    organizations = auth_pb2_grpc.OrganizationServiceStub(admin.channel)
    context.bearer_token.set(token)
    for call, request in (
        (accounts.GetMe, auth_pb2.GetMeRequest()),
        (accounts.Logout, auth_pb2.LogoutRequest()),
        (organizations.GetOrganization, auth_pb2.GetOrganizationRequest()),
        (organizations.ListMembers, auth_pb2.ListMembersRequest(page=1, per_page=1)),
    ):
        with pytest.raises(Forbidden):
            await client.call(call, request)


@pytest.mark.parametrize("secret", ["", "shared among services", "of operators alone ", "né"])
async def test_other_secrets_make_no_operator(admin: Admin, secret: str) -> None:
    """The services' secret does not either where operators have one of their own."""
    with pytest.raises(Forbidden):
        await admin.issue(secret, "ada")


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "ada\nx", "\x1b[2J"])
async def test_an_operator_has_a_name(admin: Admin, name: str) -> None:
    """It is recorded, so it must be one that can be shown."""
    with pytest.raises(InvalidArgument) as caught:
        await admin.issue(SECRET, name)
    assert {"field": "operator"} == caught.value.details


async def test_no_gateway_leads_to_operators(mesh: IdentityMesh) -> None:
    """Nothing of the published API mentions them."""
    published = (await mesh.client().get("http://gateway/openapi.json")).text
    assert [] == [word for word in ("operator", "AdminService", "set-tier") if word in published]

"""OAuth clients and their tokens over HTTP, with the real `auth` and two gateways."""

import base64
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from pydantic import SecretStr, TypeAdapter

from services.gateway.surfaces.oauth import shapes as oauth_shapes
from services.gateway.surfaces.platform import shapes
from tests.contract.authing import settings_for
from tests.support.broker import eventually
from tests.support.identity_mesh import IdentityMesh, Person, identity_mesh
from tests.support.servers import NatsServer

CLIENTS = "/organizations/me/clients"
ROOT = "http://gateway"


@pytest.fixture(scope="module")
async def mesh(fresh_database: Callable[[], str], nats_server: NatsServer) -> AsyncIterator[IdentityMesh]:
    """A mesh for all tests here."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        settings = settings_for(fresh_database(), Path(directory))
        changed = {"nats_url": SecretStr(nats_server.url), "oauth_token_seconds": 3600}
        async with identity_mesh(settings.model_copy(update=changed), Path(directory)) as running:
            yield running


async def make(admin: Person, *scopes: str) -> dict[str, Any]:
    """A new client."""
    body = {"name": "a machine", "scopes": scopes or ("documents.read", "jobs.read")}
    answer = await admin.client.post(CLIENTS, json=body)
    assert 201 == answer.status_code, answer.text
    made: dict[str, Any] = answer.json()
    return made


def basic(client_id: str, secret: str) -> str:
    """An `Authorization` header, parts encoded as RFC 6749 section 2.3.1 asks."""
    return "Basic " + base64.b64encode(f"{quote(client_id)}:{quote(secret)}".encode()).decode()


async def ask(mesh: IdentityMesh, made: dict[str, Any], path: str = "token", **form: str) -> httpx.Response:
    """Sends a form, with the client's credentials in it."""
    form = {"client_id": made["client_id"], "client_secret": made["client_secret"], **form}
    return await mesh.client().post(f"{ROOT}/auth/{path}", data=form)


async def token_of(mesh: IdentityMesh, made: dict[str, Any]) -> str:
    """A token of the client's."""
    return str((await ask(mesh, made, grant_type="client_credentials")).json()["access_token"])


def refused(client: httpx.AsyncClient) -> Callable[[], Awaitable[bool]]:
    """Asks whether the credential is refused."""

    async def is_refused() -> bool:
        return (await client.get("/documents")).status_code == 401

    return is_refused


async def test_a_client_gets_a_token(mesh: IdentityMesh) -> None:
    """By form or Basic, for all its scopes or those asked for; never to be stored."""
    admin = await mesh.register()
    made = await make(admin)
    TypeAdapter(shapes.NewClient).validate_python(made, strict=True)
    by_form = await ask(mesh, made, grant_type="client_credentials")
    header = {"authorization": basic(made["client_id"], made["client_secret"])}
    wanted = {"grant_type": "client_credentials", "scope": "jobs.read"}
    by_basic = await mesh.client().post(f"{ROOT}/auth/token", data=wanted, headers=header)
    for answer, scope in ((by_form, "documents.read jobs.read"), (by_basic, "jobs.read")):
        assert (200, "no-store", "no-cache") == (
            answer.status_code,
            answer.headers["cache-control"],
            answer.headers["pragma"],
        )
        TypeAdapter(oauth_shapes.Token).validate_python(answer.json(), strict=True)
        assert ("Bearer", 3600, scope) == tuple(answer.json()[each] for each in ("token_type", "expires_in", "scope"))
    claims = jwt.decode(by_form.json()["access_token"], options={"verify_signature": False})
    assert (3600, made["client_id"]) == (claims["exp"] - claims["iat"], claims["sub"])


async def test_a_token_does_what_its_scopes_say(mesh: IdentityMesh) -> None:
    """Inside the organization of the client, and nothing that governs it."""
    admin = await mesh.register()
    client = mesh.bearer(await token_of(mesh, await make(admin, "documents.read")), 1)
    assert 200 == (await client.get("/documents")).status_code
    answers = [
        await client.get("/jobs"),
        await client.delete(f"/documents/{uuid.uuid4()}"),
        await client.get("/users/me"),
        await client.post(CLIENTS, json={"name": "more", "scopes": ["documents.write"]}),
    ]
    assert [(403, "insufficient_scope")] * 4 == [(each.status_code, each.json()["error"]) for each in answers]
    assert 'error="insufficient_scope", scope="jobs.read"' in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "documents.write"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "everything"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": str(uuid.uuid4())}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nul\x00"}, 401, "invalid_client"),
    ],
)
async def test_errors_are_those_of_the_rfc(mesh: IdentityMesh, form: dict[str, str], status: int, error: str) -> None:
    """Code, status and headers are those of RFC 6749 section 5.2."""
    answer = await ask(mesh, await make(await mesh.register()), **form)
    assert (status, error, "no-store", "no-cache") == (
        answer.status_code,
        answer.json()["error"],
        answer.headers["cache-control"],
        answer.headers["pragma"],
    )
    assert {"error", "error_description"} == set(answer.json())
    assert (status == 401) == answer.headers.get("www-authenticate", "").startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials", {}, "invalid_request"),
        (b'{"grant_type": "client_credentials"}', {"content-type": "application/json"}, "invalid_request"),
        (b"grant_type=%ff", {}, "invalid_request"),
        (b"x=" + b"y" * 20_000, {}, "invalid_request"),
        (b"grant_type=client_credentials&client_secret=x", {"authorization": basic("a", "b")}, "invalid_request"),
        (b"grant_type=client_credentials&client_id=x", {"authorization": basic("a", "b")}, "invalid_request"),
        (b"grant_type=client_credentials", {"authorization": basic("a", "b")}, "invalid_client"),
        (b"grant_type=client_credentials", {"authorization": "Basic %%%"}, "invalid_client"),
        (b"grant_type=client_credentials", {"authorization": "Bearer x"}, "invalid_client"),
        (b"grant_type=client_credentials", {}, "invalid_client"),
    ],
)
async def test_malformed_requests(mesh: IdentityMesh, body: bytes, headers: dict[str, str], error: str) -> None:
    """Whatever is wrong, the answer has the one form."""
    headers = {"content-type": "application/x-www-form-urlencoded", **headers}
    answer = await mesh.client().post(f"{ROOT}/auth/token", content=body, headers=headers)
    assert (401 if error == "invalid_client" else 400, error) == (answer.status_code, answer.json()["error"])


async def test_another_secret_leaves_the_old_one_its_grace(mesh: IdentityMesh) -> None:
    """Both are good until the grace has passed, then the new one alone."""
    admin = await mesh.register()
    made = await make(admin)
    answer = await admin.client.post(f"{CLIENTS}/{made['id']}/rotate")
    rotated = answer.json()
    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    TypeAdapter(shapes.RotatedClient).validate_python(rotated, strict=True)
    assert rotated["previous_secret_expires_at"] > rotated["created_at"]
    asked = [await ask(mesh, each, grant_type="client_credentials") for each in (made, rotated)]
    assert [200, 200] == [each.status_code for each in asked]
    await mesh.sql("UPDATE oauth_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
    asked = [await ask(mesh, each, grant_type="client_credentials") for each in (made, rotated)]
    assert [401, 200] == [each.status_code for each in asked]


async def test_a_deleted_client_is_dead_with_its_tokens(mesh: IdentityMesh) -> None:
    """At the gateway that deleted it at once, at the other soon; its secret buys nothing any more."""
    admin = await mesh.register()
    made, kept = await make(admin), await make(admin)
    token = await token_of(mesh, made)
    clients = [mesh.bearer(token, replica) for replica in (0, 1)]
    assert [False, False] == [await refused(client)() for client in clients]
    one = f"{CLIENTS}/{made['id']}"
    assert [204, 404] == [(await admin.client.delete(one)).status_code for _ in range(2)]
    assert await refused(clients[0])()
    await eventually(refused(clients[1]))
    assert 401 == (await ask(mesh, made, grant_type="client_credentials")).status_code
    listed = (await admin.client.get(CLIENTS)).json()
    TypeAdapter(shapes.ClientList).validate_python(listed, strict=True)
    assert [kept["id"]] == [each["id"] for each in listed["items"]]
    assert kept["client_secret"] not in str(listed)


async def test_a_revoked_token_is_dead_and_no_other(mesh: IdentityMesh) -> None:
    """RFC 7009: also at the other gateway; what is no good token is 200 too; another client's is left alone."""
    admin = await mesh.register()
    made, other = await make(admin), await make(admin)
    token, second, foreign = [await token_of(mesh, each) for each in (made, made, other)]
    assert not await refused(mesh.bearer(token, 1))()
    assert 200 == (await ask(mesh, made, "revoke", token=token, token_type_hint="access_token")).status_code
    assert await refused(mesh.bearer(token))()
    await eventually(refused(mesh.bearer(token, 1)))
    for worthless in (token, "x.y.z", "pmr_unknown"):
        assert 200 == (await ask(mesh, made, "revoke", token=worthless)).status_code
    answer = await ask(mesh, made, "revoke", token=foreign)
    assert (400, "unauthorized_client") == (answer.status_code, answer.json()["error"])
    assert [False, False] == [await refused(mesh.bearer(each))() for each in (second, foreign)]


async def test_introspection(mesh: IdentityMesh) -> None:
    """RFC 7662: what a good token of the same organization is for; of all others only that it is not active."""
    admin, stranger = await mesh.register(), await mesh.register()
    made = await make(admin)
    token = await token_of(mesh, made)
    told = (await ask(mesh, made, "introspect", token=token)).json()
    TypeAdapter(oauth_shapes.Introspection).validate_python(told, strict=True)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (True, "documents.read jobs.read", made["client_id"], claims["exp"], claims["jti"]) == (
        *(told["active"], told["scope"], told["client_id"]),
        *(told["exp"], told["jti"]),
    )
    await ask(mesh, made, "revoke", token=token)
    foreign = await token_of(mesh, await make(stranger))
    answers = [await ask(mesh, made, "introspect", token=each) for each in (token, foreign, "garbage")]
    assert [{"active": False}] * 3 == [each.json() for each in answers]
    wrong = await ask(mesh, {**made, "client_secret": "wrong"}, "introspect", token=foreign)
    assert (401, "invalid_client") == (wrong.status_code, wrong.json()["error"])
    missing = await ask(mesh, made, "introspect")
    assert (400, "invalid_request") == (missing.status_code, missing.json()["error"])


async def test_only_admins_govern_clients(mesh: IdentityMesh) -> None:
    """Members are 403; another organization's client is the same 404 as none."""
    admin, stranger = await mesh.register(), await mesh.register()
    member, made = await mesh.join(admin), await make(admin)
    one = f"{CLIENTS}/{made['id']}"
    answers = [
        await member.client.get(CLIENTS),
        await member.client.post(CLIENTS, json={"name": "x", "scopes": ["jobs.read"]}),
        await member.client.post(f"{one}/rotate"),
        await member.client.delete(one),
    ]
    assert [(403, "forbidden")] * 4 == [(each.status_code, each.json()["error"]) for each in answers]
    paths = [one, f"{CLIENTS}/{uuid.uuid4()}"]
    absent = [await stranger.client.delete(path) for path in paths]
    absent += [await stranger.client.post(f"{path}/rotate") for path in paths]
    assert ({404}, 1) == ({each.status_code for each in absent}, len({each.content for each in absent}))
    assert 200 == (await ask(mesh, made, grant_type="client_credentials")).status_code


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["jobs.read"]}, "name"),
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["account"]}, "scopes.0"),
    ],
)
async def test_wrong_clients_name_the_field(mesh: IdentityMesh, body: dict[str, object], field: str) -> None:
    """422, and none is made."""
    admin = await mesh.register()
    answer = await admin.client.post(CLIENTS, json=body)
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))
    assert 0 == (await admin.client.get(CLIENTS)).json()["total"]


async def test_metadata_names_endpoints_that_are_there(mesh: IdentityMesh) -> None:
    """RFC 8414: each URL answers, and the issuer is where the document was found."""
    client = mesh.client()
    metadata = (await client.get(f"{ROOT}/.well-known/oauth-authorization-server")).json()
    TypeAdapter(oauth_shapes.Metadata).validate_python(metadata, strict=True)
    assert ROOT == metadata["issuer"]
    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        assert 405 == (await client.get(metadata[name])).status_code
    assert 200 == (await client.get(metadata["jwks_uri"])).status_code

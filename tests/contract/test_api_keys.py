"""API keys over HTTP, with the real `auth` and two gateways."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, TypeAdapter

from services.gateway.surfaces.platform import shapes
from tests.contract.authing import settings_for
from tests.support.broker import eventually
from tests.support.identity_mesh import IdentityMesh, Person, identity_mesh
from tests.support.servers import NatsServer


@pytest.fixture(scope="module")
async def mesh(fresh_database: Callable[[], str], nats_server: NatsServer) -> AsyncIterator[IdentityMesh]:
    """A mesh for all tests here."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        settings = settings_for(fresh_database(), Path(directory))
        nats = {"nats_url": SecretStr(nats_server.url)}
        async with identity_mesh(settings.model_copy(update=nats), Path(directory)) as running:
            yield running


async def make(person: Person, **more: object) -> dict[str, Any]:
    """A new key of the person's."""
    answer = await person.client.post("/api-keys", json={"name": "a program", **more})
    assert 201 == answer.status_code, answer.text
    made: dict[str, Any] = answer.json()
    return made


def status(client: httpx.AsyncClient, path: str, expected: int) -> Callable[[], Awaitable[bool]]:
    """Asks whether the path is answered so."""

    async def ask() -> bool:
        return (await client.get(path)).status_code == expected

    return ask


async def test_a_key_acts_for_its_owner(mesh: IdentityMesh) -> None:
    """By either header, at either gateway, as the account that made it."""
    person = await mesh.register()
    made = await make(person)
    TypeAdapter(shapes.NewApiKey).validate_python(made, strict=True)
    clients = [mesh.client(0, x_api_key=made["key"]), mesh.bearer(made["key"], 1), mesh.bearer(made["key"])]
    answers = [await client.get("/users/me") for client in clients for _ in range(2)]
    assert {(200, person.session["user"]["id"])} == {(each.status_code, each.json()["id"]) for each in answers}


async def test_a_key_is_shown_once(mesh: IdentityMesh) -> None:
    """Lists have its prefix; nothing that is stored opens anything; its use is noted."""
    person = await mesh.register()
    made = await make(person, scopes=["jobs.read"])
    await mesh.client(x_api_key=made["key"]).get("/jobs")
    listed = await person.client.get("/api-keys")
    TypeAdapter(shapes.ApiKeyList).validate_python(listed.json(), strict=True)
    [entry] = listed.json()["items"]
    assert made["key"].startswith(entry["prefix"])
    assert made["key"] not in listed.text
    assert {**made, "last_used": entry["last_used"]} == {**entry, "key": made["key"]}
    assert entry["last_used"] >= entry["created_at"]


async def test_a_revoked_key_is_dead_at_every_gateway(mesh: IdentityMesh) -> None:
    """At once where it was revoked, soon at the other, which had a token for it in its memory."""
    person = await mesh.register()
    made, kept = await make(person), await make(person)
    clients = [mesh.bearer(made["key"], replica) for replica in (0, 1)]
    assert [200, 200] == [(await client.get("/users/me")).status_code for client in clients]
    one = f"/api-keys/{made['id']}"
    assert [204, 404] == [(await person.client.delete(one)).status_code for _ in range(2)]
    assert 401 == (await clients[0].get("/users/me")).status_code
    await eventually(status(clients[1], "/users/me", 401))
    assert [kept["id"]] == [each["id"] for each in (await person.client.get("/api-keys")).json()["items"]]
    assert 200 == (await mesh.bearer(kept["key"]).get("/users/me")).status_code


async def test_an_expired_key_is_refused(mesh: IdentityMesh) -> None:
    """A key may be given an end, in the future; past it, it is 401."""
    person = await mesh.register()
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    answer = await person.client.post("/api-keys", json={"name": "x", "expires_at": past})
    assert (422, ["expires_at"]) == (answer.status_code, list(answer.json()["details"]))
    made = await make(person, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await mesh.sql("UPDATE api_keys SET expires_at = now() WHERE id = %s", made["id"])
    assert 401 == (await mesh.bearer(made["key"]).get("/users/me")).status_code


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x", "expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "user_id": "1"}, "user_id"),
    ],
)
async def test_wrong_keys_name_the_field(mesh: IdentityMesh, body: dict[str, object], field: str) -> None:
    """422, and none is made."""
    person = await mesh.register()
    answer = await person.client.post("/api-keys", json=body)
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))
    assert 0 == (await person.client.get("/api-keys")).json()["total"]


async def test_a_restricted_key_does_only_what_its_scopes_say(mesh: IdentityMesh) -> None:
    """Everything else is 403, with the scope that is missing; keys, accounts and organizations above all."""
    person = await mesh.register()
    made = await make(person, scopes=["documents.read", "documents.read"])
    assert ["documents.read"] == made["scopes"]
    client = mesh.client(x_api_key=made["key"])
    assert 200 == (await client.get("/documents")).status_code
    job = await client.get(f"/jobs/{uuid.uuid4()}")
    assert (403, "insufficient_scope", 'Bearer realm="pagemesh", error="insufficient_scope", scope="jobs.read"') == (
        job.status_code,
        job.json()["error"],
        job.headers["www-authenticate"],
    )
    answers = [
        await client.delete(f"/documents/{uuid.uuid4()}"),
        await client.get("/users/me"),
        await client.put("/organizations/me", json={"name": "Mine"}),
        await client.post("/api-keys", json={"name": "more"}),
        await client.post("/auth/logout"),
    ]
    assert [(403, "insufficient_scope")] * 5 == [(each.status_code, each.json()["error"]) for each in answers]


async def test_a_key_makes_no_key(mesh: IdentityMesh) -> None:
    """An unrestricted one either: keys are made by people who have logged in; nor has it a session to end."""
    person = await mesh.register()
    client = mesh.bearer((await make(person))["key"])
    answers = [await client.post("/api-keys", json={"name": "more"}), await client.post("/auth/logout")]
    assert [(403, "forbidden")] * 2 == [(each.status_code, each.json()["error"]) for each in answers]


async def test_keys_die_and_sleep_with_their_owner(mesh: IdentityMesh) -> None:
    """Of a disabled account they do nothing until it is enabled again; of a deleted one, never again."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    client = mesh.bearer((await make(member))["key"])
    one = f"/organizations/me/members/{member.session['user']['id']}"
    seen = [(await client.get("/users/me")).status_code]
    for active in (False, True):
        await admin.client.patch(one, json={"is_active": active})
        seen.append((await client.get("/users/me")).status_code)
    await admin.client.delete(one)
    seen.append((await client.get("/users/me")).status_code)
    assert [200, 401, 200, 401] == seen


async def test_other_peoples_keys_do_not_exist(mesh: IdentityMesh) -> None:
    """A colleague's key, a stranger's and none at all are the same 404, and live on."""
    admin, stranger = await mesh.register(), await mesh.register()
    member = await mesh.join(admin)
    keys = [await make(member), await make(stranger)]
    answers = [await admin.client.delete(f"/api-keys/{name}") for name in (*(key["id"] for key in keys), uuid.uuid4())]
    assert ({404}, 1) == ({each.status_code for each in answers}, len({each.content for each in answers}))
    assert 0 == (await admin.client.get("/api-keys")).json()["total"]
    assert [200, 200] == [(await mesh.bearer(key["key"]).get("/users/me")).status_code for key in keys]


@pytest.mark.parametrize("key", ["pmk_", "pmk_unknown", "pmk_" + "x" * 5000, "sk-ant-other", " "])
async def test_unknown_keys_are_refused(mesh: IdentityMesh, key: str) -> None:
    """401 with a challenge, by either header."""
    answers = [await mesh.client(x_api_key=key).get("/users/me"), await mesh.bearer(key).get("/users/me")]
    assert [401, 401] == [each.status_code for each in answers]
    assert all(each.headers["www-authenticate"].startswith("Bearer") for each in answers)


async def test_many_at_once_exchange_a_key_once(mesh: IdentityMesh) -> None:
    """The key is used once for all, and its token serves those who come after."""
    made = await make(await mesh.register())
    client = mesh.bearer(made["key"], 1)
    answers = await asyncio.gather(*(client.get("/users/me") for _ in range(20)))
    assert {200} == {each.status_code for each in answers}
    await mesh.sql("UPDATE api_keys SET last_used_at = NULL WHERE id = %s", made["id"])
    assert 200 == (await client.get("/users/me")).status_code
    listed = (await client.get("/api-keys")).json()["items"]
    assert [None] == [each["last_used"] for each in listed]

"""Keyed requests to the real `auth`, over two gateways and a real broker: secrets go to nobody but who made them."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from pydantic import SecretStr

from tests.contract.authing import settings_for
from tests.support.identity_mesh import PASSWORD, IdentityMesh, Person, identity_mesh
from tests.support.servers import NatsServer

KEYS, CLIENTS, MEMBERS = "/api-keys", "/organizations/me/clients", "/organizations/me/members"


@pytest.fixture(scope="module")
async def mesh(fresh_database: Callable[[], str], nats_server: NatsServer) -> AsyncIterator[IdentityMesh]:
    """A mesh for all tests here."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        settings = settings_for(fresh_database(), Path(directory))
        nats = {"nats_url": SecretStr(nats_server.url)}
        async with identity_mesh(settings.model_copy(update=nats), Path(directory)) as running:
            yield running


def on(mesh: IdentityMesh, person: Person, replica: int) -> httpx.AsyncClient:
    """The person's client at a gateway."""
    return mesh.bearer(person.session["access_token"], replica)


def keyed(key: str | None = None) -> dict[str, str]:
    """A key's header."""
    return {"idempotency-key": key or uuid.uuid4().hex}


def told(answer: httpx.Response) -> tuple[int, bytes, str | None]:
    """What a repeat tells as well."""
    return answer.status_code, answer.content, answer.headers.get("cache-control")


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (KEYS, {"name": "a program"}, 201),
        (CLIENTS, {"name": "a program", "scopes": ["jobs.read"]}, 201),
        (MEMBERS, {"email": "somebody-new@example.org", "role": "user"}, 201),
    ],
)
async def test_a_secret_is_told_again_to_who_made_it(
    mesh: IdentityMesh, path: str, body: dict[str, Any], expected: int
) -> None:
    """At either gateway and with a newer token; to other members of the organization it is another request."""
    person, headers = await mesh.register(), keyed()
    first = await on(mesh, person, 0).post(path, json=body, headers=headers)
    assert expected == first.status_code, first.text
    later = mesh.person((await mesh.login(person)).json())
    for who, replica in ((person, 1), (later, 0), (later, 1)):
        again = await on(mesh, who, replica).post(path, json=body, headers=headers)
        assert (told(first), "true") == (told(again), again.headers["idempotency-replayed"])
    for role in ("user", "admin"):
        member = await mesh.join(person, role)
        refused = await on(mesh, member, 1).post(path, json=body, headers=headers)
        assert (422, "idempotency_key_reused") == code(refused)


async def test_a_key_is_no_way_to_another(mesh: IdentityMesh) -> None:
    """An API key of the same person, restricted or not, gets no secret by a replay; the refusal names no key."""
    person, headers = await mesh.register(), keyed()
    body = {"name": "a program"}
    made = (await person.client.post(KEYS, json=body, headers=headers)).json()
    restricted = (await person.client.post(KEYS, json={**body, "scopes": ["jobs.read"]})).json()
    answers = [await mesh.bearer(key["key"]).post(KEYS, json=body, headers=headers) for key in (made, restricted)]
    assert [(422, "idempotency_key_reused"), (403, "insufficient_scope")] == [code(answer) for answer in answers]
    assert not [answer for answer in answers if made["key"] in answer.text]


async def test_who_lost_the_right_gets_no_replay(mesh: IdentityMesh) -> None:
    """An admin who was made a user is not told a client's secret again."""
    first, headers = await mesh.register(), keyed()
    second = await mesh.join(first, "admin")
    body = {"name": "a program", "scopes": ["jobs.read"]}
    assert 201 == (await second.client.post(CLIENTS, json=body, headers=headers)).status_code
    demotion = await first.client.patch(f"{MEMBERS}/{second.session['user']['id']}", json={"role": "user"})
    assert 200 == demotion.status_code
    demoted = mesh.person((await mesh.login(second)).json())
    assert (422, "idempotency_key_reused") == code(await demoted.client.post(CLIENTS, json=body, headers=headers))


async def test_one_of_many(mesh: IdentityMesh) -> None:
    """Of 50 at the same time over two gateways one makes a key, the rest get its answer or are told to come back."""
    person, headers, body = await mesh.register(), keyed(), {"name": "one"}
    clients = [on(mesh, person, replica) for replica in (0, 1)] * 25
    answers = await asyncio.gather(*(client.post(KEYS, json=body, headers=headers) for client in clients))
    assert 1 == len({answer.content for answer in answers if answer.status_code == 201})
    assert {(409, "request_in_progress")} >= {code(answer) for answer in answers if answer.status_code != 201}
    assert 1 == (await person.client.get(KEYS)).json()["total"]
    again = await clients[0].post(KEYS, json=body, headers=headers)
    assert (201, "true") == (again.status_code, again.headers["idempotency-replayed"])


@pytest.mark.parametrize(
    ("path", "body"), [(KEYS, {"name": "a program"}), (CLIENTS, {"name": "a program", "scopes": ["jobs.read"]})]
)
async def test_a_lost_answer_makes_no_second(
    mesh: IdentityMesh, nats_server: NatsServer, path: str, body: dict[str, Any]
) -> None:
    """Carried out again, since nobody knows of the answer, it makes the same key or client with the same secret."""
    person, headers = await mesh.register(), keyed()
    first = await on(mesh, person, 0).post(path, json=body, headers=headers)
    connection = await nats.connect(nats_server.url)
    await connection.jetstream().purge_stream("IDEMPOTENCY")
    await connection.close()
    clients = [on(mesh, person, replica) for replica in (0, 1)] * 5
    answers = await asyncio.gather(*(client.post(path, json=body, headers=headers) for client in clients))
    assert {201} <= {answer.status_code for answer in answers} <= {201, 409}
    assert {first.content} == {answer.content for answer in answers if answer.status_code == 201}
    assert 1 == (await person.client.get(path)).json()["total"]


async def test_rotating_once(mesh: IdentityMesh) -> None:
    """A repeat rotates no second time; another client's rotation is another endpoint."""
    person, headers = await mesh.register(), keyed()
    body = {"name": "a program", "scopes": ["jobs.read"]}
    paths = [f"{CLIENTS}/{(await person.client.post(CLIENTS, json=body)).json()['client_id']}/rotate" for _ in range(2)]
    first, again, other = [await person.client.post(path, headers=headers) for path in (paths[0], *paths)]
    assert (200, told(first)) == (first.status_code, told(again))
    assert (200, False) == (other.status_code, "idempotency-replayed" in other.headers)


async def test_registering_once(mesh: IdentityMesh) -> None:
    """The account and its session are told again to who sends all of it again, and to nobody else."""
    headers = keyed()
    body = {"email": f"{uuid.uuid4()}@Example.org", "password": PASSWORD, "full_name": "Marie Curie"}
    first = await mesh.client(0).post("/auth/register", json=body, headers=headers)
    assert 201 == first.status_code
    again = await mesh.client(1).post("/auth/register", json=body, headers=headers)
    assert (told(first), "true") == (told(again), again.headers["idempotency-replayed"])
    guess = {**body, "email": body["email"].lower(), "password": f"{PASSWORD}!"}
    assert (422, "idempotency_key_reused") == code(
        await mesh.client().post("/auth/register", json=guess, headers=headers)
    )
    assert (409, "email_taken") == code(await mesh.client().post("/auth/register", json=body, headers=keyed()))
    stranger = {**body, "email": f"{uuid.uuid4()}@example.org"}
    assert 201 == (await mesh.client().post("/auth/register", json=stranger, headers=headers)).status_code


async def test_joining_once(mesh: IdentityMesh) -> None:
    """An invitation that was accepted is answered again; without its key it is spent."""
    admin, headers = await mesh.register(), keyed()
    invited = await admin.client.post(MEMBERS, json={"email": f"{uuid.uuid4()}@example.org", "role": "user"})
    body = {"token": invited.json()["token"], "password": PASSWORD, "full_name": "Pierre Curie"}
    path = "/auth/invitations/accept"
    first, again = [await mesh.client(replica).post(path, json=body, headers=headers) for replica in (0, 1)]
    assert (201, told(first)) == (first.status_code, told(again))
    assert (400, "invalid_invitation") == code(await mesh.client().post(path, json=body))


async def test_other_organizations(mesh: IdentityMesh) -> None:
    """The same key and body of another organization make a key of its own."""
    headers, body = keyed(), {"name": "a program"}
    people = [await mesh.register() for _ in range(2)]
    answers = [await person.client.post(KEYS, json=body, headers=headers) for person in people]
    assert [201, 201] == [answer.status_code for answer in answers]
    assert 2 == len({answer.json()["key"] for answer in answers})

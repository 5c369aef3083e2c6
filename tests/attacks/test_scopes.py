"""Nobody does more than a credential is for, and no credential is made to be for more than was granted."""

import uuid
from typing import Any

import httpx
import pytest

from mesh import scopes
from tests.attacks.conftest import World
from tests.attacks.methods import Method, call, every_method
from tests.attacks.operations import Operation
from tests.attacks.people import Attacker, Json, client_token, join, new_client, new_key, read_document
from tests.attacks.requests import good
from tests.attacks.sending import good as good_sending

METHODS = every_method()
SCOPED = [method for method in METHODS if method.scope in scopes.GRANTABLE]
FOR_PEOPLE = [method for method in METHODS if method.scope == scopes.ACCOUNT]
FOR_ANYBODY = [method for method in METHODS if method.scope == scopes.ANY]
NOT_GRANTED = [
    *("account", "any", "public", "operator", "service", "admin", "*", "documents.*", "documents", "offline_access"),
    *("DOCUMENTS.WRITE", "documents.write ", "documents.read,documents.write", "documents.read\tdocuments.write"),
    *(
        "documents.read\ndocuments.write",
        "documents.write\0",
        "documents．write",
        "documents.read\u00a0documents.write",
    ),
]


def all_but(scope: str) -> list[str]:
    """Every other scope that can be granted."""
    return [each for each in scopes.GRANTABLE if each != scope]


async def machine_token(attacker: Attacker, *granted: str) -> str:
    """A token of an OAuth client with these scopes and no others."""
    return await client_token(attacker.person, await new_client(attacker.person, *granted))


async def key_token(world: World, attacker: Attacker, *granted: str) -> str:
    """A token for a restricted API key, as gateways get it."""
    [exchange] = [method for method in METHODS if method.label == "ApiKeyService.ExchangeApiKey"]
    request: Any = exchange.request()
    request.key = (await new_key(attacker.person, *granted))["key"]
    [answer] = (await call(world.channels["auth"], exchange, [request])).responses
    told: Any = answer
    return str(told.access_token)


@pytest.mark.parametrize("method", SCOPED, ids=lambda method: method.label)
async def test_a_method_asks_for_its_scope(world: World, attacker: Attacker, method: Method) -> None:
    """Every other scope together is not enough; that one alone is. For OAuth clients and restricted keys alike."""
    for token in (
        await machine_token(attacker, *all_but(method.scope)),
        await key_token(world, attacker, *all_but(method.scope)),
    ):
        answer = await call(world.channels[method.service], method, [method.request()], token)
        assert ("PERMISSION_DENIED", "INSUFFICIENT_SCOPE") == (answer.code, answer.reason)
        assert {"scope": method.scope} == answer.details
    for token in (await machine_token(attacker, method.scope), await key_token(world, attacker, method.scope)):
        answer = await call(world.channels[method.service], method, await good(method, attacker), token)
        assert "OK" == answer.code, answer


@pytest.mark.parametrize("method", FOR_PEOPLE, ids=lambda method: method.label)
async def test_accounts_are_governed_by_people_alone(world: World, attacker: Attacker, method: Method) -> None:
    """Every scope that there is opens no method of accounts and organizations."""
    for token in (
        await machine_token(attacker, *scopes.GRANTABLE),
        await key_token(world, attacker, *scopes.GRANTABLE),
    ):
        answer = await call(world.channels[method.service], method, [method.request()], token)
        assert ("PERMISSION_DENIED", "INSUFFICIENT_SCOPE") == (answer.code, answer.reason)


@pytest.mark.parametrize("method", FOR_ANYBODY, ids=lambda method: method.label)
async def test_some_methods_take_any_token(world: World, attacker: Attacker, method: Method) -> None:
    """Whatever it is for, but not none."""
    token = await machine_token(attacker, "usage.read")
    channel, requests = world.channels[method.service], await good(method, attacker)
    assert "OK" == (await call(channel, method, requests, token)).code
    assert "UNAUTHENTICATED" == (await call(channel, method, requests)).code


async def test_an_operation_asks_for_its_scope(world: World, attacker: Attacker, operations: list[Operation]) -> None:
    """As its OpenAPI document says; without one it is for people alone. 403 with the scope that is missing."""
    asked: set[str] = set()
    clients: dict[tuple[str, ...], list[httpx.AsyncClient]] = {}

    async def with_scopes(*granted: str) -> list[httpx.AsyncClient]:
        if granted not in clients:
            clients[granted] = [await machine(world, attacker, *granted), await keyed(world, attacker, *granted)]
        return clients[granted]

    for operation in operations:
        if operation.public:
            continue
        needed = operation.scopes
        asked.update(needed)
        assert len(needed) <= 1
        without = all_but(needed[0]) if needed else list(scopes.GRANTABLE)
        sending = await good_sending(operation, attacker)
        for client in await with_scopes(*without):
            answer = await sending.send(client)
            assert (403, "insufficient_scope") == (answer.status_code, answer.json()["error"]), operation.name
            scope = needed[0] if needed else scopes.ACCOUNT
            challenge = f'Bearer realm="pagemesh", error="insufficient_scope", scope="{scope}"'
            assert challenge == answer.headers["www-authenticate"], operation.name
        for client in await with_scopes(*needed) if needed else ():
            answer = await (await good_sending(operation, attacker)).send(client)
            assert 200 <= answer.status_code < 300, (operation.name, answer.text)
    for each in clients.values():
        for client in each:
            await client.aclose()
    assert {"documents.read", "documents.write", "enrichment.read", "enrichment.write", "jobs.read"} <= asked
    assert "usage.read" in asked


async def machine(world: World, attacker: Attacker, *granted: str) -> httpx.AsyncClient:
    """A client with an OAuth client's token."""
    headers = {"authorization": f"Bearer {await machine_token(attacker, *granted)}"}
    return httpx.AsyncClient(base_url=world.url, headers=headers, timeout=90)


async def keyed(world: World, attacker: Attacker, *granted: str) -> httpx.AsyncClient:
    """A client with a restricted API key."""
    headers = {"x-api-key": (await new_key(attacker.person, *granted))["key"]}
    return httpx.AsyncClient(base_url=world.url, headers=headers, timeout=90)


@pytest.mark.parametrize("headers", [{}, {"prefer": "wait=1"}, {"origin": "https://example.com"}])
async def test_what_the_gateway_remembers_asks_for_a_scope_too(
    world: World, attacker: Attacker, headers: dict[str, str]
) -> None:
    """A job that is in the gateway's memory is told to nobody without its scope, by whatever way."""
    job = (await read_document(attacker.person))["job_id"]
    async with await machine(world, attacker, *all_but("jobs.read")) as client:
        for _ in range(2):
            await attacker.person.send("GET", f"/jobs/{job}", 200)
            for path in (f"/api/v1/jobs/{job}", f"/api/v1/jobs/{job}/events"):
                answer = await client.get(path, headers=headers)
                assert (403, "insufficient_scope") == (answer.status_code, answer.json()["error"])


async def test_a_client_gets_no_scope_that_it_was_not_given(world: World, attacker: Attacker) -> None:
    """Asked for alone or beside good ones, in whatever spelling: invalid_scope, and no token."""
    given = await new_client(attacker.person, "documents.read", "jobs.read")
    async with httpx.AsyncClient(base_url=world.url, timeout=90) as nobody:
        for wanted in [*NOT_GRANTED, *all_but("documents.read")]:
            for scope in (wanted, f"documents.read {wanted}"):
                answer = await nobody.post("/auth/token", data={"scope": scope, **_client_form(given)})
                split = set(scope.split())
                if split <= {"documents.read", "jobs.read"}:
                    assert split == set(answer.json()["scope"].split())
                else:
                    assert (400, "invalid_scope") == (answer.status_code, answer.json()["error"]), scope


def _client_form(client: Json) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
    }


@pytest.mark.parametrize("path", ["/api-keys", "/organizations/me/clients"])
@pytest.mark.parametrize("wanted", [*NOT_GRANTED, None], ids=repr)
async def test_nothing_is_made_with_a_scope_that_there_is_not(
    attacker: Attacker, path: str, wanted: str | None
) -> None:
    """422, and above all no list that is empty, which would be none at all."""
    body = {"name": "more", "scopes": [] if wanted is None else ["documents.read", wanted]}
    await attacker.person.send("POST", path, 422, json=body)


async def test_nobody_grants_what_is_not_theirs(world: World, attacker: Attacker) -> None:
    """Members make no clients, keys make no keys, clients make neither, and nobody makes an admin of themselves."""
    member = await join(attacker.person)
    more: Json = {"name": "more", "scopes": ["documents.write"]}
    await member.send("POST", "/organizations/me/clients", 403, json=more)
    promotion = f"/organizations/me/members/{member.user_id}"
    await member.send("PATCH", promotion, 403, json={"role": "admin"})
    for client in (await machine(world, attacker, *scopes.GRANTABLE), await keyed(world, attacker, *scopes.GRANTABLE)):
        async with client:
            for path in ("/api/v1/api-keys", "/api/v1/organizations/me/clients"):
                assert 403 == (await client.post(path, json=more)).status_code
            assert 403 == (await client.patch(f"/api/v1{promotion}", json={"role": "admin"})).status_code
    unrestricted = {"x-api-key": (await new_key(member))["key"]}
    async with httpx.AsyncClient(base_url=world.url, headers=unrestricted, timeout=90) as client:
        assert 403 == (await client.post("/api/v1/api-keys", json=more)).status_code
        assert 403 == (await client.post("/api/v1/organizations/me/clients", json=more)).status_code
        email = {"email": f"{uuid.uuid4().hex}@example.com", "role": "admin"}
        assert 403 == (await client.post("/api/v1/organizations/me/members", json=email)).status_code
    await member.close()


async def test_who_may_not_read_usage_goes_on_and_does_not_see_it(world: World, attacker: Attacker) -> None:
    """The gateway asks for usage as itself where it needs it."""
    async with await machine(world, attacker, "documents.write") as client:
        answer = await client.post("/api/v1/documents/upload", files={"file": ("a.pdf", b"%PDF-1.4\nnothing")})
        assert 201 == answer.status_code, answer.text
        usage = await client.get("/api/v1/organizations/me/usage")
    assert (403, "insufficient_scope") == (usage.status_code, usage.json()["error"])

"""Forged, stolen, spent and mistaken tokens, at the gateway and at every gRPC service."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from cli.background import Background
from mesh import scopes
from services.auth.keys import SealedKey, SigningKey, unseal
from services.auth.master_keys import MasterKey, MasterKeys
from tests.attacks import requests
from tests.attacks.conftest import World
from tests.attacks.methods import Answer, Method, call, every_method
from tests.attacks.operations import Operation
from tests.attacks.people import Attacker, Json, client_token, new_key, register
from tests.attacks.sending import good
from tests.support.broker import eventually
from tests.support.forgeries import FORGERIES, Forger

METHODS = [method for method in every_method() if method.scope != scopes.PUBLIC]
SERVICES = sorted({method.service for method in METHODS})
_WITHIN = 1.0
"""Seconds after which a dead token is dead everywhere (contract/conventions.md)."""


@pytest.fixture(scope="module")
async def key(world: World, stack: Background) -> SigningKey:
    """The key that signs, as whoever stole database and master key would have it."""
    one = MasterKey(base64.b64decode(stack.layout.master_key().read_text()))
    async with await psycopg.AsyncConnection.connect(world.record.dsn) as connection:
        cursor = await connection.execute(
            "SELECT kid, sealed, signs_from, master_key_id FROM auth.signing_keys ORDER BY signs_from"
        )
        rows = await cursor.fetchall()
    return unseal(SealedKey(*rows[-1]), MasterKeys([one], one.id))


@pytest.fixture(scope="module")
async def listener() -> AsyncIterator["Listener"]:
    """Somebody's web server with keys."""
    listener = Listener()
    server = await asyncio.start_server(listener.take, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    yield listener
    server.close()
    await server.wait_closed()


class Listener:
    """Counts who comes."""

    def __init__(self) -> None:
        self.port = 0
        self.visits = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Notes the visit and hangs up."""
        self.visits += 1
        writer.close()


@pytest.fixture(scope="module")
async def forger(attacker: Attacker, key: SigningKey, listener: Listener) -> Forger:
    """Whoever forges has a good token to begin with."""
    claims = jwt.decode(attacker.person.token, options={"verify_signature": False})
    return Forger(key, claims, f"http://127.0.0.1:{listener.port}/keys.json")


def harmless(service: str) -> Method:
    """A method of the service that changes nothing when it is called with an empty request."""
    methods = [method for method in METHODS if method.service == service]
    reading = [method for method in methods if method.descriptor.name.startswith(("GetMe", "GetOrganization", "List"))]
    return next(iter(reading), methods[0])


async def at_service(world: World, service: str, token: str) -> Answer:
    """What a service says to a token."""
    method = harmless(service)
    return await call(world.channels[service], method, [method.request()], token)


async def at_gateway(world: World, token: str) -> httpx.Response:
    """What the gateway says to a token."""
    async with httpx.AsyncClient(base_url=world.url, timeout=60) as client:
        return await client.get("/api/v1/documents", headers={"authorization": f"Bearer {token}"})


async def who_takes(world: World, token: str) -> set[str]:
    """Gateway and services that do not refuse the token as such; refusals must have the one form."""
    taken = set()
    answer = await at_gateway(world, token)
    if answer.status_code == 401:
        assert "unauthenticated" == answer.json()["error"]
        assert 'Bearer realm="pagemesh", error="invalid_token"' == answer.headers["www-authenticate"]
    else:
        taken.add("gateway")
    for service in SERVICES:
        told = await at_service(world, service, token)
        if told.code == "UNAUTHENTICATED":
            assert "UNAUTHENTICATED" == told.reason
        else:
            taken.add(service)
    return taken


def test_every_service_is_asked() -> None:
    """All that serve anything to accounts."""
    assert ["analysis", "auth", "ingest", "ocr", "results"] == SERVICES


async def test_a_good_token_is_taken_everywhere(world: World, attacker: Attacker, forger: Forger) -> None:
    """Forgeries fail for what is changed in them: made in the same way, a good one is taken."""
    everybody = {"gateway", *SERVICES}
    for token in (attacker.person.token, forger.signed(), forger.made()):
        assert everybody == await who_takes(world, token)


@pytest.mark.parametrize("name", FORGERIES)
async def test_forgeries_are_taken_nowhere(world: World, forger: Forger, listener: Listener, name: str) -> None:
    """Whatever they say of themselves; and nobody goes to look where they point."""
    assert set() == await who_takes(world, FORGERIES[name](forger))
    assert 0 == listener.visits


@asynccontextmanager
async def somebody(world: World) -> AsyncIterator[Any]:
    """A person with a session of their own."""
    person = await register(world.url)
    try:
        yield person
    finally:
        await person.close()


async def test_other_secrets_are_no_access_tokens(world: World, attacker: Attacker) -> None:
    """Refresh tokens, invitations, client secrets and key sets open nothing; API keys the gateway alone."""
    email = {"email": "invited@example.com", "role": "user"}
    invited = await attacker.person.send("POST", "/organizations/me/members", 201, json=email)
    async with httpx.AsyncClient(base_url=world.url, timeout=60) as nobody:
        keys = (await nobody.get("/.well-known/jwks.json")).json()["keys"]
    secrets = [
        *(attacker.person.session["refresh_token"], invited["token"], attacker.client["client_secret"]),
        *(attacker.client["client_id"], keys[0]["kid"], keys[0]["x"], attacker.person.user_id),
    ]
    for secret in secrets:
        assert set() == await who_takes(world, secret)
    assert {"gateway"} == await who_takes(world, (await new_key(attacker.person))["key"])


async def test_other_tokens_refresh_nothing(world: World, attacker: Attacker) -> None:
    """Neither an access token, nor a client's or a service's, nor an API key."""
    tokens = [
        attacker.person.token,
        await client_token(attacker.person, attacker.client),
        await world.service_token(attacker.person.organization_id),
        (await new_key(attacker.person))["key"],
    ]
    [refresh] = [method for method in every_method() if method.label == "AccountService.Refresh"]
    for token in tokens:
        await attacker.person.send("POST", "/auth/refresh", 401, json={"refresh_token": token})
        request: Any = refresh.request()
        request.refresh_token = token
        answer = await call(world.channels["auth"], refresh, [request])
        assert ("UNAUTHENTICATED", "INVALID_REFRESH_TOKEN") == (answer.code, answer.reason)


async def test_the_gateway_takes_no_service_token(
    world: World, attacker: Attacker, operations: list[Operation]
) -> None:
    """Services act inside the mesh; at no operation of the public API."""
    token = await world.service_token(attacker.person.organization_id)
    assert set(SERVICES) == await who_takes(world, token)
    async with httpx.AsyncClient(
        base_url=world.url, headers={"authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        for operation in operations:
            if not operation.public:
                answer = await (await good(operation, attacker)).send(client)
                assert (401, "unauthenticated") == (answer.status_code, answer.json()["error"]), operation.name


@pytest.mark.parametrize("kind", ["client", "service"])
async def test_a_token_without_a_person_has_no_account(world: World, attacker: Attacker, kind: str) -> None:
    """What is for people is Forbidden to machines, whatever their token could say."""
    token = await (
        client_token(attacker.person, attacker.client)
        if kind == "client"
        else world.service_token(attacker.person.organization_id)
    )
    for method in METHODS:
        if method.scope == scopes.ACCOUNT:
            answer = await call(world.channels[method.service], method, await requests.good(method, attacker), token)
            assert "PERMISSION_DENIED" == answer.code, method.label


async def test_a_spent_refresh_token_takes_its_family_along(world: World) -> None:
    """When it comes back, every token of the session is dead, everywhere, within a second."""
    async with somebody(world) as person:
        first: str = person.session["refresh_token"]
        second: Json = await person.send("POST", "/auth/refresh", 200, json={"refresh_token": first})
        assert {"gateway", *SERVICES} == await who_takes(world, second["access_token"])
        for spent in (first, second["refresh_token"], first):
            answer = await person.http.post("/api/v1/auth/refresh", json={"refresh_token": spent})
            assert (401, "invalid_refresh_token") == (answer.status_code, answer.json()["error"])

        async def all_dead() -> bool:
            tokens = (person.token, second["access_token"])
            return [set(), set()] == [await who_takes(world, token) for token in tokens]

        await eventually(all_dead, _WITHIN)


async def test_a_token_that_was_logged_out_is_taken_nowhere(world: World) -> None:
    """At the gateway that did it at once, at every service within a second, however often it was good before."""
    async with somebody(world) as person:
        assert {"gateway", *SERVICES} == await who_takes(world, person.token)
        await person.send("POST", "/auth/logout", 204)
        assert 401 == (await at_gateway(world, person.token)).status_code

        async def is_dead() -> bool:
            return set() == await who_takes(world, person.token)

        await eventually(is_dead, _WITHIN)


@pytest.mark.parametrize(
    "place",
    [
        {"params": {"access_token": "{token}"}},
        {"params": {"token": "{token}"}},
        {"cookies": {"access_token": "{token}"}},
        {"headers": {"x-access-token": "{token}"}},
        {"headers": {"x-api-key": "{token}"}},
        {"headers": {"authorization": "Token {token}"}},
        {"headers": {"authorization": "{token}"}},
        {"headers": {"authorization": "Bearer {token} {token}"}},
        {"headers": {"authorization": "Bearer {token},{token}"}},
        {"headers": {"proxy-authorization": "Bearer {token}"}},
    ],
    ids=str,
)
async def test_a_good_token_in_the_wrong_place_is_none(
    world: World, attacker: Attacker, place: dict[str, dict[str, str]]
) -> None:
    """Tokens go by the one header alone, so that none ends in a log or comes along with a forged request."""
    sent: Any = {
        kind: {name: text.format(token=attacker.person.token) for name, text in values.items()}
        for kind, values in place.items()
    }
    async with httpx.AsyncClient(base_url=world.url, timeout=60, cookies=sent.pop("cookies", None)) as client:
        assert 401 == (await client.get("/api/v1/documents", **sent)).status_code

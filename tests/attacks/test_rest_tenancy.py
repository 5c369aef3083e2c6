"""Every REST operation, asked by one organization for what belongs to another, by anybody, and for nonsense."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.attacks.conftest import World
from tests.attacks.operations import Operation
from tests.attacks.people import PROVIDER, Attacker, Victim, absent, client_token, new_key
from tests.attacks.sending import Sending, comparable, good

PUBLIC = {
    *("GET /", "GET /health", "GET /openapi.json", "GET /api/v1/openapi.json", "GET /api/v1/status"),
    *("GET /.well-known/jwks.json", "GET /.well-known/oauth-authorization-server"),
    *("POST /auth/token", "POST /auth/revoke", "POST /auth/introspect"),
    *(f"POST /api/v1/auth/{name}" for name in ("register", "login", "refresh", "invitations/accept")),
    # contract/platform-v1.md and conventions.md; not there yet
    *("GET /api/v1/auth/oauth/{provider}/authorize", "POST /api/v1/auth/oauth/{provider}"),
    *("GET /docs", "GET /v2/openapi.json", "GET /api/openapi.json", "GET /api/health", "GET /api/status"),
    *("POST /api/auth/register", "POST /api/auth/login", "POST /api/auth/refresh"),
}
"""What the contract opens to everybody."""
BAD_CREDENTIALS = {
    "no credential": {},
    "an empty header": {"authorization": ""},
    "a scheme alone": {"authorization": "Bearer"},
    "another scheme": {"authorization": "Basic YTpi"},
    "garbage": {"authorization": "Bearer garbage"},
    "three parts of garbage": {"authorization": "Bearer e30.e30.e30"},
    "an unknown key": {"x-api-key": "pmk_unknown"},
    "an unknown key as a bearer": {"authorization": "Bearer pmk_unknown"},
    "a key of others": {"x-api-key": "sk-unknown"},
}


@asynccontextmanager
async def acting(world: World, attacker: Attacker, kind: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a credential of the attacker's organization."""
    if kind == "key":
        headers = {"x-api-key": (await new_key(attacker.person))["key"]}
    else:
        token = await client_token(attacker.person, attacker.client) if kind == "client" else attacker.person.token
        headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=world.url, timeout=90, headers=headers) as client:
        yield client


def test_the_registry_knows_every_id(operations: list[Operation]) -> None:
    """A field that may be an id is not attacked before somebody says in registry.py what it names."""
    assert [] == [(each.name, field.name) for each in operations for field in each.ids() if field.what is None]
    assert {"document_id", "job_id", "user_id", "client_id", "api_key_id"} <= {
        field.name for each in operations for field in each.ids()
    }


def test_only_what_the_contract_opens_is_open(operations: list[Operation]) -> None:
    """Everything else needs a credential."""
    assert set() == {each.name for each in operations if each.public} - PUBLIC


@pytest.mark.parametrize("kind", ["admin", "key", "client"])
async def test_what_belongs_to_others_is_as_if_it_did_not_exist(
    world: World,
    victim: Victim,
    attacker: Attacker,
    nobody: httpx.AsyncClient,
    operations: list[Operation],
    kind: str,
    untouched: Any,
) -> None:
    """The same status, headers and body as for an id of nothing, at once though the victim's rows are held."""
    async with acting(world, attacker, kind) as client:
        for operation in operations:
            for field in operation.ids():
                assert field.what is not None
                answers = []
                for name in (victim.ids[field.what.kind], absent(field.what.kind)):
                    sending = (await good(operation, attacker, field)).put(field, name)
                    async with world.record.held(victim.secrets) as rows:
                        assert rows > 10
                        answers.append(comparable(await sending.send(nobody if operation.public else client), name))
                assert answers[1] == answers[0], (operation.name, field.name)
                assert answers[0][0] < 500, (operation.name, field.name)
                assert [] == [each for each in victim.words if each in str(answers[0])], operation.name


async def test_what_is_ones_own_is_there(
    world: World, victim: Victim, nobody: httpx.AsyncClient, operations: list[Operation]
) -> None:
    """The same requests are carried out where every id is the caller's: they fail above for what is attacked."""
    for operation in operations:
        if operation.ids() or (operation.words() and not operation.public):  # nobody signs in by a provider here
            async with world.attacking() as attacker:
                sending = await good(operation, attacker)
                answer = await sending.send(nobody if operation.public else attacker.person.http)
            assert 200 <= answer.status_code < 300, (operation.name, answer.text)
            assert [] == [each for each in victim.secrets if each in answer.text], operation.name


@pytest.mark.parametrize("what", BAD_CREDENTIALS)
async def test_without_a_good_credential_nothing_is_answered(
    nobody: httpx.AsyncClient,
    victim: Victim,
    attacker: Attacker,
    operations: list[Operation],
    what: str,
    untouched: Any,
) -> None:
    """401 with a challenge, in the one form, whether or not what is asked for exists."""
    for operation in operations:
        if not operation.public:
            told = set()
            for make in (lambda kind: victim.ids[kind], absent):
                sending = Sending(operation, path={word.name: PROVIDER for word in operation.words()})
                for field in operation.ids():
                    assert field.what is not None
                    sending = sending.put(field, make(field.what.kind))
                answer = await sending.send(nobody, **BAD_CREDENTIALS[what])
                assert (401, "unauthenticated") == (answer.status_code, answer.json()["error"]), operation.name
                assert answer.headers["www-authenticate"].startswith('Bearer realm="pagemesh"'), operation.name
                told.add(answer.text)
            assert 1 == len(told), operation.name

"""Every gRPC method, asked by one organization for what belongs to another."""

import json
import re
from contextlib import nullcontext
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from mesh import scopes
from tests.attacks.conftest import World
from tests.attacks.methods import Answer, Leaf, Method, call, every_method
from tests.attacks.people import Attacker, Victim, absent, client_token
from tests.attacks.registry import BEYOND_REACH, Kind, Meaning
from tests.attacks.requests import good, ids_of

METHODS = every_method()
FOR_ACCOUNTS = (scopes.ANY, scopes.ACCOUNT, *scopes.GRANTABLE)
OF_OTHERS = [method for method in METHODS if method.scope not in (scopes.PUBLIC, *FOR_ACCOUNTS)]
NOT_FOR_OPERATORS = [method for method in METHODS if method.scope not in (scopes.PUBLIC, scopes.OPERATOR)]
# Every process that has a secret to ask tokens with.
SERVICES = [f"{scopes.SERVICE}{name}" for name in ("analysis", "ocr", "ingest", "results", "gateway")]
FIELDS = [
    pytest.param(method, leaf, what, id=f"{method.label}:{leaf.label}")
    for method in METHODS
    for leaf, what in ids_of(method).items()
    if what is not None
]
# What starts work says how far that is, and how often to ask again before it counts as a tell.
_HOW_FAR = ("IngestService.Upload", "JobService.SubmitJob")
_TRIES = 4
# Whoever is deleted or logged out could not be asked again.
_LAST = ("AccountService.DeleteMe", "AccountService.Logout")
_VARYING = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z|pm[a-z]_[\w-]+|eyJ[\w.-]+"
    r'|(?<="processingTimeMs": ")\d+|[0-9a-f]{64}|whsec_[\w+/=]+|(?<="version": )\d+'
)


def test_there_is_something_to_attack() -> None:
    """The protos are found, and so are their ids."""
    assert {"GetJob:job_id", "RemoveMember:user_id", "SubmitJob:document.id", "Upload:config.document_id"} <= {
        str(each.id).partition(".")[2] for each in FIELDS
    }


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.label)
def test_the_registry_knows_every_id(method: Method) -> None:
    """A field that may be an id is not attacked before somebody says in registry.py what it names."""
    assert [] == [leaf.field.full_name for leaf, what in ids_of(method).items() if what is None]


async def ask(world: World, method: Method, requests: list[Message], token: str) -> Answer:
    """Calls as whoever has the token, or as nobody where no credential is needed."""
    return await call(world.channels[method.service], method, requests, "" if method.scope == scopes.PUBLIC else token)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.label)
async def test_nothing_of_others_is_told(world: World, victim: Victim, method: Method, untouched: Any) -> None:
    """Asked well, about things of the caller's own, a method answers; and nothing of the victim is in the answer."""
    async with world.attacking() as attacker:
        answer = await ask(world, method, await good(method, attacker), attacker.person.token)
    if method.scope in FOR_ACCOUNTS and method.name not in BEYOND_REACH:
        assert "OK" == answer.code, answer
    assert [] == [secret for secret in victim.secrets if secret in str(answer)]


@pytest.mark.parametrize("kind", ["admin", "client", "service"])
@pytest.mark.parametrize(("method", "leaf", "what"), FIELDS)
async def test_what_belongs_to_others_is_as_if_it_did_not_exist(
    world: World,
    victim: Victim,
    attacker: Attacker,
    method: Method,
    leaf: Leaf,
    what: Meaning,
    kind: str,
    untouched: Any,
) -> None:
    """The same answer as for an id of nothing, at once though the victim's rows are held; and nothing is changed."""
    answers = await answers_of(world, victim, attacker, method, leaf, what, kind)
    for _ in range(_TRIES):
        if answers[1] == answers[0] or method.label not in _HOW_FAR:
            break
        # One of two small documents may be read on arrival (ADR 21), or by a worker, before the answer says how far it
        # is, and the other not; a tell would be there again.
        answers = await answers_of(world, victim, attacker, method, leaf, what, kind)
    assert answers[1] == answers[0]
    assert answers[0][0] not in ("INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "UNAVAILABLE")
    others = {name for each, name in victim.ids.items() if each is not what.kind}
    assert [] == [secret for secret in (*others, *victim.words) if secret in str(answers[0])]


async def answers_of(
    world: World, victim: Victim, attacker: Attacker, method: Method, leaf: Leaf, what: Meaning, kind: str
) -> list[tuple[Any, ...]]:
    """What is answered for the victim's id and for an id of nothing, while the victim's rows are held."""
    answers = []
    # Who has made something of that id before is answered something else.
    async with world.attacking() if what.is_new else nullcontext(attacker) as asking:
        token = await token_of(world, asking, kind)
        for name in (victim.ids[what.kind], absent(what.kind)):
            requests = await good(method, asking, leaf)
            leaf.put(requests[0], name)
            async with world.record.held(victim.secrets) as rows:
                assert rows > 10
                answers.append(comparable(await ask(world, method, requests, token), name))
    return answers


async def token_of(world: World, attacker: Attacker, kind: str) -> str:
    """A token of the attacker's organization: its admin's, its machine's with every scope, or a service's."""
    if kind == "client":
        return await client_token(attacker.person, attacker.client)
    if kind == "service":
        return await world.service_token(attacker.person.organization_id)
    return attacker.person.token


def comparable(answer: Answer, name: str) -> tuple[Any, ...]:
    """The answer but for what differs from call to call: the id that was asked for, new ids, times."""
    told = json.dumps([MessageToDict(each) for each in answer.responses], sort_keys=True).replace(name, "<asked>")
    details = {key: value.replace(name, "<asked>") for key, value in answer.details.items()}
    return (answer.code, answer.reason, answer.message.replace(name, "<asked>"), details, _VARYING.sub("<new>", told))


@pytest.mark.parametrize("kind", ["admin", "client", *SERVICES])
@pytest.mark.parametrize("method", OF_OTHERS, ids=lambda each: each.label)
async def test_what_is_not_for_accounts_is_refused(world: World, attacker: Attacker, method: Method, kind: str) -> None:
    """Methods for operators and for one service take no token of an organization's, and none of another service."""
    name = kind.removeprefix(scopes.SERVICE)
    if name != kind:
        token = await world.service_token(attacker.person.organization_id, name)
    else:
        token = await token_of(world, attacker, kind)
    answer = await ask(world, method, await good(method, attacker), token)
    expected = ("OK", "") if method.scope == kind else ("PERMISSION_DENIED", "FORBIDDEN")
    assert expected == (answer.code, answer.reason)


@pytest.mark.parametrize("method", NOT_FOR_OPERATORS, ids=lambda each: each.label)
async def test_operators_do_nothing_but_operate(world: World, attacker: Attacker, method: Method) -> None:
    """Auth refuses their token wherever it is not for them, and to all other services it is none."""
    answer = await ask(world, method, await good(method, attacker), await world.operator_token())
    expected = ("PERMISSION_DENIED", "FORBIDDEN") if method.service == "auth" else ("UNAUTHENTICATED",) * 2
    assert expected == (answer.code, answer.reason)


async def test_a_change_to_the_victim_would_be_seen(world: World, victim: Victim) -> None:
    """The record that these tests compare holds what the victim has, and moves when the victim moves."""
    rows, originals = await world.record.of(victim.secrets)
    tables = {"auth.users", "auth.organizations", "auth.sessions", "auth.refresh_tokens", "auth.invitations"}
    tables |= {"auth.api_keys", "auth.oauth_clients", "auth.oauth_secrets", "auth.provider_keys"}
    tables |= {"results.documents", "results.jobs", "results.pages", "results.analyses", "results.usage"}
    tables |= {"results.erasures"}
    tables |= {"results.templates"}
    assert tables <= set(rows)
    assert victim.ids[Kind.STORAGE_KEY] in originals
    await victim.person.send("PUT", "/users/me", 200, json={"full_name": f"Changed {victim.words[0]}"})
    assert rows != (await world.record.of(victim.secrets))[0]

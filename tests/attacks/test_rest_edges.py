"""Every REST operation with nonsense, in other methods and at other paths: told as such, and never a defect."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.attacks.conftest import World
from tests.attacks.hostile import LARGE_NUMBERS, TEXTS
from tests.attacks.operations import METHODS, Field, Operation
from tests.attacks.people import Attacker
from tests.attacks.sending import Sending, good

_AT_ONCE = 4


@pytest.mark.parametrize("what", TEXTS)
async def test_nonsense_for_an_id_is_nothing(
    attacker: Attacker, nobody: httpx.AsyncClient, operations: list[Operation], what: str
) -> None:
    """404 or 422 in the one form; never a defect."""
    for operation in operations:
        for field in (*operation.ids(), *operation.words()):
            if field.place == "path" and not TEXTS[what]:
                continue  # another path
            sending = (await good(operation, attacker, field)).put(field, TEXTS[what])
            answer = await sending.send(nobody if operation.public else attacker.person.http)
            is_told = operation.public and field.place != "path"  # RFC 7662 and 7009 do not say what is no token
            expected = (200, 400, 401) if is_told else (404, 422)
            assert answer.status_code in expected, (operation.name, field.name, answer.text)
            assert is_told or "error" in answer.json(), operation.name


async def test_other_methods_are_refused_with_those_that_there_are(
    nobody: httpx.AsyncClient, attacker: Attacker, operations: list[Operation]
) -> None:
    """405 with `Allow`, on every path."""
    declared: dict[str, set[str]] = {}
    for operation in operations:
        declared.setdefault(operation.path, set()).add(operation.method)
    for path, methods in declared.items():
        allowed = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        for method in {*(each.upper() for each in METHODS), "HEAD", "TRACE", "PROPFIND"} - allowed:
            answer = await nobody.request(method, path.replace("{", "").replace("}", ""))
            assert 405 == answer.status_code, (method, path)
            assert allowed == set(answer.headers["allow"].split(", ")), (method, path)


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/api/v1", "/api/v1/", "/api/v1/documents/", "//api/v1/documents", "/API/V1/documents"),
        *("/api/v1/../../etc/passwd", "/api/v1/%2e%2e/%2e%2e/etc/passwd", "/%00", "/%ff%fe", "/api/v1/documents%2f"),
        *("/api/v1/documents/a/b/c/d", "/" + "a" * 8_000, "/.git/config", "/..;/health"),
    ],
)
async def test_paths_that_there_are_not(world: World, path: str) -> None:
    """404 in the one form, whatever is tried."""
    async with httpx.AsyncClient(timeout=30) as client:
        url = httpx.URL(world.url).copy_with(raw_path=path.encode())
        answer = await client.get(url)
    assert (404, "not_found") == (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize("what", ["text", "number", "other"])
async def test_nonsense_in_a_body_is_told_as_such(
    world: World, nobody: httpx.AsyncClient, operations: list[Operation], what: str
) -> None:
    """One field at a time, and parameters of queries too: never a defect, and errors have the one form."""
    others: list[Any] = [None, True, 1.5, [], [None], {}, {"a": {"b": []}}]
    kinds: dict[str, list[Any]] = {"text": [*TEXTS.values()], "number": [*LARGE_NUMBERS], "other": others}
    values = kinds[what]
    for operation in operations:
        async with world.attacking() as attacker:
            sending = await good(operation, attacker)
            client = nobody if operation.public else attacker.person.http
            places = asyncio.Semaphore(_AT_ONCE)

            async def told(
                field: Field, value: Any, sending: Sending = sending, client: Any = client, places: Any = places
            ) -> None:
                async with places:
                    answer = await sending.put(field, value).send(client)
                name = sending.operation.name
                assert answer.status_code < 500, (name, field.name, value, answer.text)
                assert answer.status_code < 400 or "error" in answer.json(), name

            await asyncio.gather(*(told(field, value) for field in operation.fields() for value in values))

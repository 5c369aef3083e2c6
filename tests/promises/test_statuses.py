"""Every status of every operation comes, in the form that the document gives it; what cannot come is not promised."""

import asyncio
import importlib
from typing import Any

import httpx
import jsonschema
import pytest

from tests.attacks.conftest import World
from tests.attacks.operations import Operation
from tests.promises.scene import Scene
from tests.promises.statuses import ELSEWHERE, recipe_of

_STATUSES = (200, 201, 202, 204, 206, 302, 304, 400, 401, 403, 404, 409, 410, 413, 415, 416, 422, 429, 500, 503)
_AT_ONCE = 4


@pytest.fixture(scope="module")
async def document(world: World) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=world.url) as client:
        whole: dict[str, Any] = (await client.get("/openapi.json")).json()
        return whole


def promised(operation: Operation) -> list[int]:
    """The statuses that the document names."""
    return [int(status) for status in operation.described["responses"]]


def test_every_promise_has_a_recipe(operations: list[Operation]) -> None:
    """A new pair of operation and status wants a line in statuses.py."""
    pairs = [(operation, status) for operation in operations for status in promised(operation)]
    named = {(operation.name, status) for operation, status in pairs}
    missing = [(each.name, status) for each, status in pairs if not recipe_of(each, status)]
    assert [] == [pair for pair in missing if pair not in ELSEWHERE]
    assert set() == set(ELSEWHERE) - named
    assert set() == {status for _, status in pairs} - set(_STATUSES)


@pytest.mark.parametrize("name", sorted(set(ELSEWHERE.values())))
def test_what_is_shown_elsewhere(name: str) -> None:
    """The test is there."""
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("status", _STATUSES)
async def test_promises(scene: Scene, document: dict[str, Any], operations: list[Operation], status: int) -> None:
    """Each operation that names the status answers with it, and with what it says of it."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def keep(operation: Operation) -> None:
        recipe = recipe_of(operation, status)
        if recipe is None or (operation.name, status) in ELSEWHERE:
            return
        async with places:
            answer = await recipe(scene, operation)
        assert status == answer.status_code, (operation.name, answer.text)
        check(answer, operation, document)

    kept = (keep(each) for each in operations if status in promised(each))
    broken = [each for each in await asyncio.gather(*kept, return_exceptions=True) if each is not None]
    assert not broken, "\n".join(str(each)[:1_000] for each in broken)


def check(answer: httpx.Response, operation: Operation, document: dict[str, Any]) -> None:
    """The answer has the media type, the schema and the headers that the document gives its status."""
    described = operation.described["responses"][str(answer.status_code)]
    assert {"x-request-id", "api-version"} <= set(answer.headers), operation.name
    content = described.get("content", {})
    assert bool(content) == bool(answer.content), operation.name
    if content:
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in content, operation.name
        if media_type.endswith("json"):
            schema = {**content[media_type]["schema"], "components": document["components"]}
            jsonschema.validate(answer.json(), schema, jsonschema.Draft202012Validator)
    for header in ("retry-after", "www-authenticate"):
        if answer.status_code >= 400 and header in {name.lower() for name in described["headers"]}:
            assert header in answer.headers, operation.name

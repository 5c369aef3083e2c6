"""Repeats over HTTP: answered as the first request was, by what they ask for and who asks."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from pagemesh.results.v1.usage_pb2 import GetUsageResponse
from tests.support.gateway_mesh import Mesh

UPLOAD = "/api/v1/documents/upload"
PDF = b"%PDF-1.7 a document"
KEY = {"idempotency-key": "k"}
_OF_THE_REQUEST = {"x-request-id", "idempotency-replayed", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"}


async def upload(client: httpx.AsyncClient, content: bytes = PDF, name: str = "a.pdf", **fields: str) -> httpx.Response:
    """An upload under the key."""
    return await client.post(UPLOAD, files={"file": (name, content)}, data=fields, headers=KEY)


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """What a repeat must tell as well."""
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_THE_REQUEST}
    return answer.status_code, answer.content, headers


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status_code, answer.json()["error"]


def form(boundary: str, *parts: tuple[str, str, str]) -> dict[str, Any]:
    """A form written by hand: name, more of the disposition, content."""
    disposition = "Content-Disposition: form-data; name="
    lines = [f'--{boundary}\r\n{disposition}"{name}"{more}\r\n\r\n{content}\r\n' for name, more, content in parts]
    headers = {**KEY, "content-type": f"multipart/form-data; boundary={boundary}"}
    return {"content": ("".join(lines) + f"--{boundary}--\r\n").encode(), "headers": headers}


async def test_an_upload_again(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The same file gets the same answer, byte for byte, and says that it is a replay; nothing is made twice."""
    first = await upload(client, mode="text")
    assert 201 == first.status_code
    assert "idempotency-replayed" not in first.headers
    for _ in range(3):
        again = await upload(client, mode="text")
        assert told(first) == told(again)
        assert "true" == again.headers["idempotency-replayed"]
        assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert (1, 1, 1) == (len(mesh.ingest.configs), len(mesh.results.records.documents), len(mesh.results.records.jobs))


async def test_a_form_is_compared_by_what_it_holds(client: httpx.AsyncClient) -> None:
    """Another boundary or order of the parts is the same request."""
    file, mode = ("file", '; filename="a.pdf"', PDF.decode()), ("mode", "", "text")
    first = await client.post(UPLOAD, **form("one", file, mode))
    again = await client.post(UPLOAD, **form("another", mode, file))
    assert (201, "true", told(first)) == (first.status_code, again.headers["idempotency-replayed"], told(again))


@pytest.mark.parametrize(
    "other",
    [
        {"content": PDF + b"."},
        {"content": PDF[:-1]},
        {"content": PDF[:-1] + b"."},
        {"name": "b.pdf"},
        {"mode": "table"},
        {"mode": "text", "priority": "5"},
        {},
    ],
)
async def test_another_upload(mesh: Mesh, client: httpx.AsyncClient, other: dict[str, Any]) -> None:
    """Another file, name or field under the same key is refused; the first stays as it was."""
    first = await upload(client, mode="text")
    assert (422, "idempotency_key_reused") == code(await upload(client, **other))
    assert told(first) == told(await upload(client, mode="text"))
    assert 1 == len(mesh.results.records.documents)


async def test_a_name_is_no_content(client: httpx.AsyncClient) -> None:
    """Where one part of a form ends and the next begins counts."""
    file = ("file", '; filename="a.pdf"', PDF.decode())
    await client.post(UPLOAD, **form("b", file, ("prompt", "", "ab")))
    other = await client.post(
        UPLOAD, **form("b", ("file", '; filename="a.pdfprompt"', PDF.decode()), ("mode", "", "text"))
    )
    assert (422, "idempotency_key_reused") == code(other)


async def test_a_longer_repeat_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    """It is another request as soon as it has more bytes than the first had."""
    first = await upload(client)
    boundary = "b"
    head = form(boundary, ("file", '; filename="a.pdf"', ""))
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield head["content"].split(b"\r\n--")[0]
        while True:
            sent += 1
            yield b"x" * 1024

    answer = await client.post(UPLOAD, content=endless(), headers=head["headers"])
    assert (422, "idempotency_key_reused") == code(answer)
    assert sent < 10
    assert told(first) == told(await upload(client))


async def test_while_the_first_is_sent(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A repeat of an upload under way is told to come back; then it gets the answer."""
    whole, may_end = form("b", ("file", '; filename="a.pdf"', PDF.decode())), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield whole["content"][:70]
        await may_end.wait()
        yield whole["content"][70:]

    first = asyncio.create_task(client.post(UPLOAD, content=slowly(), headers=whole["headers"]))
    async with asyncio.timeout(10):
        while not mesh.entries.entries:  # noqa: ASYNC110  # the claim happens elsewhere
            await asyncio.sleep(0.01)
    for _ in range(2):
        refused = await client.post(UPLOAD, **whole)
        assert (409, "request_in_progress") == code(refused)
        assert 1 <= int(refused.headers["retry-after"])
    may_end.set()
    assert told(await first) == told(await client.post(UPLOAD, **whole))


async def test_many_at_once(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Of 50 at the same time one is carried out; the others get its answer, or are told to come back."""
    answers = await asyncio.gather(*(upload(client) for _ in range(50)))
    made = {answer.content for answer in answers if answer.status_code == 201}
    assert (1, 1) == (len(made), len(mesh.ingest.configs))
    assert {(409, "request_in_progress")} >= {code(answer) for answer in answers if answer.status_code != 201}


async def test_an_analysis_again(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """By its body's bytes; of another document, it is another endpoint."""
    documents = [(await client.post(UPLOAD, files={"file": PDF})).json()["id"] for _ in range(2)]
    paths = [f"/api/v1/documents/{number}/analyze" for number in documents]
    body = json.dumps({"analysis_type": "custom", "prompt": "Why?"})
    headers = {**KEY, "content-type": "application/json"}
    first = await client.post(paths[0], content=body, headers=headers)
    again = await client.post(
        paths[0].upper().replace("/API/V1/DOCUMENTS", "/api/v1/documents").replace("ANALYZE", "analyze"),
        content=body,
        headers=headers,
    )
    assert (202, told(first), "true") == (first.status_code, told(again), again.headers["idempotency-replayed"])
    for content in (body.replace("Why", "How"), body.replace(" ", "")):
        assert (422, "idempotency_key_reused") == code(await client.post(paths[0], content=content, headers=headers))
    query = await client.post(f"{paths[0]}?dry_run=false", content=body, headers=headers)
    assert (422, "idempotency_key_reused") == code(query)
    other = await client.post(paths[1], content=body, headers=headers)
    assert (202, 2 + 2) == (other.status_code, len(mesh.results.records.jobs))


async def test_other_organizations(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The same key of another organization makes a thing of its own, even of the same bytes."""
    first = await upload(client)
    async with mesh.client("another organization") as stranger:
        theirs = await upload(stranger)
        assert (201, False) == (theirs.status_code, "idempotency-replayed" in theirs.headers)
        assert first.json()["id"] != theirs.json()["id"]
        again = await upload(stranger)
        assert told(theirs) == told(again)


async def test_errors_are_not_remembered(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """After a refusal the key is free for what is right."""
    assert (400, "invalid_file_type") == code(await upload(client, b"no document"))
    assert (422, "validation_error") == code(await upload(client, mode="magic"))
    answer = await upload(client)
    assert (201, 1) == (answer.status_code, len(mesh.results.records.documents))


async def test_a_service_that_breaks_when_all_is_done(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """What was made and not answered is answered by the repeat, and not made again; another file is refused."""
    mesh.ingest.breaks = True
    assert (503, "unavailable") == code(await upload(client))
    (document_id,) = mesh.results.records.documents
    mesh.ingest.breaks = False
    mesh.results.used = GetUsageResponse(documents=1_000)  # the repeat takes no room
    assert (422, "idempotency_key_reused") == code(await upload(client, mode="table"))
    answer = await upload(client)
    assert (201, document_id) == (answer.status_code, answer.json()["id"])
    assert "idempotency-replayed" not in answer.headers
    assert told(answer) == told(await upload(client))
    assert 1 == len(mesh.results.records.documents)


async def test_the_broker_away(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A key that nobody can remember is not served; without one nothing is missing."""
    mesh.entries.away = True
    assert (503, "unavailable") == code(await upload(client))
    assert {} == mesh.results.records.documents
    assert 201 == (await client.post(UPLOAD, files={"file": PDF})).status_code


async def test_what_it_costs(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Nothing without a key; with one a trip before and one after; a replay one more than none to read the answer."""
    await client.post(UPLOAD, files={"file": PDF})
    assert 0 == mesh.entries.trips
    await upload(client)
    assert (2, 2) == (mesh.entries.trips, mesh.entries.writes)
    await upload(client)
    assert (4, 2) == (mesh.entries.trips, mesh.entries.writes)


async def test_a_replay_takes_no_room(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A plan that is used up refuses what is new, not what was accepted; every request is counted."""
    first = await upload(client)
    mesh.results.used = GetUsageResponse(documents=1_000)
    again = await upload(client)
    assert told(first) == told(again)
    assert first.headers.keys() - again.headers.keys() == set()
    remaining = [int(answer.headers["x-ratelimit-remaining"]) for answer in (first, again)]
    assert remaining[0] - 1 == remaining[1]


async def test_keys_where_nothing_is_made(client: httpx.AsyncClient) -> None:
    """Endpoints that do not take keys do not mind them."""
    for _ in range(2):
        answer = await client.get("/api/v1/documents", headers=KEY)
        assert (200, False) == (answer.status_code, "idempotency-replayed" in answer.headers)


@pytest.mark.parametrize("header", ["", '""', "k" * 256, "a\tb"])
async def test_garbage(mesh: Mesh, client: httpx.AsyncClient, header: str) -> None:
    """What is no key is refused before anything is done."""
    answer = await client.post(UPLOAD, files={"file": PDF}, headers={"idempotency-key": header})
    assert (400, "invalid_idempotency_key") == code(answer)
    assert {} == mesh.results.records.documents


async def test_credentials_come_first(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Without a credential there is no replay, whatever the key."""
    await upload(client)
    async with mesh.client() as stranger:
        assert (401, "unauthenticated") == code(await upload(stranger))


async def test_everything_that_is_made_takes_a_key(client: httpx.AsyncClient) -> None:
    """Each POST that answers 201 or 202 takes one and says so, with what can go wrong."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    creating = {
        path: one["post"]
        for path, one in paths.items()
        if {"201", "202"} & one.get("post", {"responses": {}})["responses"].keys()
    }
    assert f"{UPLOAD}" in creating
    for path, operation in creating.items():
        named = {parameter["name"] for parameter in operation["parameters"]}
        assert ("Idempotency-Key" in named, {"409", "422"} - operation["responses"].keys()) == (True, set()), path
        answer = operation["responses"].get("201") or operation["responses"]["202"]
        assert "Idempotency-Replayed" in answer["headers"], path

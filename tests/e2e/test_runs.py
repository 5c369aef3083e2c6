"""Runs by a whole stack: every source, a fetch that is killed on the way, repeats, and what belongs to others."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from cli.background import Background
from tests.support import documents
from tests.support.client import ApiClient, Json
from tests.support.origin import Origin, origin, response

RUNS = "/api/v1/runs"
TEXT = "Revenue was 42 million euros in 2025. The board proposes a dividend of 2 euros."
PDF = documents.text_pdf(2)


@pytest.fixture
async def client(stack: Background) -> AsyncIterator[ApiClient]:
    """Somebody."""
    client = await ApiClient(stack.url).register()
    yield client
    await client.close()


@pytest.fixture
async def served() -> AsyncIterator[Origin]:
    """A web server."""
    async with origin() as server:
        yield server


async def start(client: ApiClient, body: Json | None = None, **more: Any) -> Json:
    """Starts a run."""
    answer = await client.http.post(RUNS, json=body, **more)
    assert answer.status_code == 202, answer.text
    run: Json = answer.json()
    assert (f"{RUNS}/{run['id']}", True) == (answer.headers["location"], int(answer.headers["retry-after"]) > 0)
    assert {"id", "state", "source", "created_at"} == run.keys()
    assert run["state"] == "pending"
    return run


async def ended(client: ApiClient, run: Json) -> Json:
    """The run once it has ended, awaited and not polled."""
    while True:
        answer = await client.http.get(f"{RUNS}/{run['id']}", headers={"prefer": "wait=60"})
        assert (200, "wait=60") == (answer.status_code, answer.headers["preference-applied"])
        status: Json = answer.json()
        if status["state"] not in ("pending", "processing"):
            return status


async def test_every_source(client: ApiClient, served: Origin) -> None:
    """File, URL, document and text: read, analysed, with one result of one form."""
    url = served.says("/report.pdf", response(PDF))
    config = {"analyses": ["summary", "tagging"], "mode": "text"}
    file = await start(client, files={"file": ("a.pdf", PDF)}, data={"config": json.dumps(config)})
    named = await start(client, {"source": {"url": url}, "config": config})
    text = await start(client, {"source": {"text": TEXT}, "config": config})
    first = await ended(client, file)
    document = await start(client, {"source": {"document_id": first["document_id"]}, "config": config})
    assert [{"file": "a.pdf"}, {"url": url}, {"text": TEXT}] == [one["source"] for one in (file, named, text)]
    for run, pages in ((first, 2), (await ended(client, named), 2), (await ended(client, text), 1)):
        assert ("completed", None, 100) == (run["state"], run["error"], run["progress"]), run
        assert ["text_extraction", "summary", "tagging"] == [task["kind"] for task in run["tasks"]]
        _check_result(run["result"], pages)
    again = await ended(client, document)
    assert ["summary", "tagging"] == [task["kind"] for task in again["tasks"]]
    _check_result(again["result"], 2)
    listed = await client.get("/api/v1/documents")
    assert {"a.pdf", "report.pdf"} == {one["original_filename"] for one in listed["items"]}


def _check_result(result: Json, pages: int) -> None:
    assert {"metadata", "analyses", "metrics", "provenance"} == result.keys()
    assert (pages, "eng") == (result["metadata"]["pages"], result["metadata"]["language"])
    assert {"summary", "tagging"} == result["analyses"].keys()
    assert all(each["result_data"] for each in result["analyses"].values())
    metrics = result["metrics"]
    assert (0, 0.0, True) == (metrics["ocr_page_count"], metrics["cost_usd"], metrics["processing_time_ms"] >= 0)
    assert result["provenance"]["models"] == ["pagemesh-local 1.0.0"]


async def test_repeats_make_nothing_twice(client: ApiClient, served: Origin) -> None:
    """The same key and request is answered the same, whatever form it has; another request is told."""
    url = served.says("/once.pdf", response(PDF))
    bodies: list[dict[str, Any]] = [
        {"json": {"source": {"url": url}}},
        {"json": {"source": {"text": TEXT}}},
        {"files": {"file": ("a.pdf", PDF)}, "data": {"config": "{}"}},
    ]
    for body in bodies:
        headers = {"idempotency-key": uuid.uuid4().hex}
        first = await client.http.post(RUNS, headers=headers, **body)
        again = await client.http.post(RUNS, headers=headers, **body)
        assert (202, first.content, "true") == (again.status_code, again.content, again.headers["idempotency-replayed"])
        for other in ({"json": {"source": {"text": "Other."}}}, {"files": {"file": ("a.pdf", PDF + b"\n")}}):
            refused = await client.http.post(RUNS, headers=headers, **other)
            assert (422, "idempotency_key_reused") == (refused.status_code, refused.json()["error"])
    assert len(bodies) == (await client.get(RUNS))["total"]
    await ended(client, (await client.get(f"{RUNS}?per_page=100"))["items"][-1])
    assert 1 == served.asked["/once.pdf"]


async def test_status_can_be_polled_and_followed(client: ApiClient) -> None:
    """Entity tags, events with ids, lists by state, and cancelling of what is over."""
    run = await start(client, {"source": {"text": TEXT}})
    await ended(client, run)
    path = f"{RUNS}/{run['id']}"
    answer = await client.http.get(path)
    etag = answer.headers["etag"]
    unchanged = await client.http.get(path, headers={"if-none-match": etag})
    assert (304, b"", etag) == (unchanged.status_code, unchanged.content, unchanged.headers["etag"])
    events = (await client.http.get(f"{path}/events")).text
    number, name, data = events.strip().split("\n")
    assert ("event: run", answer.json()) == (name, json.loads(data.removeprefix("data: ")))
    seen = {"last-event-id": number.removeprefix("id: ")}
    assert "" == (await client.http.get(f"{path}/events", headers=seen)).text
    for state, total in (("completed", 1), ("failed", 0)):
        assert total == (await client.get(f"{RUNS}?state={state}"))["total"]
    assert 422 == (await client.http.get(f"{RUNS}?state=done")).status_code
    refused = await client.http.post(f"{path}/cancel")
    assert (409, "illegal_state") == (refused.status_code, refused.json()["error"])


async def test_the_queue_and_cancelling(client: ApiClient, served: Origin) -> None:
    """What waits is counted until somebody does not want it any more."""
    run = await start(client, {"source": {"url": served.says("/slow.pdf", b"", then=60)}, "config": {"priority": 9}})
    queue = await client.get("/api/v1/queue")
    assert (1, 1) == (queue["total"], queue["kinds"]["fetch"]["depth"])
    assert ["fetch", "inspect", "extract", "ocr", "analyze", "deliver"] == list(queue["kinds"])
    assert {"depth": 0, "oldest_age_ms": None} == queue["kinds"]["ocr"] == queue["kinds"]["deliver"]
    assert queue["kinds"]["fetch"]["oldest_age_ms"] >= 0
    answer = await client.http.post(f"{RUNS}/{run['id']}/cancel")
    assert (202, "cancelled") == (answer.status_code, answer.json()["state"])
    assert 0 == (await client.get("/api/v1/queue"))["total"]


async def test_a_killed_fetch_costs_nothing(stack: Background, client: ApiClient, served: Origin) -> None:
    """Ingest dies in the middle of a file; the file is fetched again, and read once."""
    began, whole = asyncio.Event(), response(PDF)

    async def halting(writer: asyncio.StreamWriter) -> None:
        writer.write(whole[:2_000])
        await writer.drain()
        if began.is_set():
            writer.write(whole[2_000:])
            return
        began.set()
        await asyncio.sleep(60)

    run = await start(client, {"source": {"url": served.does("/halting.pdf", halting)}, "config": {"priority": 9}})
    await asyncio.wait_for(began.wait(), 30)
    stack.kill("ingest")
    status = await ended(client, run)
    assert ("completed", 2) == (status["state"], status["result"]["metrics"]["page_count"])
    assert 2 <= served.asked["/halting.pdf"]
    assert 1 == (await client.get("/api/v1/documents"))["total"]


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "[::1]", "2130706434", "169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]", "0"]
)
async def test_what_is_inside_is_out_of_reach(client: ApiClient, served: Origin, host: str) -> None:
    """Refused at once where it is named, and on the way where somebody redirects there."""
    target = f"http://{host}:{served.port}/secret.pdf"
    refused = await client.http.post(RUNS, json={"source": {"url": target}})
    assert (422, "address_not_allowed") == (refused.status_code, refused.json()["error"])
    moved = served.says("/moved.pdf", response(b"", "302 Found", location=target))
    status = await ended(client, await start(client, {"source": {"url": moved}}))
    assert ("failed", "address_not_allowed", None) == (status["state"], status["error"]["code"], status["result"])
    assert 0 == served.asked["/secret.pdf"]


async def test_what_belongs_to_others_is_nothing(stack: Background, client: ApiClient) -> None:
    """Their runs and their documents, as if they did not exist; so are texts, even for those who sent them."""
    run = await start(client, files={"file": ("a.pdf", PDF)})
    document_id = (await ended(client, run))["document_id"]
    stranger = await ApiClient(stack.url).register()
    answers: list[tuple[int, str]] = []
    for run_id, source in ((run["id"], document_id), (str(uuid.uuid4()), str(uuid.uuid4()))):
        asked: list[httpx.Response] = [
            await stranger.http.get(f"{RUNS}/{run_id}"),
            await stranger.http.get(f"{RUNS}/{run_id}/events"),
            await stranger.http.post(f"{RUNS}/{run_id}/cancel"),
            await stranger.http.post(RUNS, json={"source": {"document_id": source}}),
        ]
        answers += [(answer.status_code, answer.text) for answer in asked]
    assert 1 == len(set(answers))
    assert 404 == answers[0][0]
    assert 0 == (await stranger.get(RUNS))["total"]
    await stranger.close()


async def test_documents_that_are_not_there_yet(client: ApiClient, served: Origin) -> None:
    """They are listed, have nothing to download, and take their run with them when they are deleted."""
    run = await start(client, {"source": {"url": served.says("/gone.pdf", response(b"", "410 Gone"))}})
    status = await ended(client, run)
    assert ("failed", "fetch_failed") == (status["state"], status["error"]["code"])
    path = f"/api/v1/documents/{status['document_id']}"
    document = await client.get(path)
    assert ("failed", "gone.pdf", 0) == (document["status"], document["original_filename"], document["file_size"])
    assert 409 == (await client.http.get(f"{path}/download")).status_code
    again = await client.http.post(RUNS, json={"source": {"document_id": status["document_id"]}})
    assert (409, "illegal_state") == (again.status_code, again.json()["error"])
    assert 204 == (await client.http.delete(path)).status_code
    assert 404 == (await client.http.get(f"{RUNS}/{run['id']}")).status_code

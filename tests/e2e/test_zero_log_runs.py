"""Zero-log callbacks and runs by a whole stack: canaries in URLs and texts, then every byte that was kept is read."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import from_url
from standardwebhooks import Webhook

from tests.support import documents
from tests.support.canaries import Canaries
from tests.support.client import ApiClient, Json
from tests.support.origin import origin, response
from tests.support.receiver import RESET, Receiver, Say, receiving
from tests.support.s3 import BUCKET, S3Server
from tests.support.watched import Watched, kept_secret, planted, watched_stack

ZERO_LOG = {"X-Zero-Log": "true"}
RUNS, DOCUMENTS = "/api/v1/runs", "/api/v1/documents"


@pytest.fixture(scope="module")
def watched(server_directory: Path, s3_server: S3Server) -> Iterator[Watched]:
    """A running stack that may call this machine and read a bucket."""
    environ = {
        "PAGEMESH_ZERO_LOG_MIN_SECONDS": "1",
        "PAGEMESH_ALLOWED_PRIVATE_NETWORKS": "127.0.0.1",
        "PAGEMESH_WEBHOOK_PAUSES": "1",
        "PAGEMESH_FETCH_BUCKETS": json.dumps([{"bucket": BUCKET}]),
        **s3_server.environment,
    }
    with pytest.MonkeyPatch.context() as patch, watched_stack(server_directory / "zlruns", environ) as watched:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        yield watched


@pytest.fixture
async def client(watched: Watched) -> AsyncIterator[ApiClient]:
    """An account."""
    client = await ApiClient(watched.stack.url).register()
    yield client
    await client.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Where calls go."""
    async with receiving() as receiver:
        yield receiver


async def test_nothing_of_callbacks_is_kept(watched: Watched, client: ApiClient, receiver: Receiver) -> None:
    """Documents, analyses, texts and files call back, one of them not at once; neither URL nor message is kept."""
    canaries = watched.canaries

    def url(name: str, *behaviours: Say | str) -> str:
        return receiver.plan(f"/{canaries.word(name)}", *behaviours)

    file, form = {"file": ("a.pdf", documents.text_pdf())}, {"callback_url": url("hook", Say(500), RESET)}
    body = kept_secret(await client.http.post(f"{DOCUMENTS}/upload", files=file, data=form, headers=ZERO_LOG)).json()
    asked = {"analysis_type": "summary", "callback_url": url("analysishook")}
    assert 202 == kept_secret(await client.http.post(f"{DOCUMENTS}/{body['id']}/analyze", json=asked)).status_code
    text = {"text": "It is so.", "callback_url": url("taskhook")}
    kept_secret(await client.http.post("/api/v1/tasks", json=text, headers=ZERO_LOG))
    file, form = {"file": ("a.png", documents.png("Word"))}, {"callback_url": url("filehook")}
    kept_secret(await client.http.post("/api/v1/tasks/file", files=file, data=form, headers=ZERO_LOG))
    verifier = Webhook((await client.get("/api/v1/webhooks/secret"))["secret"])
    for name, count in (("hook", 3), ("analysishook", 1), ("taskhook", 1), ("filehook", 1)):
        hit = (await receiver.got(f"/{canaries.words[name]}", count))[-1]
        assert "job.completed" == verifier.verify(hit.body, hit.headers)["type"]
        canaries.words[f"{name} message"] = hit.headers["webhook-signature"]
    assert 0 == (await client.get("/api/v1/webhooks/deliveries"))["total"]
    assert set() == await watched.found()


async def test_nothing_of_runs_is_kept(watched: Watched, client: ApiClient, receiver: Receiver) -> None:
    """Of every source, with a callback; one is cancelled, and one cannot be fetched."""
    canaries = watched.canaries
    async with origin() as server:
        fetched = canaries.pdf("fetched", planted(canaries))
        url = server.says(f"/{canaries.word('url')}.pdf", response(fetched)) + f"?{canaries.word('query')}"
        key = f"{(await client.get('/api/v1/organizations/me'))['id']}/{canaries.word('key')}.pdf"
        await obstore.put_async(from_url(f"s3://{BUCKET}"), key, fetched)
        hook = receiver.plan(f"/{canaries.word('runhook')}", Say(503))
        config = {"analyses": ["question_answering"], "prompt": f"What of {canaries.word('runprompt')}?"}
        name = f"{canaries.word('runname')}.pdf"
        runs = [
            await started(client, {"source": {"url": url}, "config": config, "callback_url": hook}),
            await started(client, {"source": {"s3": f"s3://{BUCKET}/{key}"}, "config": config}),
            await started(client, {"source": {"text": f"It says {canaries.word('runtext')}."}, "config": config}),
            await started(client, {"config": config}, name, fetched),
        ]
        documents_of = [(await ended_run(client, run["id"]))["document_id"] for run in runs]
        runs.append(await started(client, {"source": {"document_id": documents_of[0]}}))
        for run in runs:
            found = await ended_run(client, run["id"])
            assert ("completed", True, run["expires_at"]) == (found["state"], found["zero_log"], found["expires_at"])
        assert canaries.words["text"] in kept_secret(await client.http.get(f"{DOCUMENTS}/{documents_of[1]}/text")).text
        assert documents_of[2] is None
        missing = await started(client, {"source": {"url": f"{server.url}/{canaries.word('missing')}"}})
        assert "fetch_failed" == (await ended_run(client, missing["id"]))["error"]["code"]
    await cancelled_run(client, canaries, receiver)
    assert "run.completed" in (await receiver.got(f"/{canaries.words['runhook']}", 2))[1].body.decode()
    assert 0 == (await client.get(RUNS))["total"]
    assert set() == await watched.found()


async def cancelled_run(client: ApiClient, canaries: Canaries, receiver: Receiver) -> None:
    """A run of many pages, cancelled on the way, which somebody is told."""
    path = f"/{canaries.word('cancelhook')}"
    asked = {"config": {"analyses": ["summary"]}, "callback_url": receiver.url + path}
    run = await started(client, asked, "a.pdf", planted(canaries, 8))
    assert 202 == kept_secret(await client.http.post(f"{RUNS}/{run['id']}/cancel")).status_code
    assert "cancelled" == (await ended_run(client, run["id"]))["state"]
    assert b"run.cancelled" in (await receiver.got(path))[0].body
    assert 409 == (await client.http.post(f"{RUNS}/{run['id']}/cancel")).status_code


async def started(client: ApiClient, body: Json, name: str = "", content: bytes = b"") -> Json:
    """A zero-log run, asked for twice under one key."""
    headers = {**ZERO_LOG, "Idempotency-Key": uuid.uuid4().hex}
    form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    sent: dict[str, Any] = {"files": {"file": (name, content)}, "data": form} if content else {"json": body}
    answers = [kept_secret(await client.http.post(RUNS, headers=headers, **sent)) for _ in range(2)]
    assert (202, answers[0].content) == (answers[0].status_code, answers[1].content), answers[0].text
    run: Json = answers[0].json()
    return run


async def ended_run(client: ApiClient, run_id: str) -> Json:
    """A zero-log run once it has ended."""
    assert "event: run" in kept_secret(await client.http.get(f"{RUNS}/{run_id}/events")).text
    run: Json = kept_secret(await client.http.get(f"{RUNS}/{run_id}", headers={"Prefer": "wait=10"})).json()
    return run


async def test_a_run_goes_on_whoever_dies(watched: Watched, client: ApiClient, receiver: Receiver) -> None:
    """Its work and its callback are done by whoever comes after; deleted or expired, it is gone."""
    path = "/dying"
    hook = receiver.plan(path, Say(500), Say(500))
    run = await started(client, {"callback_url": hook}, "a.pdf", documents.scanned_pdf(2))
    for name in ("results", "ocr", "ingest"):
        watched.stack.kill(name)
    await client.until(f"{RUNS}/{run['id']}", lambda answer: answer.json().get("state") == "completed")
    await receiver.got(path)
    watched.stack.kill("results")
    hits = await receiver.got(path, 3, within=60)
    assert 1 == len({hit.id for hit in hits})
    short = await started(client, {"source": {"text": "It is so."}, "ttl_seconds": 2})
    gone = await client.until(f"{RUNS}/{short['id']}", lambda answer: answer.status_code == 410)
    assert "expired" == kept_secret(gone).json()["error"]


async def test_an_organization_can_have_all_of_its_runs_so(client: ApiClient) -> None:
    """Whatever the request says; a document of the record is worked on in memory."""
    lasting = (await client.upload("before.pdf", documents.text_pdf())).json()
    await client.ended(lasting["job_id"])
    answer = await client.http.put("/api/v1/organizations/me", json={"settings": {"zero_log": True}})
    assert 200 == answer.status_code, answer.text
    for source in ({"text": "It is so."}, {"document_id": lasting["id"]}):
        body = {"source": source, "config": {"analyses": ["summary"]}}
        run = kept_secret(await client.http.post(RUNS, json=body, headers={"X-Zero-Log": "false"})).json()
        assert "completed" == (await ended_run(client, run["id"]))["state"]
    assert 0 == (await client.get(RUNS))["total"]


async def test_a_failed_job_is_tried_again(client: ApiClient) -> None:
    """From the original that is in memory; what completed is not."""
    file = {"file": ("a.pdf", documents.truncated_pdf())}
    body = kept_secret(await client.http.post(f"{DOCUMENTS}/upload", files=file, headers=ZERO_LOG)).json()
    one = f"/api/v1/jobs/{body['job_id']}"
    await client.until(one, lambda answer: answer.json()["status"] == "failed")
    again = kept_secret(await client.http.post(f"{one}/retry", headers={"Idempotency-Key": uuid.uuid4().hex}))
    assert (202, 2) == (again.status_code, again.json()["attempts"])
    await client.until(one, lambda answer: answer.json()["status"] == "failed")
    assert 409 == (await client.http.post(f"{one}/cancel")).status_code

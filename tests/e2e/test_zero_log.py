"""Zero-log work by a whole stack of its own: canaries are planted everywhere, then every byte that was kept is read."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import nats
import pytest

from cli import nats as broker
from tests.support import documents
from tests.support.canaries import Canaries
from tests.support.client import TERMINAL, ApiClient, Json
from tests.support.watched import STREAMS, Watched, kept_secret, planted, watched_stack

ZERO_LOG = {"X-Zero-Log": "true"}
UPLOAD = "/api/v1/documents/upload"


@pytest.fixture(scope="module")
def watched(server_directory: Path) -> Iterator[Watched]:
    """A running stack, with everything below one directory, temporary files too."""
    with watched_stack(server_directory / "zl", {"PAGEMESH_ZERO_LOG_MIN_SECONDS": "1"}) as watched:
        yield watched


@pytest.fixture
async def client(watched: Watched) -> AsyncIterator[ApiClient]:
    """An account."""
    client = await ApiClient(watched.stack.url).register()
    yield client
    await client.close()


async def upload(
    client: ApiClient, name: str, content: bytes, headers: dict[str, str], **fields: str
) -> tuple[Json, httpx.Response]:
    """Sends a document twice under one key; what was made of it, and the second answer."""
    headers = {"Idempotency-Key": uuid.uuid4().hex, **headers}
    answers = [
        await client.http.post(UPLOAD, files={"file": (name, content)}, data=fields, headers=headers) for _ in range(2)
    ]
    assert [201, 201] == [answer.status_code for answer in answers], answers[0].text
    assert answers[0].content == answers[1].content
    assert "true" == answers[1].headers["idempotency-replayed"]
    body: Json = answers[0].json()
    return body, answers[1]


async def ended(client: ApiClient, job_id: str) -> Json:
    """A zero-log job once it has ended, by long polls."""
    while True:
        answer = kept_secret(await client.http.get(f"/api/v1/jobs/{job_id}", headers={"Prefer": "wait=10"}))
        job: Json = answer.json()
        if job["status"] in TERMINAL:
            return job


async def test_nothing_of_zero_log_work_is_kept(watched: Watched, client: ApiClient) -> None:
    """Text, pictures, names, titles and prompts: read, failed, broken off, repeated, analysed; then searched for."""
    canaries = watched.canaries
    canaries.words["scan"] = "Harbourquintessence"
    content = canaries.pdf("original", planted(canaries))
    name, prompt = f"{canaries.word('name')}.pdf", f"What of {canaries.word('prompt')}?"
    body, replayed = await upload(client, name, content, ZERO_LOG, analysis_type="question_answering", prompt=prompt)
    assert name == body["original_filename"]
    kept_secret(replayed)

    failing, _ = await upload(client, name, planted(canaries)[:3_000], ZERO_LOG)
    deleted, _ = await upload(client, name, planted(canaries, 4), ZERO_LOG, password=canaries.word("password"))
    assert 204 == (await client.http.delete(f"/api/v1/documents/{deleted['id']}")).status_code
    for path in (f"documents/{deleted['id']}", f"jobs/{deleted['job_id']}"):
        assert 404 == (await client.http.get(f"/api/v1/{path}")).status_code

    job = await ended(client, body["job_id"])
    assert ("completed", 2, True) == (job["status"], job["pages"]["done"], job["zero_log"]), job
    assert "failed" == (await ended(client, failing["job_id"]))["status"]
    await reads_like_any_other(client, body, content, canaries)
    assert set() == await watched.found()


async def reads_like_any_other(client: ApiClient, body: Json, content: bytes, canaries: Canaries) -> None:
    """Everything that can be asked of a document, of one that is in memory."""
    one = f"/api/v1/documents/{body['id']}"
    text = kept_secret(await client.http.get(f"{one}/text")).text
    assert canaries.words["text"] in text
    assert canaries.words["scan"] in text
    document = kept_secret(await client.http.get(one)).json()
    assert (canaries.words["title"], True) == (document["metadata"]["title"], document["zero_log"])
    assert content == kept_secret(await client.http.get(f"{one}/download")).content
    part = kept_secret(await client.http.get(f"{one}/download", headers={"Range": "bytes=10-19"}))
    assert (206, content[10:20]) == (part.status_code, part.content)
    assert kept_secret(await client.http.get(f"{one}/searchable-pdf")).content.startswith(b"%PDF")
    pages = kept_secret(await client.http.get(f"{one}/pages", params={"blocks": "true"})).json()
    assert ([1, 2], "ocr") == ([page["number"] for page in pages["items"]], pages["items"][1]["source"])
    kept_secret(await client.http.get(f"{one}/tables"))
    [made] = kept_secret(await client.http.get(f"{one}/analysis")).json()["analyses"]
    assert "question_answering" == made["analysis_type"]

    job = f"/api/v1/jobs/{body['job_id']}"
    etag = (await client.http.get(job)).headers["etag"]
    assert 304 == kept_secret(await client.http.get(job, headers={"If-None-Match": etag})).status_code
    events = kept_secret(await client.http.get(f"{job}/events")).text
    assert "event: job" in events
    asked = {"analysis_type": "custom", "prompt": f"And {canaries.words['prompt']}?"}
    answer = await client.http.post(f"{one}/analyze", json=asked, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert 202 == kept_secret(answer).status_code
    await ended(client, answer.json()["job_id"])
    for path in ("documents", "jobs"):
        assert 0 == (await client.get(f"/api/v1/{path}"))["total"]


async def test_nothing_of_a_task_is_kept(watched: Watched, client: ApiClient) -> None:
    """A text, and a file by OCR: both end like any task, and one that is broken off too; then they are searched for."""
    canaries = watched.canaries
    tasks = "/api/v1/tasks"
    body = {"text": f"The word is {canaries.word('task')}. It is nowhere else.", "template": "tags", "ttl_seconds": 600}
    headers = {**ZERO_LOG, "Idempotency-Key": uuid.uuid4().hex}
    answers = [kept_secret(await client.http.post(tasks, json=body, headers=headers)) for _ in range(2)]
    assert (202, answers[0].content) == (answers[0].status_code, answers[1].content), answers[0].text
    canaries.words["scan"] = "Harbourquintessence"
    file = {"file": (f"{canaries.word('taskfile')}.png", documents.png(canaries.words["scan"]))}
    of_file = kept_secret(await client.http.post(f"{tasks}/file", files=file, headers=ZERO_LOG))
    assert 202 == of_file.status_code, of_file.text
    for accepted in (answers[0], of_file):
        one = f"{tasks}/{accepted.json()['task_id']}"
        task = await ended_task(client, one)
        assert ("COMPLETED", accepted.json()["expires_at"], True) == (
            *(task["status"], task["expires_at"]),
            task["zero_log"],
        ), task
        assert "result_data" in task["result"]
        assert "event: task" in kept_secret(await client.http.get(f"{one}/events")).text
    assert 0 == (await client.get(tasks))["total"]
    assert 200 == (await client.http.delete(one)).status_code
    assert 404 == (await client.http.get(one)).status_code
    pages = documents.scanned_pdf(4, canaries.words["scan"])
    broken_off = await client.http.post(f"{tasks}/file", files={"file": ("a.pdf", pages)}, headers=ZERO_LOG)
    one = f"{tasks}/{broken_off.json()['task_id']}"
    cancelled = await client.http.delete(one)
    if cancelled.status_code == 202:  # else it was faster
        assert "CANCELLED" == kept_secret(cancelled).json()["status"] == (await ended_task(client, one))["status"]
    assert set() == await watched.found()


async def ended_task(client: ApiClient, path: str) -> Json:
    """A zero-log task once it has ended."""
    while True:
        task: Json = kept_secret(await client.http.get(path, headers={"Prefer": "wait=10"})).json()
        if task["status"] not in ("PENDING", "PROCESSING"):
            return task


async def test_others_find_nothing(watched: Watched, client: ApiClient) -> None:
    """Zero-log work of another organization looks like none."""
    body, _ = await upload(client, "a.pdf", documents.text_pdf(), ZERO_LOG)
    other = await ApiClient(watched.stack.url).register()
    for path in (f"jobs/{body['job_id']}", f"documents/{body['id']}/text", f"documents/{body['id']}/download"):
        theirs = await other.http.get(f"/api/v1/{path}")
        nobodys = await other.http.get(f"/api/v1/{path}".replace(body["id"], str(uuid.uuid4())))
        assert (404, theirs.content) == (theirs.status_code, nobodys.content)
        assert "x-zero-log" not in theirs.headers
    assert 404 == (await other.http.delete(f"/api/v1/documents/{body['id']}")).status_code
    await other.close()


async def test_after_its_time_it_is_gone_and_memory_is_given_back(watched: Watched, client: ApiClient) -> None:
    """410 for what was there, whoever follows is let go, and a repeat of the request is told the same."""
    headers = {**ZERO_LOG, "X-Zero-Log-TTL": "3", "Idempotency-Key": uuid.uuid4().hex}
    form = {"files": {"file": ("a.pdf", documents.mixed_pdf())}, "headers": headers}
    body = (await client.http.post(UPLOAD, **form)).json()  # type: ignore[arg-type]  # by name
    for path in (f"jobs/{body['job_id']}", f"documents/{body['id']}", f"documents/{body['id']}/pages"):
        assert 200 == (await client.http.get(f"/api/v1/{path}")).status_code
    left = datetime.fromisoformat(body["expires_at"]) - datetime.now(UTC)
    assert 0 < left.total_seconds() <= 3
    await asyncio.sleep(left.total_seconds() + 0.1)
    for path in (f"jobs/{body['job_id']}", f"documents/{body['id']}", f"documents/{body['id']}/download"):
        gone = kept_secret(await client.http.get(f"/api/v1/{path}"))
        assert (410, "expired") == (gone.status_code, gone.json()["error"])
    repeated = kept_secret(await client.http.post(UPLOAD, **form))  # type: ignore[arg-type]  # by name
    assert (410, "expired") == (repeated.status_code, repeated.json()["error"])

    first, _ = await upload(client, "b.pdf", documents.text_pdf(), ZERO_LOG)
    assert 0 < (await watched.held())["EPHEMERAL"]
    await client.http.delete(f"/api/v1/documents/{first['id']}")
    await asyncio.sleep(1)
    assert ids_of(body) & await held_by(watched) == set()


def ids_of(body: Json) -> set[str]:
    """What the broker would have the work under."""
    return {body["id"], body["job_id"]}


async def held_by(watched: Watched) -> set[str]:
    """Every part of a subject that the broker holds zero-log work under."""
    layout = watched.stack.layout
    connection = await nats.connect(broker.url(watched.stack.state.ports["nats"], layout.secret("nats")))
    try:
        infos = [await connection.jsm().stream_info(name, subjects_filter=">") for name in STREAMS]
    finally:
        await connection.close()
    return {part for info in infos for subject in info.state.subjects or {} for part in subject.split(".")}


async def test_an_organization_can_have_all_of_its_work_so(watched: Watched, client: ApiClient) -> None:
    """Whatever the request says; and what is in the record stays there."""
    lasting = (await client.upload("before.pdf", documents.text_pdf())).json()
    await client.ended(lasting["job_id"])
    answer = await client.http.put("/api/v1/organizations/me", json={"settings": {"zero_log": True}})
    assert 200 == answer.status_code, answer.text
    body, _ = await upload(client, "a.pdf", documents.text_pdf(), {"X-Zero-Log": "false"}, ttl_seconds="30")
    assert "completed" == (await ended(client, body["job_id"]))["status"]
    asked = {"analysis_type": "summary"}
    private = kept_secret(await client.http.post(f"/api/v1/documents/{lasting['id']}/analyze", json=asked))
    assert "completed" == (await ended(client, private.json()["job_id"]))["status"]
    [job] = (await client.get("/api/v1/jobs"))["items"]
    assert lasting["job_id"] == job["id"]


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"X-Zero-Log": "perhaps"}, {}),
        ({**ZERO_LOG, "X-Zero-Log-TTL": "3601"}, {}),
        ({**ZERO_LOG, "X-Zero-Log-TTL": "soon"}, {}),
        ({**ZERO_LOG, "X-Zero-Log-TTL": "0"}, {}),
        (ZERO_LOG, {"ttl_seconds": "3601"}),
        ({"X-Zero-Log-TTL": "60"}, {}),
        ({}, {"ttl_seconds": "60"}),
    ],
)
async def test_what_cannot_be_promised_is_refused(
    client: ApiClient, headers: dict[str, str], fields: dict[str, str]
) -> None:
    """Nothing is kept of a request whose wish is not understood."""
    form = {"file": ("a.pdf", documents.text_pdf())}
    answer = await client.http.post(UPLOAD, files=form, data=fields, headers=headers)
    assert (422, "validation_error") == (answer.status_code, answer.json()["error"])


async def test_the_search_finds_what_is_kept(watched: Watched, client: ApiClient) -> None:
    """The same work without the header: all of it is somewhere, so the search above would have found it."""
    canaries = watched.canaries
    name, prompt = f"{canaries.words['name']}.pdf", f"What of {canaries.words['prompt']}?"
    content = canaries.pdf("lasting", planted(canaries))
    form = {"analysis_type": "question_answering", "prompt": prompt}
    form["callback_url"] = f"https://example.org/{canaries.word('hook')}"
    body, _ = await upload(client, name, content, {}, **form)
    await client.ended(body["job_id"])
    assert {"text", "scan", "title", "name", "prompt", "lasting", "hook"} == await watched.found()


async def test_services_may_die_in_between(watched: Watched, client: ApiClient) -> None:
    """Work in hand is done by whoever comes after; when the broker dies, it is lost and said to be."""
    headers = {**ZERO_LOG, "Idempotency-Key": uuid.uuid4().hex}
    form = {"files": {"file": ("a.pdf", documents.scanned_pdf(3))}, "headers": headers}
    body = (await client.http.post(UPLOAD, **form)).json()  # type: ignore[arg-type]  # by name
    for name in ("results", "ocr", "ingest"):
        watched.stack.kill(name)
    job = await client.ended(body["job_id"])
    assert ("completed", 3) == (job["status"], job["pages"]["done"]), job

    watched.stack.kill("nats")
    one = f"/api/v1/documents/{body['id']}"
    lost = await client.until(one, lambda answer: answer.status_code == 410)
    assert (410, "ephemeral_lost") == (kept_secret(lost).status_code, lost.json()["error"])
    again = await client.http.post(UPLOAD, **form)  # type: ignore[arg-type]  # by name
    assert (201, body["id"]) == (again.status_code, again.json()["id"]), again.text
    await client.until(one, lambda answer: answer.json().get("status") == "completed")

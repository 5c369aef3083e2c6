"""Zero-log requests at the gateway: who asks for it, what the services are told, what is remembered and answered."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from pagemesh.results.v1 import job_pb2
from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh

UPLOAD = "/api/v1/documents/upload"
PDF = b"%PDF-1.7 a document"
ASKED = {"x-zero-log": "true"}


async def upload(client: httpx.AsyncClient, headers: dict[str, str], **fields: str) -> httpx.Response:
    """An upload."""
    return await client.post(UPLOAD, files={"file": ("secret.pdf", PDF)}, data=fields, headers=headers)


def says_so(answer: httpx.Response) -> bool:
    """Whether the answer says that it is about zero-log work."""
    return (answer.headers.get("x-zero-log"), answer.headers.get("cache-control")) == ("true", "no-store")


@pytest.mark.parametrize(
    ("headers", "fields", "seconds"),
    [
        (ASKED, {}, 900),
        ({"x-zero-log": " TRUE "}, {}, 900),
        ({**ASKED, "x-zero-log-ttl": "60"}, {}, 60),
        (ASKED, {"ttl_seconds": "3600"}, 3600),
        ({**ASKED, "x-zero-log-ttl": "60"}, {"ttl_seconds": "70"}, 70),
    ],
)
async def test_an_upload_is_kept_for_as_long_as_it_says(
    mesh: Mesh, client: httpx.AsyncClient, headers: dict[str, str], fields: dict[str, str], seconds: int
) -> None:
    """Ingest is told, and the answer says so."""
    answer = await upload(client, headers, **fields)
    assert (201, True, True) == (answer.status_code, says_so(answer), answer.json()["zero_log"])
    assert seconds == mesh.ingest.configs[-1].zero_log.ttl_seconds
    assert answer.json()["expires_at"].endswith("Z")


@pytest.mark.parametrize("headers", [{}, {"x-zero-log": "false"}, {"x-zero-log": "0"}])
async def test_others_are_as_ever(mesh: Mesh, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Nothing says what is not so."""
    answer = await upload(client, headers)
    assert (201, False) == (answer.status_code, mesh.ingest.configs[-1].HasField("zero_log"))
    assert not {"zero_log", "expires_at"} & set(answer.json())
    assert "x-zero-log" not in answer.headers


async def test_an_organization_may_have_all_of_its_work_so(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Whatever the request says."""
    mesh.auth.zero_log = True
    for headers in ({}, {"x-zero-log": "false"}):
        answer = await upload(client, headers)
        assert (True, 900) == (says_so(answer), mesh.ingest.configs[-1].zero_log.ttl_seconds)


@pytest.mark.parametrize(
    ("headers", "fields", "field"),
    [
        ({"x-zero-log": "maybe"}, {}, "X-Zero-Log"),
        ({**ASKED, "x-zero-log-ttl": "59"}, {}, "X-Zero-Log-TTL"),
        ({**ASKED, "x-zero-log-ttl": "3601"}, {}, "X-Zero-Log-TTL"),
        ({**ASKED, "x-zero-log-ttl": "-60"}, {}, "X-Zero-Log-TTL"),
        ({**ASKED, "x-zero-log-ttl": "9" * 5000}, {}, "X-Zero-Log-TTL"),
        ({"x-zero-log-ttl": "60"}, {}, "X-Zero-Log-TTL"),
        (ASKED, {"ttl_seconds": "59"}, "ttl_seconds"),
        (ASKED, {"ttl_seconds": "soon"}, "ttl_seconds"),
        ({}, {"ttl_seconds": "60"}, "ttl_seconds"),
    ],
)
async def test_wishes_that_cannot_be_met_are_refused(
    mesh: Mesh, client: httpx.AsyncClient, headers: dict[str, str], fields: dict[str, str], field: str
) -> None:
    """Rather than kept where they must not be."""
    answer = await upload(client, headers, **fields)
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))
    assert {} == mesh.results.records.documents


async def test_an_error_says_so_too(client: httpx.AsyncClient) -> None:
    """Nobody is to store it."""
    answer = await client.post(UPLOAD, files={"file": ("a.pdf", b"no pdf")}, headers=ASKED)
    assert (400, True) == (answer.status_code, says_so(answer))


async def test_repeats_are_remembered_in_memory_until_the_end(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Answered as the first was, by what is forgotten before the document is; nothing goes to the lasting entries."""
    headers = {**ASKED, "idempotency-key": "k"}
    first = await upload(client, headers, ttl_seconds="60")
    again = await upload(client, headers, ttl_seconds="60")
    assert (first.content, "true", True) == (again.content, again.headers["idempotency-replayed"], says_so(again))
    assert (1, {}) == (len(mesh.ingest.configs), mesh.entries.entries)
    mesh.memory.later(61)
    [subject] = mesh.memory.entries
    assert subject.startswith("zlidempotency.")
    assert await mesh.memory.get(subject) is None


async def test_a_key_means_another_with_and_without(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """What one made never answers for the other."""
    lasting = await upload(client, {"idempotency-key": "k"})
    private = await upload(client, {**ASKED, "idempotency-key": "k"})
    assert lasting.json()["id"] != private.json()["id"]
    assert "idempotency-replayed" not in private.headers
    assert not any(b"secret" in entry.payload for entry, _ in mesh.entries.entries.values())


async def test_status_says_so_by_every_way(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Polled, warm, unchanged and as events."""
    body = (await upload(client, ASKED)).json()
    url = f"/api/v1/jobs/{body['job_id']}"
    answers = [await client.get(url, headers=headers) for headers in ({"prefer": "wait=0"}, {})]
    answers.append(await client.get(url, headers={"if-none-match": answers[0].headers["etag"]}))
    assert [(200, True), (200, True), (304, True)] == [(one.status_code, says_so(one)) for one in answers]
    assert (True, body["expires_at"]) == (answers[0].json()["zero_log"], answers[0].json()["expires_at"])
    job = job_pb2.Job()
    job.CopyFrom(mesh.results.records.jobs[body["job_id"]])
    job.state, job.revision = job_pb2.JOB_STATE_COMPLETED, 2
    mesh.tell(job)
    assert says_so(await client.get(f"{url}/events"))


async def test_documents_say_so(client: httpx.AsyncClient) -> None:
    """The document and its original."""
    body = (await upload(client, ASKED)).json()
    for path in ("", "/download"):
        answer = await client.get(f"/api/v1/documents/{body['id']}{path}")
        assert (200, True) == (answer.status_code, says_so(answer))
    assert "secret.pdf" == (await client.get(f"/api/v1/documents/{body['id']}")).json()["original_filename"]


async def test_an_analysis_of_a_zero_log_document_is_remembered_in_memory(
    mesh: Mesh, client: httpx.AsyncClient
) -> None:
    """Though the request does not ask for it; others' are remembered as ever."""
    asked = {"analysis_type": "custom", "prompt": "secret"}
    private = (await upload(client, ASKED)).json()["id"]
    answer = await client.post(f"/api/v1/documents/{private}/analyze", json=asked, headers={"idempotency-key": "k"})
    assert (202, 1, 0) == (answer.status_code, len(mesh.memory.entries), len(mesh.entries.entries))
    lasting = (await upload(client, {})).json()["id"]
    await client.post(f"/api/v1/documents/{lasting}/analyze", json=asked, headers={"idempotency-key": "k"})
    assert (1, 1) == (len(mesh.memory.entries), len(mesh.entries.entries))


@pytest.mark.parametrize("what", ["cancel", "retry"])
async def test_decisions_about_zero_log_jobs_are_remembered_in_memory(
    mesh: Mesh, client: httpx.AsyncClient, what: str
) -> None:
    """Their answers have what was asked; repeats say so too, and those about other jobs are remembered as ever."""
    for headers, remembered in ((ASKED, (1, 0)), ({}, (1, 1))):
        job = mesh.results.records.jobs[(await upload(client, headers)).json()["job_id"]]
        job.state = job_pb2.JOB_STATE_FAILED if what == "retry" else job_pb2.JOB_STATE_RUNNING
        answers = [
            await client.post(f"/api/v1/jobs/{job.id}/{what}", headers={"idempotency-key": "k"}) for _ in range(2)
        ]
        assert (202, answers[0].content, "true") == (
            *(answers[0].status_code, answers[1].content),
            answers[1].headers["idempotency-replayed"],
        )
        assert [bool(headers)] * 2 == [says_so(answer) for answer in answers]
        assert remembered == (len(mesh.memory.entries), len(mesh.entries.entries))


async def test_a_job_is_forgotten_at_its_end(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The gateway asks anew, and `results` says that it is over."""
    organization = organization_id()
    job = job_pb2.Job(id=organization_id(), organization_id=organization, state=job_pb2.JOB_STATE_COMPLETED)
    job.revision, job.zero_log = 1, True
    job.expires_at.FromMilliseconds(int(time.time() * 1_000) + 300)
    key, feed = (organization, job.id), mesh.gateway.feed
    feed.offer(job)
    feed.offer(job)
    assert feed.warm(key) is not None
    await asyncio.sleep(0.4)
    assert feed.warm(key) is None
    assert key not in feed._entries


async def test_the_api_document_tells_of_it(client: httpx.AsyncClient) -> None:
    """The headers where they count, and that what is over is 410."""
    paths: dict[str, Any] = json.loads((await client.get("/openapi.json")).content)["paths"]
    names = {one["name"] for one in paths[UPLOAD]["post"]["parameters"]}
    assert {"X-Zero-Log", "X-Zero-Log-TTL"} <= names
    assert {"X-Zero-Log", "X-Zero-Log-TTL"} <= {one["name"] for one in paths["/api/v1/runs"]["post"]["parameters"]}
    for one in ("jobs/{job_id}", "runs/{run_id}"):
        assert "410" in paths[f"/api/v1/{one}"]["get"]["responses"]

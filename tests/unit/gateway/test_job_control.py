"""Jobs stopped and tried again over HTTP, and when to come back for them."""

import uuid
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from pagemesh.results.v1 import job_pb2
from services.gateway import polling
from services.gateway.surfaces.platform import render, shapes
from tests.support.gateway_mesh import Mesh


async def made(client: httpx.AsyncClient, mesh: Mesh, **fields: Any) -> job_pb2.Job:
    """A job as it is recorded, with these fields."""
    uploaded = await client.post("/api/v1/documents/upload", files={"file": ("a.pdf", b"%PDF-1.7 a document")})
    job = mesh.results.records.jobs[uploaded.json()["job_id"]]
    for name, value in fields.items():
        setattr(job, name, value)
    job.revision += 1
    mesh.tell(job)
    return job


async def decide(client: httpx.AsyncClient, job_id: str, what: str, **headers: str) -> httpx.Response:
    """Asks to cancel or retry."""
    return await client.post(f"/api/v1/jobs/{job_id}/{what}", headers=headers)


async def test_a_job_is_cancelled(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """202 with the job and where it is; polls know it at once, and a second time is a conflict."""
    job = await made(client, mesh, state=job_pb2.JOB_STATE_RUNNING, pages_total=9, pages_done=2, pages_ocr=9)
    answer = await decide(client, job.id, "cancel")
    body = answer.json()
    TypeAdapter(shapes.Job).validate_python(body)
    assert (202, f"/api/v1/jobs/{job.id}", "1") == (
        answer.status_code,
        answer.headers["location"],
        answer.headers["retry-after"],
    )
    assert ("cancelled", [1, 2], 9, None) == (
        body["status"],
        body["result"]["pages_spent"],
        body["result"]["page_count"],
        body["error"],
    )
    polled = await client.get(f"/api/v1/jobs/{job.id}")
    assert (body, 0) == (polled.json(), mesh.results.calls["GetJob"])
    again = await decide(client, job.id, "cancel")
    assert (409, "illegal_state") == (again.status_code, again.json()["error"])


async def test_a_failed_job_is_tried_again(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """202 with the job, pending; any other is a conflict."""
    job = await made(client, mesh, state=job_pb2.JOB_STATE_FAILED, stage="failed")
    assert "failed" == (await client.get(f"/api/v1/jobs/{job.id}")).json()["status"]
    answer = await decide(client, job.id, "retry")
    assert (202, "pending", None) == (answer.status_code, answer.json()["status"], answer.json()["result"])
    assert "pending" == (await client.get(f"/api/v1/jobs/{job.id}")).json()["status"]
    assert 409 == (await decide(client, job.id, "retry")).status_code


@pytest.mark.parametrize("what", ["cancel", "retry"])
async def test_a_decision_with_a_key_is_made_once(mesh: Mesh, client: httpx.AsyncClient, what: str) -> None:
    """The first answer again, byte for byte; under another job's path the key is another one."""
    state = job_pb2.JOB_STATE_FAILED if what == "retry" else job_pb2.JOB_STATE_RUNNING
    job, other = await made(client, mesh, state=state), await made(client, mesh, state=state)
    first = await decide(client, job.id, what, **{"idempotency-key": "k"})
    again = await decide(client, job.id, what, **{"idempotency-key": "k"})
    assert (202, first.content, "true") == (again.status_code, again.content, again.headers["idempotency-replayed"])
    assert 202 == (await decide(client, other.id, what, **{"idempotency-key": "k"})).status_code


@pytest.mark.parametrize("what", ["cancel", "retry"])
async def test_what_is_anothers_is_not_there(mesh: Mesh, client: httpx.AsyncClient, what: str) -> None:
    """404 in the same words as for nothing, whatever its state; and rights are asked for first."""
    job = await made(client, mesh, state=job_pb2.JOB_STATE_FAILED)
    async with mesh.client(str(uuid.uuid4())) as stranger:
        answers = [await decide(stranger, name, what) for name in (job.id, str(uuid.uuid4()), "garbage")]
    assert [404] * 3 == [answer.status_code for answer in answers]
    assert answers[0].content == answers[1].content
    async with mesh.client(job.organization_id, scope="jobs.read documents.read") as reader:
        refused = await decide(reader, job.id, what)
    assert (403, "insufficient_scope") == (refused.status_code, refused.json()["error"])
    assert 'scope="documents.write"' in refused.headers["www-authenticate"]
    assert 405 == (await client.get(f"/api/v1/jobs/{job.id}/{what}")).status_code


def test_when_to_come_back() -> None:
    """When it is expected to be done, within bounds; by the pages where nobody expects anything; soon when it ended."""
    seconds = [polling.retry_seconds(left, 0, 0) for left in (1, 17, 500)]
    assert [1, 17, 30] == seconds
    guesses = [polling.retry_seconds(None, *left) for left in ((0, 0), (0, 10), (100, 10), (9999, 0))]
    assert guesses == sorted(guesses)
    assert (1, 30) == (guesses[0], guesses[-1])
    job = job_pb2.Job(pages_total=90, pages_ocr=90, state=job_pb2.JOB_STATE_RUNNING)
    assert 30 == render.retry_after(job)
    job.estimated_seconds_left = 4
    assert 4 == render.retry_after(job)
    job.ClearField("estimated_seconds_left")
    job.state = job_pb2.JOB_STATE_CANCELLED
    assert 1 == render.retry_after(job)


def test_estimates_are_told_as_they_were_made() -> None:
    """So that a body, and its ETag, change with the revision alone."""
    job = job_pb2.Job(state=job_pb2.JOB_STATE_RUNNING, progress=50)
    job.started_at.FromSeconds(1)
    job.updated_at.FromSeconds(100)
    assert render.job(job)["estimated_seconds_left"] is None
    job.estimated_seconds_left = 7
    assert (7, b'"estimated_seconds_left":7' in render.job_status(job).body) == (render.seconds_left(job), True)

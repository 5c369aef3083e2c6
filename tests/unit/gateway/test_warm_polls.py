"""Polls: the warm way answers exactly as the long way, and never what it should not."""

import asyncio
import json
import uuid

import httpx
import pytest

from pagemesh.results.v1 import job_pb2
from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh


def _running(organization: str, mesh: Mesh) -> job_pb2.Job:
    job = job_pb2.Job(id=str(uuid.uuid4()), type=job_pb2.JOB_TYPE_TEXT_EXTRACTION, state=job_pb2.JOB_STATE_RUNNING)
    job.stage, job.progress, job.pages_total = "reading", 40, 10
    return mesh.results.add(organization, job_pb2.Document(id=str(uuid.uuid4())), job)


def _later(job: job_pb2.Job, state: "job_pb2.JobState.ValueType", progress: int) -> job_pb2.Job:
    later = job_pb2.Job()
    later.CopyFrom(job)
    later.state, later.progress, later.revision = state, progress, job.revision + 1
    return later


_OF_THE_MOMENT = ("x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit")


def _comparable(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value if name not in _OF_THE_MOMENT else "" for name, value in answer.headers.items()}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize("known", [None, "same", "weak", "*", '"other"'])
@pytest.mark.parametrize("state", [job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_COMPLETED])
async def test_warm_equals_long(
    mesh: Mesh, client: httpx.AsyncClient, organization: str, known: str | None, state: "job_pb2.JobState.ValueType"
) -> None:
    """Status, body and headers of a warm answer are those of the long way, whatever the client has."""
    job = _running(organization, mesh)
    job.state = state
    path = f"/api/v1/jobs/{job.id}"
    etag = (await client.get(path)).headers["etag"]
    header = {"same": etag, "weak": f'"x", W/{etag}'}.get(known or "", known)
    headers = {"if-none-match": header} if header else {}
    asked = mesh.results.calls["GetJob"]
    warm = await client.get(path, headers=headers)
    long = await client.get(path, headers={**headers, "prefer": "nothing"})
    assert _comparable(long) == _comparable(warm)
    assert asked == mesh.results.calls["GetJob"]


async def test_warm_asks_nobody(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """A job that was told is polled without any call to `results`."""
    job = _running(organization, mesh)
    mesh.tell(_later(job, job_pb2.JOB_STATE_COMPLETED, 100))
    answers = [(await client.get(f"/api/v1/jobs/{job.id}")).json()["status"] for _ in range(5)]
    assert ["completed"] * 5 == answers
    assert 0 == mesh.results.calls["GetJob"]


async def test_other_organization(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A warm job of another organization is answered byte for byte as one that does not exist."""
    other = organization_id()
    job = _running(other, mesh)
    mesh.tell(job)
    async with mesh.client(other) as owner:
        assert 200 == (await owner.get(f"/api/v1/jobs/{job.id}")).status_code
    theirs, unknown = await client.get(f"/api/v1/jobs/{job.id}"), await client.get(f"/api/v1/jobs/{uuid.uuid4()}")
    assert 404 == theirs.status_code
    assert _comparable(unknown) == _comparable(theirs)


async def test_request_id(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """Both ways return the request's id, and a new one for an unusable one."""
    job = _running(organization, mesh)
    for path in (f"/api/v1/jobs/{job.id}", "/api/v1/jobs"):
        for _ in range(2):
            assert "my-id" == (await client.get(path, headers={"x-request-id": "my-id"})).headers["x-request-id"]
            replaced = (await client.get(path, headers={"x-request-id": "a b"})).headers["x-request-id"]
            assert 32 == len(replaced)


async def test_deleted(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """Jobs of a deleted document are gone at once, also when something of them is told late."""
    job = _running(organization, mesh)
    assert 200 == (await client.get(f"/api/v1/jobs/{job.id}")).status_code
    assert 204 == (await client.delete(f"/api/v1/documents/{job.document_id}")).status_code
    mesh.gateway.feed.on_message("", _later(job, job_pb2.JOB_STATE_COMPLETED, 100).SerializeToString())
    assert 404 == (await client.get(f"/api/v1/jobs/{job.id}")).status_code


async def test_expired_token(mesh: Mesh, organization: str) -> None:
    """A warm job is not shown for an expired token, though it was good for another."""
    job = _running(organization, mesh)
    mesh.tell(job)
    async with mesh.client() as client:
        token = mesh.auth.token(organization, expires_at=1)
        answer = await client.get(f"/api/v1/jobs/{job.id}", headers={"authorization": f"Bearer {token}"})
    assert 401 == answer.status_code
    assert 'Bearer realm="pagemesh", error="invalid_token"' == answer.headers["www-authenticate"]


async def test_wait(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """`Prefer: wait` holds through progress and answers when the state changes."""
    job = _running(organization, mesh)
    polling = asyncio.create_task(client.get(f"/api/v1/jobs/{job.id}", headers={"prefer": "respond-async, wait=30"}))
    await asyncio.sleep(0.05)
    mesh.tell(progressed := _later(job, job_pb2.JOB_STATE_RUNNING, 60))
    await asyncio.sleep(0.05)
    assert not polling.done()
    mesh.tell(_later(progressed, job_pb2.JOB_STATE_COMPLETED, 100))
    answer = await polling
    assert ("completed", "wait=30") == (answer.json()["status"], answer.headers["preference-applied"])
    assert "retry-after" not in answer.headers


async def test_wait_with_old_tag(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """A client whose entity tag is old is not kept waiting."""
    job = _running(organization, mesh)
    headers = {"prefer": "wait=60", "if-none-match": '"old"'}
    answer = await asyncio.wait_for(client.get(f"/api/v1/jobs/{job.id}", headers=headers), 5)
    assert (200, "wait=60") == (answer.status_code, answer.headers["preference-applied"])


async def test_wait_runs_out(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """When nothing changes in time, the job is answered as it is, or 304."""
    job = _running(organization, mesh)
    first = await client.get(f"/api/v1/jobs/{job.id}", headers={"prefer": "wait=0"})
    headers = {"prefer": "wait=1", "if-none-match": first.headers["etag"]}
    answer = await client.get(f"/api/v1/jobs/{job.id}", headers=headers)
    assert (304, b"", "wait=1") == (answer.status_code, answer.content, answer.headers["preference-applied"])


async def test_events(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """Server-sent events carry each change with its revision and end with the job."""
    job = _running(organization, mesh)
    following = asyncio.create_task(client.get(f"/api/v1/jobs/{job.id}/events"))
    await asyncio.sleep(0.1)
    mesh.tell(_later(job, job_pb2.JOB_STATE_COMPLETED, 100))
    retry, *events = (await following).text.strip().split("\n\n")
    assert "retry: 2000" == retry
    assert ["id: 1", "id: 2"] == [event.split("\n")[0] for event in events]
    data = [json.loads(event.partition("data: ")[2])["status"] for event in events]
    assert ["running", "completed"] == data


@pytest.mark.parametrize(
    ("seen", "expected"), [("1", ["id: 2"]), ("0", ["id: 2"]), ("9", ["id: 2"]), ("x", ["id: 2"]), ("2", [])]
)
async def test_resumed_events(
    mesh: Mesh, client: httpx.AsyncClient, organization: str, seen: str, expected: list[str]
) -> None:
    """What the client has is not sent again; whoever has the end is told not to come back, by 204."""
    job = _running(organization, mesh)
    mesh.tell(_later(job, job_pb2.JOB_STATE_COMPLETED, 100))
    resumed = await client.get(f"/api/v1/jobs/{job.id}/events", headers={"last-event-id": seen})
    assert (200 if expected else 204) == resumed.status_code
    assert expected == [line for line in resumed.text.split("\n") if line.startswith("id:")]


async def test_resumed_at_a_replica_that_is_behind(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """A gateway that has heard less than the client has asks before it sends anything older."""
    job = _running(organization, mesh)
    mesh.tell(job)
    newer = mesh.results.records.jobs[job.id] = _later(job, job_pb2.JOB_STATE_RUNNING, 60)
    headers = {"last-event-id": str(newer.revision)}
    following = asyncio.create_task(client.get(f"/api/v1/jobs/{job.id}/events", headers=headers))
    await asyncio.sleep(0.1)
    mesh.tell(_later(newer, job_pb2.JOB_STATE_COMPLETED, 100))
    assert ["id: 3"] == [line for line in (await following).text.split("\n") if line.startswith("id:")]


async def test_events_of_what_is_deleted(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """A stream ends when its document is deleted, and a long poll is answered as any other then."""
    job = _running(organization, mesh)
    following = asyncio.create_task(client.get(f"/api/v1/jobs/{job.id}/events"))
    waiting = asyncio.create_task(client.get(f"/api/v1/jobs/{job.id}", headers={"prefer": "wait=30"}))
    await asyncio.sleep(0.1)
    assert 204 == (await client.delete(f"/api/v1/documents/{job.document_id}")).status_code
    assert 200 == (await asyncio.wait_for(following, 5)).status_code
    gone = await asyncio.wait_for(waiting, 5)
    assert (404, "not_found") == (gone.status_code, gone.json()["error"])
    assert gone.headers["x-request-id"]

"""Keyed requests to two gateways of a whole stack, one of which dies on the way."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import nats
import psycopg
import pytest

from cli import nats as broker
from cli.background import Background
from cli.postgres import database_url
from tests.support.broker import eventually
from tests.support.client import ApiClient
from tests.support.documents import text_pdf
from tests.support.replicas import Replica, gateway_replica, originals

UPLOAD = "/api/v1/documents/upload"
_PDF = text_pdf(pages=1)
_LEASE_SECONDS = 2
_LEASE = {"PAGEMESH_IDEMPOTENCY_LEASE_SECONDS": str(_LEASE_SECONDS)}


@dataclass
class Uploads:
    """Somebody who uploads one file under one key."""

    client: ApiClient
    headers: dict[str, str] = field(default_factory=lambda: {"Idempotency-Key": uuid.uuid4().hex})
    content: bytes = _PDF

    async def to(self, replica: Replica, **fields: str) -> httpx.Response:
        """The upload, sent at once."""
        files = {"file": ("a.pdf", self.content)}
        return await self.client.http.post(f"{replica.url}{UPLOAD}", files=files, data=fields, headers=self.headers)

    async def patiently(self, replica: Replica) -> httpx.Response:
        """The upload, sent again for as long as it is said to be in progress."""
        while (answer := await self.to(replica)).status_code == 409:
            assert "request_in_progress" == answer.json()["error"]
            await asyncio.sleep(0.1)
        return answer

    async def slowly(self, replica: Replica, may_end: asyncio.Event) -> httpx.Response:
        """The upload, of which the end is sent when it may."""
        request = self.client.http.build_request("POST", UPLOAD, files={"file": ("a.pdf", self.content)})
        whole = request.read()

        async def pieces() -> AsyncIterator[bytes]:
            yield whole[: len(whole) // 2]
            await may_end.wait()
            yield whole[len(whole) // 2 :]

        headers = {**self.headers, "content-type": request.headers["content-type"]}
        return await self.client.http.post(f"{replica.url}{UPLOAD}", content=pieces(), headers=headers)

    async def made(self) -> tuple[int, int]:
        """How many documents and jobs there are."""
        documents, jobs = await self.client.get("/api/v1/documents"), await self.client.get("/api/v1/jobs")
        return documents["total"], jobs["total"]


@pytest.fixture(scope="module")
def replicas(stack: Background) -> Iterator[tuple[Replica, Replica]]:
    """Two gateways."""
    with gateway_replica(stack, **_LEASE) as one, gateway_replica(stack, **_LEASE) as other:
        yield one, other


@pytest.fixture
async def uploads(stack: Background) -> AsyncIterator[Uploads]:
    """Of an organization of their own."""
    client = await ApiClient(stack.url).register()
    yield Uploads(client)
    await client.close()


def told(answer: httpx.Response) -> tuple[int, bytes, list[str | None]]:
    """What a repeat tells as well."""
    headers = [answer.headers.get(name) for name in ("location", "retry-after", "content-type", "content-length")]
    return answer.status_code, answer.content, headers


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status_code, answer.json()["error"]


async def test_a_repeat_elsewhere(replicas: tuple[Replica, Replica], uploads: Uploads) -> None:
    """The other gateway gives the first answer again, and refuses another request under the key."""
    first = await uploads.to(replicas[0])
    assert 201 == first.status_code, first.text
    for replica in (*replicas, *replicas):
        again = await uploads.to(replica)
        assert (told(first), "true") == (told(again), again.headers["idempotency-replayed"])
        assert (422, "idempotency_key_reused") == code(await uploads.to(replica, mode="text"))
    await uploads.client.ended(first.json()["job_id"])
    assert told(first) == told(await uploads.to(replicas[1]))
    assert (1, 1) == await uploads.made()


async def test_an_analysis_under_the_same_key(replicas: tuple[Replica, Replica], uploads: Uploads) -> None:
    """Another endpoint is another request; a repeat of it elsewhere makes no second job."""
    document = (await uploads.to(replicas[0])).json()["id"]
    path, body = f"/api/v1/documents/{document}/analyze", {"analysis_type": "summary"}
    first, again = [
        await uploads.client.http.post(f"{replica.url}{path}", json=body, headers=uploads.headers)
        for replica in replicas
    ]
    assert (202, told(first), "true") == (first.status_code, told(again), again.headers["idempotency-replayed"])
    assert (1, 2) == await uploads.made()


async def test_while_the_first_is_sent_elsewhere(
    stack: Background, replicas: tuple[Replica, Replica], uploads: Uploads
) -> None:
    """An upload that takes longer than a lease is still running; then its answer is everybody's."""
    may_end = asyncio.Event()
    first = asyncio.create_task(uploads.slowly(replicas[0], may_end))

    await eventually(lambda: _is_claimed(stack, uploads))
    ends = time.monotonic() + 2 * _LEASE_SECONDS
    while time.monotonic() < ends:
        refused = await uploads.to(replicas[1])
        assert (409, "request_in_progress") == code(refused)
        await asyncio.sleep(int(refused.headers["retry-after"]) / 4)
    may_end.set()
    answer = await first
    assert (201, told(answer)) == (answer.status_code, told(await uploads.to(replicas[1])))
    assert (1, 1) == await uploads.made()


async def test_many_at_once(replicas: tuple[Replica, Replica], uploads: Uploads) -> None:
    """Of 50 over both gateways exactly one makes a document; the rest get its answer, or come back for it."""
    answers = await asyncio.gather(*(uploads.to(replica) for replica in replicas * 25))
    made = [answer for answer in answers if answer.status_code == 201]
    assert 1 == len({answer.content for answer in made})
    assert 1 == len([answer for answer in made if "idempotency-replayed" not in answer.headers])
    assert {(409, "request_in_progress")} >= {code(answer) for answer in answers if answer.status_code != 201}
    assert told(made[0]) == told(await uploads.to(replicas[0]))
    assert (1, 1) == await uploads.made()


async def test_another_organization(stack: Background, replicas: tuple[Replica, Replica], uploads: Uploads) -> None:
    """The same key and file of another organization make a document of its own."""
    stranger = await ApiClient(stack.url).register()
    theirs = Uploads(stranger, uploads.headers)
    answers = [await one.to(replica) for one in (uploads, theirs) for replica in replicas]
    assert [201] * 4 == [answer.status_code for answer in answers]
    assert [1, 1] == [(await one.made())[0] for one in (uploads, theirs)]
    assert 2 == len({answer.json()["id"] for answer in answers})
    await stranger.close()


async def test_forgotten_in_time(stack: Background, uploads: Uploads) -> None:
    """When its time is over, the key makes another document."""
    with gateway_replica(stack, PAGEMESH_IDEMPOTENCY_SECONDS="2") as replica:
        first = await uploads.to(replica)
        assert told(first) == told(await uploads.to(replica))

        async def forgotten() -> bool:
            return "idempotency-replayed" not in (await uploads.to(replica)).headers

        await eventually(forgotten)
    assert (2, 2) == await uploads.made()


async def test_a_broker_that_was_killed_remembers(
    stack: Background, replicas: tuple[Replica, Replica], uploads: Uploads
) -> None:
    """What was answered is answered again after the broker crashed."""
    first = await uploads.to(replicas[0])
    killed = stack.kill("nats")

    async def back() -> bool:
        again = await uploads.to(replicas[1])
        assert again.status_code in (201, 503), again.text
        return again.status_code == 201 and told(first) == told(again)

    await eventually(back)
    assert killed != stack.state.processes["nats"].pid
    assert (1, 1) == await uploads.made()


async def test_killed_between_acceptance_and_answer(
    stack: Background, replicas: tuple[Replica, Replica], uploads: Uploads
) -> None:
    """The gateway dies when the document is recorded and nobody knows: the repeat elsewhere tells of that very one."""
    known, results = originals(stack), stack.state.processes["results"].pid

    async def taken_in() -> bool:
        return bool(originals(stack) - known)

    async def recorded() -> bool:
        return _is_recorded(stack, originals(stack) - known)

    with gateway_replica(stack, **_LEASE) as doomed:
        os.kill(results, signal.SIGSTOP)
        try:
            lost = asyncio.create_task(uploads.to(doomed))
            await eventually(taken_in)  # ingest has all that the gateway has to give
            doomed.signal(signal.SIGSTOP)
        finally:
            os.kill(results, signal.SIGCONT)
        await eventually(recorded)
        doomed.signal(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await lost
    killed = time.monotonic()
    answer = await uploads.patiently(replicas[1])
    assert time.monotonic() - killed < _LEASE_SECONDS + 3
    assert (201, False) == (answer.status_code, "idempotency-replayed" in answer.headers)
    assert told(answer) == told(await uploads.to(replicas[1]))
    assert "completed" == (await uploads.client.ended(answer.json()["job_id"]))["status"]
    assert (1, 1) == await uploads.made()


async def _is_claimed(stack: Background, uploads: Uploads) -> bool:
    """Whether somebody has begun with the upload."""
    organization = (await uploads.client.get("/api/v1/organizations/me"))["id"]
    connection = await nats.connect(broker.url(stack.state.ports["nats"], stack.layout.secret("nats")))
    info = await connection.jetstream().stream_info("IDEMPOTENCY", subjects_filter=f"idempotency.{organization}.>")
    await connection.close()
    return bool(info.state.subjects)


def _is_recorded(stack: Background, files: set[Path]) -> bool:
    """Whether a document of one of the files is committed."""
    url = database_url(Path(stack.state.sockets["postgres"]), "postgres").replace("+psycopg", "")
    keys = [str(file.relative_to(stack.layout.blobs)) for file in files]
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM results.documents WHERE storage_key = ANY(%s)", [keys])
        return bool((found.fetchone() or (0,))[0])

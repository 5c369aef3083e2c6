"""Live connections through the real server: what is told, to whom, and what a client may not do."""

import asyncio
import json
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from cli.ports import LOOPBACK
from pagemesh.auth.v1 import auth_pb2
from pagemesh.auth.v1.events_pb2 import IDENTITY_EVENT_KIND_SESSION_ENDED, IdentityEvent
from pagemesh.results.v1 import job_pb2
from services.gateway.live import hub as hubs
from tests.support.gateway_auth import FOREVER
from tests.support.gateway_mesh import Mesh, running_mesh
from tests.support.live import BOTH, Json, Person, Served, ask, closed_with, following, heard, later, served

COMPLETED, CANCELLED = job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_CANCELLED


@pytest.fixture
async def server(mesh: Mesh) -> AsyncIterator[Served]:
    async with served(mesh) as running:
        yield running


@pytest.fixture
def ada(mesh: Mesh) -> Person:
    return Person(mesh)


async def test_updates(mesh: Mesh, server: Served, ada: Person) -> None:
    """A job's changes come as they happen, its document's only when the document's own state changes."""
    job = ada.job()
    async with following(server, ada) as ws:
        mesh.tell(job)
        assert ("job_update", 10) == _progress(await heard(ws))
        document = {"document_id": job.document_id, "status": "processing", "page_count": 4}
        assert {"type": "document_update", "data": document} == await heard(ws)
        mesh.tell(progressed := later(job, 60))
        assert ("job_update", 60) == _progress(await heard(ws))
        mesh.tell(later(progressed, 100, COMPLETED))
        data: Json = {"job_id": job.id, "document_id": job.document_id, "status": "completed"}
        data |= {"progress": 100, "stage": "completed"}
        assert {"type": "job_update", "data": data} == await heard(ws)
        assert {"type": "document_update", "data": {**document, "status": "completed"}} == await heard(ws)


async def test_done_at_once(mesh: Mesh, server: Served, ada: Person) -> None:
    """A job that is done within the time that updates are gathered is one message a channel, before what follows."""
    async with following(server, ada) as ws:
        mesh.tell(job := ada.job())
        mesh.tell(progressed := later(job, 60))
        mesh.tell(later(progressed, 100, COMPLETED))
        answers = [await ask(ws, {"type": "ping"}), await heard(ws), await heard(ws)]
    assert ["job_update", "document_update", "pong"] == [answer["type"] for answer in answers]
    assert ["completed", "completed"] == [answer["data"]["status"] for answer in answers[:2]]


async def test_said_meanwhile(mesh: Mesh, server: Served, ada: Person) -> None:
    """Whoever says something while updates are gathered is told each of them once, in order, and so are others."""
    async with following(server, ada) as asks, following(server, ada) as listens:
        mesh.tell(job := ada.job())
        early = [await ask(asks, {"type": "ping"}), await heard(asks), await heard(asks)]
        mesh.tell(later(job, 60))
        assert ["job_update", "document_update", "pong"] == [answer["type"] for answer in early]
        assert ("job_update", 60) == _progress(await heard(asks))
        told = [await heard(listens)]
        while told[-1]["data"].get("progress") != 60:
            told.append(await heard(listens))
    kinds = [message["type"] for message in told]
    assert (1, "job_update") == (kinds.count("document_update"), kinds[-1])
    assert kinds[:-1] in (["document_update"], ["job_update", "document_update"])


async def test_channels(mesh: Mesh, server: Served, ada: Person) -> None:
    """Only what is subscribed comes; unsubscribing stops it."""
    async with connect(server.url(ada.user_id, ada.token())) as ws:
        mesh.tell(ada.job())
        subscribed = await ask(ws, {"type": "subscribe", "channels": ["document_updates"]})
        assert {"type": "subscribed", "channels": ["document_updates"]} == subscribed
        mesh.tell(job := ada.job())
        assert "document_update" == (await heard(ws))["type"]
        both = await ask(ws, {"type": "subscribe", "channels": ["job_updates"]})
        assert {"type": "subscribed", "channels": BOTH} == both
        left = await ask(ws, {"type": "unsubscribe", "channels": ["document_updates"]})
        assert {"type": "unsubscribed", "channels": ["document_updates"], "subscribed": ["job_updates"]} == left
        mesh.tell(later(job, 100, COMPLETED))
        assert ("job_update", 100) == _progress(await heard(ws))
        assert {"type": "pong"} == await ask(ws, {"type": "ping"})


async def test_others(mesh: Mesh, server: Served, ada: Person) -> None:
    """Jobs of others are not told: neither of the same organization nor of the same user id in another one."""
    colleague = Person(mesh, ada.organization)
    namesake = Person(mesh, sub=ada.user_id)
    namesake.user_id = ada.user_id
    async with following(server, ada) as ws:
        mesh.tell(colleague.job())
        mesh.tell(namesake.job())
        assert {"type": "pong"} == await ask(ws, {"type": "ping"})


async def test_ways_to_bring_a_token(server: Served, ada: Person) -> None:
    """By query, header or subprotocol, under either path, the id in any case."""
    token, url = ada.token(), server.url(ada.user_id)
    bearer = {"Authorization": f"Bearer {token}"}
    shouted = url.replace(ada.user_id, ada.user_id.upper())
    async with connect(shouted, additional_headers=bearer) as one:
        assert {"type": "pong"} == await ask(one, {"type": "ping"})
    async with connect(url.replace("/api/v1", ""), subprotocols=[Subprotocol("bearer"), Subprotocol(token)]) as two:
        assert "bearer" == two.subprotocol
        assert {"type": "pong"} == await ask(two, {"type": "ping"})
    async with connect(url, subprotocols=[Subprotocol(token)]) as three:
        assert token == three.subprotocol
        assert {"type": "pong"} == await ask(three, {"type": "ping"})
        assert three.response is not None
        headers = three.response.headers
        assert {"x-request-id", "api-version", "x-ratelimit-remaining"} <= {name.lower() for name in headers}


async def test_refused(mesh: Mesh, server: Served, ada: Person) -> None:
    """No, a wrong or an expired token is 4401; another user's id, whoever asks, 4403."""
    other = Person(mesh, ada.organization)
    refused = {
        server.url(ada.user_id): 4401,
        server.url(ada.user_id, "garbage"): 4401,
        server.url(ada.user_id, ada.token(expires_at=1)): 4401,
        server.url(other.user_id, ada.token()): 4403,
        server.url("me", ada.token()): 4403,
        server.url(ada.user_id + "%00", ada.token()): 4403,
    }
    for url, code in refused.items():
        async with connect(url) as ws:
            assert code == await closed_with(ws)


async def test_no_such_place(server: Served, ada: Person) -> None:
    """Elsewhere there are no WebSockets, and here nothing else."""
    for path in ("/ws", "/api/v1/jobs", f"/ws/{ada.user_id}/more"):
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"ws://127.0.0.1:{server.port}{path}"):
                pass
        assert 404 == caught.value.response.status_code
        assert "not_found" == json.loads(caught.value.response.body)["error"]
    async with httpx.AsyncClient(base_url=server.http) as client:
        plain = await client.get(f"/api/v1/ws/{ada.user_id}")
        posted = await client.post(f"/ws/{ada.user_id}")
    assert (426, "websocket", "upgrade_required") == (
        plain.status_code,
        plain.headers["upgrade"],
        plain.json()["error"],
    )
    assert (405, "GET") == (posted.status_code, posted.headers["allow"])


async def test_garbage(server: Served, ada: Person) -> None:
    """What cannot be understood is answered with an error and leaves the connection as it was."""
    async with following(server, ada) as ws:
        for bad in ("{", "[]", b"\x00\x01", '{"type": "subscribe", "channels": ["x"]}', "a" * 200_000):
            await ws.send(bad)
            assert "error" == (await heard(ws))["type"]
        assert {"type": "subscribed", "channels": BOTH} == await ask(ws, {"type": "subscribe", "channels": []})


async def test_beyond_the_bound(server: Served, ada: Person) -> None:
    """A message that is too large to be taken in, or of too many fragments, ends the connection."""
    async with following(server, ada) as ws:
        await ws.send("a" * ((1 << 20) + 1))
        assert 1009 == await closed_with(ws)
    async with following(server, ada) as ws:
        with suppress(ConnectionClosed):  # the server may hang up before all is sent
            await ws.send([""] * 2_000)
        assert 1009 == await closed_with(ws)


async def test_flood(mesh: Mesh, server: Served, ada: Person) -> None:
    """Whoever says too much is read no faster than is allowed; others notice nothing."""
    async with following(server, ada) as flooding, following(server, ada) as other:
        started = time.monotonic()
        for _ in range(1_300):
            await flooding.send('{"type": "ping"}')
        mesh.tell(ada.job())
        assert "job_update" == (await heard(other, 1))["type"]
        answers = [(await heard(flooding))["type"] for _ in range(1_302)]
    assert time.monotonic() - started > 1
    assert 1_300 == answers.count("pong")


async def test_scopes(mesh: Mesh, server: Served) -> None:
    """A token with a list of scopes is told what they allow."""
    reader = Person(mesh, scope="jobs.read")
    async with connect(server.url(reader.user_id, reader.token())) as ws:
        assert "insufficient_scope" == (await ask(ws, {"type": "subscribe", "channels": BOTH}))["error"]
        answer = await ask(ws, {"type": "subscribe", "channels": ["job_updates"]})
        assert {"type": "subscribed", "channels": ["job_updates"]} == answer


async def test_revoked(mesh: Mesh, server: Served, ada: Person) -> None:
    """Logging out closes the session's connections within a second, and no other's."""
    other = Person(mesh, ada.organization)
    async with following(server, ada) as ws, following(server, other) as stays:
        event = IdentityEvent(kind=IDENTITY_EVENT_KIND_SESSION_ENDED, subject_id=ada.session_id)
        event.expires_at.FromSeconds(FOREVER)
        mesh.gateway.revocations.learn(event)
        assert 4401 == await closed_with(ws, 1)
        assert {"type": "pong"} == await ask(stays, {"type": "ping"})


async def test_held_requests_of_the_revoked(mesh: Mesh, server: Served, ada: Person) -> None:
    """A held poll is answered 401 within a second after logging out, and an event stream ends."""
    path, headers = f"/api/v1/jobs/{ada.job().id}", {"authorization": f"Bearer {ada.token()}"}
    async with httpx.AsyncClient(base_url=server.http, headers=headers) as client:
        held = asyncio.create_task(client.get(path, headers={"prefer": "wait=30"}))
        stream = asyncio.create_task(client.get(f"{path}/events"))
        await asyncio.sleep(0.3)
        event = IdentityEvent(kind=IDENTITY_EVENT_KIND_SESSION_ENDED, subject_id=ada.session_id)
        event.expires_at.FromSeconds(FOREVER)
        mesh.gateway.revocations.learn(event)
        async with asyncio.timeout(2):
            poll, events = await asyncio.gather(held, stream)
    assert (401, 200) == (poll.status_code, events.status_code)
    assert "www-authenticate" in poll.headers


async def test_held_requests_of_api_keys(mesh: Mesh, server: Served, ada: Person) -> None:
    """When the token behind an API key ends, which its owner knows nothing of, a held poll is answered as it is."""
    ada.claims["key"] = "an-api-key"
    path, headers = f"/api/v1/jobs/{ada.job().id}", {"authorization": f"Bearer {ada.token(int(time.time()) + 2)}"}
    async with httpx.AsyncClient(base_url=server.http, headers=headers) as client:
        started = time.monotonic()
        poll = await client.get(path, headers={"prefer": "wait=30"})
    assert (200, "running") == (poll.status_code, poll.json()["status"])
    assert time.monotonic() - started < 5


async def test_expired(mesh: Mesh, server: Served, ada: Person) -> None:
    """A token that expires closes the connection then."""
    expires = int(time.time()) + 2
    async with connect(server.url(ada.user_id, ada.token(expires))) as ws:
        assert 4401 == await closed_with(ws)
    assert 0 <= time.time() - expires < 1


async def test_deleted(mesh: Mesh, server: Served, ada: Person) -> None:
    """A job whose document is deleted is told as cancelled, once."""
    job = ada.job()
    async with following(server, ada, ["job_updates"]) as ws:
        mesh.tell(job)
        await heard(ws)
        for _ in range(2):
            mesh.gateway.feed.on_message(f"status.{ada.organization}.{job.id}", b"")
        assert "cancelled" == (await heard(ws))["data"]["status"]
        assert {"type": "pong"} == await ask(ws, {"type": "ping"})


async def test_lost_word(mesh: Mesh, server: Served, ada: Person) -> None:
    """What was told while the broker was away is asked for as soon as it is back."""
    job = ada.job()
    async with following(server, ada, ["job_updates"]) as ws:
        mesh.tell(job)
        await heard(ws)
        mesh.results.records.jobs[job.id] = later(job, 100, COMPLETED)
        await mesh.gateway.feed.forget_unfinished()
        assert ("job_update", 100) == _progress(await heard(ws, 2))


async def test_unheard(mesh: Mesh, server: Served, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of which nothing was heard for long is asked for, since a message may get lost."""
    monkeypatch.setattr(hubs, "UNHEARD_SECONDS", 0.2)
    monkeypatch.setattr("services.gateway.feed.UNFINISHED_SECONDS", 0.1)
    job = ada.job()
    async with following(server, ada, ["job_updates"]) as ws:
        mesh.tell(job)
        await heard(ws)
        mesh.results.records.jobs[job.id] = later(job, 100, COMPLETED)
        assert ("job_update", 100) == _progress(await heard(ws, 3))


async def test_slow_reader(mesh: Mesh, server: Served, ada: Person) -> None:
    """Whoever does not read misses progress and no end, while others are told everything at once."""
    jobs = [ada.job() for _ in range(400)]
    async with _not_reading(server, ada) as slow, following(server, ada, ["job_updates"]) as quick:
        for _ in range(50):
            jobs = [_told(mesh, later(job, job.progress + 1)) for job in jobs]
            await asyncio.sleep(0.01)
        ends = {_told(mesh, later(job, 100, COMPLETED)).id for job in jobs}
        _, heard_by_quick = await _ends(quick, len(ends))
        slow.transport.resume_reading()
        ended, heard_by_slow = await _ends(slow, len(ends))
    assert ends == ended
    assert heard_by_slow < heard_by_quick


async def test_too_slow(mesh: Mesh, server: Served, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not read for so long that ends would have to be dropped is sent away, and others stay."""
    monkeypatch.setattr("services.gateway.live.outbox.CAPACITY", 300)
    async with _not_reading(server, ada) as slow, following(server, ada, ["job_updates"]) as quick:
        for _ in range(12):
            for _ in range(200):
                mesh.tell(ada.job(COMPLETED))
            await _ends(quick, 200)
        await asyncio.sleep(1)
        assert 1 == len(mesh.gateway.live.readers)
        slow.transport.abort()


async def test_dead_peer(mesh: Mesh, ada: Person) -> None:
    """A client that does not answer pings is dropped."""
    async with served(mesh, live_ping_seconds=0.2, live_pong_seconds=0.3) as server, following(server, ada) as ws:
        await asyncio.sleep(1)
        assert {"type": "pong"} == await ask(ws, {"type": "ping"})
        ws.transport.pause_reading()
        await asyncio.sleep(1)
        assert not mesh.gateway.live.readers
        ws.transport.abort()


async def test_stop(mesh: Mesh, server: Served, ada: Person) -> None:
    """A gateway that stops sends everybody away at once, whoever reads or not."""
    async with following(server, ada) as reads, _not_reading(server, ada) as silent:
        for _ in range(1_000):
            mesh.tell(ada.job(COMPLETED))
        started = time.monotonic()
        server.stop.set()
        assert 1012 == await closed_with(reads)
        assert time.monotonic() - started < 1
        await server.ended.wait()
        assert time.monotonic() - started < 2.5
        silent.transport.abort()


async def test_too_many() -> None:
    """A user may have so many connections and no more; one that goes makes room."""
    async with _another(live_readers_per_user=2) as (server, ada), following(server, ada):
        async with following(server, ada), connect(server.url(ada.user_id, ada.token())) as third:
            assert 4429 == await closed_with(third)
        await asyncio.sleep(0.1)
        async with following(server, ada):
            pass


async def test_limits(mesh: Mesh, server: Served, ada: Person) -> None:
    """Connecting counts as one request."""
    mesh.auth.rate_limits = auth_pb2.RateLimits(per_minute=1)
    async with following(server, ada):
        pass
    async with connect(server.url(ada.user_id, ada.token())) as ws:
        assert 4429 == await closed_with(ws)


@pytest.mark.parametrize(("origin", "status"), [("https://app.example", 101), ("https://evil.example", 403)])
async def test_origins(origin: str, status: int) -> None:
    """In production pages of foreign origins are refused before anything is looked at."""
    async with _another(environment="production", cors_origins="https://app.example") as (server, ada):
        try:
            async with connect(server.url(ada.user_id, ada.token()), origin=Origin(origin)) as ws:
                assert ws.response is not None
                answered = ws.response.status_code
        except InvalidStatus as refused:
            answered = refused.response.status_code
    assert status == answered


@asynccontextmanager
async def _another(**settings: Any) -> AsyncIterator[tuple[Served, Person]]:
    """A gateway with settings of its own, and somebody of it."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory), **settings) as mesh, served(mesh) as server:
            yield server, Person(mesh)


@asynccontextmanager
async def _not_reading(server: Served, person: Person) -> AsyncIterator[ClientConnection]:
    """A subscribed connection that has stopped to read, and whose system takes in little."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    opened.connect((LOOPBACK, server.port))
    async with connect(server.url(person.user_id, person.token()), sock=opened) as silent:
        await ask(silent, {"type": "subscribe", "channels": ["job_updates"]})
        silent.transport.pause_reading()
        yield silent


async def _ends(connection: ClientConnection, count: int) -> tuple[set[str], int]:
    """The jobs of so many ends, and how many messages came until then."""
    ended: set[str] = set()
    messages = 0
    while len(ended) < count:
        data = (await heard(connection))["data"]
        messages += 1
        if data["status"] == "completed":
            ended.add(data["job_id"])
    return ended, messages


def _progress(message: dict[str, object]) -> tuple[object, object]:
    data = message["data"]
    assert isinstance(data, dict)
    return message["type"], data["progress"]


def _told(mesh: Mesh, job: job_pb2.Job) -> job_pb2.Job:
    mesh.tell(job)
    return job

"""Live updates by a whole stack with two gateways: from an upload to its end, and what ends connections."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.asyncio.client import ClientConnection, connect

from cli.background import Background
from tests.support.client import ApiClient
from tests.support.documents import text_pdf
from tests.support.live import BOTH, Json, ask, closed_with, heard
from tests.support.replicas import Replica, gateway_replica


@pytest.fixture(scope="module")
def other(stack: Background) -> Iterator[Replica]:
    """Another gateway of the stack."""
    with gateway_replica(stack) as replica:
        yield replica


@pytest.fixture
async def ada(stack: Background) -> AsyncIterator[ApiClient]:
    client = await ApiClient(stack.url).register()
    yield client
    await client.close()


async def _connected(url: str, client: ApiClient, credential: str = "") -> ClientConnection:
    socket = await connect(_url(url, await _user_id(client), credential or _token(client)))
    assert "subscribed" == (await ask(socket, {"type": "subscribe", "channels": BOTH}))["type"]
    return socket


async def _until_completed(socket: ClientConnection) -> list[Json]:
    """All updates until a job and its document have ended."""
    ended: set[str] = set()
    messages: list[Json] = []
    while len(ended) < 2:
        messages.append(await heard(socket, 60))
        if messages[-1]["data"]["status"] == "completed":
            ended.add(messages[-1]["type"])
    return messages


async def test_upload_to_end(stack: Background, other: Replica, ada: ApiClient) -> None:
    """Whoever is connected, to whichever gateway, with a token or an API key, sees progress grow until the end."""
    key = (await ada.http.post("/api/v1/api-keys", json={"name": "live"})).json()["key"]
    here, there = await _connected(stack.url, ada), await _connected(other.url, ada, key)
    uploaded = (await ada.upload("a.pdf", text_pdf(pages=40))).json()
    for socket in (here, there):
        messages = await _until_completed(socket)
        jobs = [message["data"] for message in messages if message["type"] == "job_update"]
        documents = [message["data"] for message in messages if message["type"] == "document_update"]
        progress = [job["progress"] for job in jobs]
        assert progress == sorted(progress)
        assert {uploaded["job_id"]} == {job["job_id"] for job in jobs}
        assert {"document_id": uploaded["id"], "status": "completed", "page_count": 40} == documents[-1]
    stranger = await ApiClient(stack.url).register()
    foreign = await connect(_url(stack.url, await _user_id(ada), _token(stranger)))
    assert 4403 == await closed_with(foreign)
    await stranger.close()
    await here.close()
    await there.close()


async def test_logging_out(stack: Background, other: Replica, ada: ApiClient) -> None:
    """A session that ends at one gateway closes its connections at both within a second; so does a revoked key."""
    made = (await ada.http.post("/api/v1/api-keys", json={"name": "live"})).json()
    sockets = [await _connected(url, ada) for url in (stack.url, other.url)]
    keyed = await _connected(other.url, ada, made["key"])
    started = time.monotonic()
    assert 204 == (await ada.http.delete(f"/api/v1/api-keys/{made['id']}")).status_code
    assert 4401 == await closed_with(keyed)
    assert time.monotonic() - started < 2
    started = time.monotonic()
    assert 204 == (await ada.http.post("/api/v1/auth/logout")).status_code
    assert [4401, 4401] == await asyncio.gather(*map(closed_with, sockets))
    assert time.monotonic() - started < 2


async def test_a_gateway_stops(stack: Background, ada: ApiClient) -> None:
    """Everybody is sent away at once, and goes on elsewhere without hearing anything twice."""
    uploaded = (await ada.upload("a.pdf", text_pdf(pages=1))).json()
    job = await ada.ended(uploaded["job_id"])
    path = f"/api/v1/jobs/{job['id']}/events"
    with gateway_replica(stack) as leaving:
        socket = await _connected(leaving.url, ada)
        events = await ada.http.get(f"{leaving.url}{path}")
        last = [line.removeprefix("id: ") for line in events.text.split("\n") if line.startswith("id: ")][-1]
        started = time.monotonic()
        leaving.signal(signal.SIGTERM)
        assert 1012 == await closed_with(socket)
        assert time.monotonic() - started < 2
    resumed = await ada.http.get(path, headers={"last-event-id": last})
    assert (204, "") == (resumed.status_code, resumed.text)
    before = await ada.http.get(path, headers={"last-event-id": "0"})
    assert "completed" == json.loads(before.text.split("data: ")[-1])["status"]


def _url(gateway: str, user_id: str, token: str) -> str:
    return f"{gateway.replace('http', 'ws')}/ws/{user_id}?token={token}"


def _token(client: ApiClient) -> str:
    return str(client.http.headers["authorization"]).removeprefix("Bearer ")


async def _user_id(client: ApiClient) -> str:
    return str((await client.get("/api/v1/users/me"))["id"])

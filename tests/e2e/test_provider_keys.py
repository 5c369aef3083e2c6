"""Users' own provider keys on a whole stack: where they go, and that they are nowhere else."""

import base64
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
import pytest

from cli.background import NO_LIMITS, Background, background_stack
from tests.support.broker import eventually
from tests.support.client import ApiClient
from tests.support.documents import text_pdf
from tests.support.llm_server import Fail, LlmServer

_PDF = text_pdf(pages=1)
_MASKED = "sk-ant-api03-***"
_API = "/api/v1"


@dataclass
class Spans:
    """What services export, as bytes."""

    exported: list[bytes] = field(default_factory=list)

    @contextmanager
    def collecting(self) -> Iterator[str]:
        """Where to export to."""
        server = grpc.server(futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((self._handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(0)

    def _handler(self) -> Any:
        def export(request: bytes, context: object) -> bytes:
            self.exported.append(request)
            return b""

        method: Any = grpc.unary_unary_rpc_method_handler(export)
        name = "opentelemetry.proto.collector.trace.v1.TraceService"
        return grpc.method_handlers_generic_handler(name, {"Export": method})


@dataclass
class Place:
    """A stack, the provider that its users' keys go to, and everything that anybody was told."""

    stack: Background
    llm: LlmServer
    spans: Spans
    answers: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def person(self) -> AsyncIterator[ApiClient]:
        """Somebody whose answers are kept."""
        client = ApiClient(self.stack.url)
        client.http.event_hooks = {"response": [self._keep]}
        yield await client.register()
        await client.close()

    async def _keep(self, response: httpx.Response) -> None:
        await response.aread()
        self.answers.append(str(response.headers).encode() + response.content)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Everything, with logs as talkative as they can be."""
    spans = Spans()
    with LlmServer() as llm, spans.collecting() as endpoint, tempfile.TemporaryDirectory(prefix="pm") as directory:
        environ = {
            "PAGEMESH_USER_KEY_BASES": json.dumps({"anthropic": llm.anthropic_url, "openai": llm.url}),
            "PAGEMESH_LLM_MAX_ATTEMPTS": "2",
            "PAGEMESH_LOG_LEVEL": "DEBUG",
            "PAGEMESH_OTLP_ENDPOINT": endpoint,
        }
        with background_stack(Path(directory) / "data", {**NO_LIMITS, **environ}, quiet=True) as stack:
            yield Place(stack, llm, spans)


@pytest.fixture
async def ada(place: Place) -> AsyncIterator[ApiClient]:
    """Somebody."""
    async with place.person() as client:
        yield client


@pytest.fixture
async def bob(place: Place) -> AsyncIterator[ApiClient]:
    """Somebody of another organization."""
    async with place.person() as client:
        yield client


def canary(prefix: str) -> str:
    """A key that there is nowhere else."""
    return f"{prefix}{secrets.token_hex(24)}"


async def read(client: ApiClient) -> str:
    """A document that was read; its id."""
    uploaded = (await client.upload("report.pdf", _PDF)).json()
    assert "completed" == (await client.ended(uploaded["job_id"]))["status"]
    return str(uploaded["id"])


async def analyze(client: ApiClient, document_id: str, **options: str) -> dict[str, Any]:
    """The job of an analysis, when it has ended."""
    body = {"analysis_type": "summary", "options": options}
    accepted = await client.http.post(f"{_API}/documents/{document_id}/analyze", json=body)
    assert 202 == accepted.status_code, accepted.text
    return await client.ended(accepted.json()["job_id"])


async def model_of(client: ApiClient, document_id: str) -> str:
    """Who made the newest analysis."""
    return str((await client.get(f"{_API}/documents/{document_id}/analysis"))["analyses"][0]["model_version"])


async def test_the_provider_sees_exactly_the_users_key(place: Place, ada: ApiClient, bob: ApiClient) -> None:
    """Each user's own, in the header where the provider wants it; without one nothing is sent."""
    mine, other = canary("sk-ant-api03-"), canary("sk-proj-")
    stored = await ada.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": mine})
    assert (200, _MASKED) == (stored.status_code, stored.json()["masked_key"])
    await bob.http.put(f"{_API}/users/me/provider-keys/openai", json={"api_key": other})
    document, of_bob = await read(ada), await read(bob)
    place.llm.keys.clear()
    assert "completed" == (await analyze(ada, document))["status"]
    assert "anthropic/claude-sonnet-5" == await model_of(ada, document)
    assert "completed" == (await analyze(bob, of_bob))["status"]
    assert [mine, f"Bearer {other}"] == place.llm.keys
    await ada.http.delete(f"{_API}/users/me/api-key")
    assert "completed" == (await analyze(ada, document))["status"]
    assert (2, "pagemesh-local") == (len(place.llm.keys), (await model_of(ada, document)).split()[0])


async def test_an_analysis_of_an_upload_uses_the_key_too(place: Place, ada: ApiClient) -> None:
    """Of the user who sent the document."""
    mine = canary("sk-ant-api03-")
    await ada.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": mine})
    place.llm.keys.clear()
    uploaded = (await ada.upload("report.pdf", _PDF, analysis_type="key_value_extraction")).json()
    assert ("completed", [mine]) == ((await ada.ended(uploaded["job_id"]))["status"], place.llm.keys)


async def test_a_refused_key_fails_the_analysis_and_nothing_else(place: Place, ada: ApiClient) -> None:
    """Under its own code, after one try; with another key the next one works."""
    document = await read(ada)
    await ada.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": canary("sk-ant-api03-")})
    place.llm.plan, place.llm.keys = [Fail(401, echo_key=True)], []
    job = await analyze(ada, document)
    assert ("failed", "provider_rejected_user_key", 1) == (job["status"], job["error"]["code"], len(place.llm.keys))
    assert "completed" == (await ada.get(f"{_API}/documents/{document}"))["status"]
    await ada.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": canary("sk-ant-api03-")})
    assert "completed" == (await analyze(ada, document))["status"]


def rotate(stack: Background) -> dict[str, Any]:
    """What the command says."""
    command = ["-m", "cli.main", "admin", "rotate-master-key", "--yes", "--json", "--data", str(stack.layout.root)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


async def test_the_master_key_is_replaced_beside_the_running_stack(place: Place, ada: ApiClient) -> None:
    """`auth` follows without a restart: the key opens, sessions go on, and another key can be stored."""
    mine = canary("sk-ant-api03-")
    await ada.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": mine})
    document, before = await read(ada), place.stack.layout.master_key().read_text()
    process = place.stack.state.processes["auth"].pid
    assert rotate(place.stack)["provider_keys"] >= 1
    assert before != place.stack.layout.master_key().read_text()
    place.llm.keys.clear()
    assert "completed" == (await analyze(ada, document))["status"]
    await ada.http.put(f"{_API}/users/me/provider-keys/openai", json={"api_key": canary("sk-proj-")})
    assert "completed" == (await analyze(ada, document, model="openai/tiny"))["status"]
    assert (mine, 2, process) == (
        place.llm.keys[0],
        len(place.llm.keys),
        place.stack.state.processes["auth"].pid,
    )


async def test_a_key_is_nowhere_but_with_its_provider(place: Place, ada: ApiClient, bob: ApiClient) -> None:
    """Neither in the database's files, nor the broker's, nor a log line, a span, a figure or any answer.

    Whatever is done with it: stored, used, refused by the provider which repeats it, sent in the wrong places, wrapped
    anew, erased.
    """
    mine, other = canary("sk-ant-api03-"), canary("sk-proj-")
    document = await read(ada)
    await use(place, ada, document, mine, other)
    await misplace(ada, mine)
    await analyze(ada, document)
    rotate(place.stack)
    await analyze(ada, document)
    user_id = (await bob.get(f"{_API}/users/me"))["id"]
    await bob.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": mine})
    await bob.http.delete(f"{_API}/users/me")
    assert {mine, f"Bearer {other}"} <= set(place.llm.keys)
    email = (await ada.get(f"{_API}/users/me"))["email"]

    found = searching(place, {"mine": mine, "other": other, "email": email, "user": user_id, "span": "PutProviderKey"})
    await eventually(lambda: _is_in(found, "nats", "user"))  # what is there is found: so was the key, if it was there
    await eventually(lambda: _is_in(found, "spans", "span"))
    places = found()
    assert ("email" in places["postgres"], "email" in places["answers"]) == (True, True)
    assert {} == {name: found for name, found in places.items() if found & {"mine", "other"}}


async def use(place: Place, client: ApiClient, document: str, mine: str, other: str) -> None:
    """Has keys stored, used and refused."""
    await client.http.put(f"{_API}/users/me/api-key", json={"anthropic_api_key": mine})
    await client.http.put(f"{_API}/users/me/provider-keys/openai", json={"api_key": other})
    assert "completed" == (await analyze(client, document))["status"]
    assert "completed" == (await analyze(client, document, model="openai/tiny"))["status"]
    for status in (401, 403, 404, 429, 500):
        for model in ("anthropic/claude-sonnet-5", "openai/tiny"):
            place.llm.plan = [Fail(status, retry_after="0", echo_key=True)] * 2
            assert "failed" == (await analyze(client, document, model=model))["status"]
            place.llm.plan = []


async def misplace(client: ApiClient, key: str) -> None:
    """Sends a key where it does not belong."""
    for body in ({"api_key": key}, {"anthropic_api_key": [key]}, {"anthropic_api_key": f"{key} {key}"}, [key]):
        assert 422 == (await client.http.put(f"{_API}/users/me/api-key", json=body)).status_code
    broken = await client.http.put(
        f"{_API}/users/me/api-key",
        content=f'{{"anthropic_api_key": "{key}',
        headers={"content-type": "application/json"},
    )
    unknown = await client.http.put(f"{_API}/users/me/provider-keys/nobody", json={"api_key": key})
    assert [400, 422] == [broken.status_code, unknown.status_code]
    for path in ("/users/me", "/users/me/provider-keys"):
        await client.get(f"{_API}{path}")


def searching(place: Place, texts: dict[str, str]) -> Callable[[], dict[str, set[str]]]:
    """A function that says which of the texts are where, as they are or in base64."""
    wanted = {name: _spellings(text) for name, text in texts.items()}
    layout = place.stack.layout

    def look() -> dict[str, set[str]]:
        with psycopg.connect(
            f"host={place.stack.state.sockets['postgres']} user=pagemesh dbname=postgres"
        ) as connection:
            connection.execute("CHECKPOINT")  # so that files have what memory has
        contents = {
            **{name: _bytes_in(layout.root / name) for name in ("postgres", "nats", "blobs", "log", "run", "secrets")},
            "answers": place.answers,
            "spans": place.spans.exported,
            "metrics": [_metrics(port) for name, port in place.stack.state.ports.items() if name.startswith("metrics")],
        }
        return {
            where: {name for name, spellings in wanted.items() if any(one in content for one in spellings)}
            for where, pieces in contents.items()
            for content in [b"\x00".join(pieces)]
        }

    return look


def _spellings(text: str) -> list[bytes]:
    """The text, and what does not depend on its neighbours of each of the three ways in which base64 could have it."""
    raw = text.encode()
    coded = [base64.b64encode(bytes(shift) + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, *coded]


def _bytes_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def _metrics(port: int) -> bytes:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").content


async def _is_in(look: Callable[[], dict[str, set[str]]], where: str, name: str) -> bool:
    return name in look()[where]

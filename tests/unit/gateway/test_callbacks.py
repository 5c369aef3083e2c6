"""Callback URLs at the gateway: passed on where they may be called, refused by field where not."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh, running_mesh
from tests.unit.gateway.test_replays import UPLOAD, code, told, upload

_GOOD = "https://receiver.example/hook?a=b"


async def _analyze(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    document = (await client.post(UPLOAD, files={"file": ("a.pdf", b"%PDF-1.7 x")})).json()["id"]
    return await client.post(f"/api/v1/documents/{document}/analyze", json={"analysis_type": "summary", **body})


async def test_they_are_passed_on(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """With uploads and analyses; none is none."""
    await upload(client, callback_url=_GOOD)
    assert 202 == (await _analyze(client, callback_url=_GOOD)).status_code
    assert [_GOOD, ""] == [config.job.callback_url for config in mesh.ingest.configs]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/", "address_not_allowed"),
        ("http://0x7f.1/", "address_not_allowed"),
        ("https://localhost:8443/", "address_not_allowed"),
        ("http://[fd00::1]/", "address_not_allowed"),
        ("ftp://receiver.example/", "validation_error"),
        ("https://user:secret@receiver.example/", "validation_error"),
        ("receiver.example", "validation_error"),
        ("https://receiver.example/" + "a" * 2_000, "validation_error"),
        ("https://receiver.example/\x00", "validation_error"),
    ],
)
async def test_others_are_refused_by_field(mesh: Mesh, client: httpx.AsyncClient, url: str, reason: str) -> None:
    """Before anything is made."""
    analysis = await _analyze(client, callback_url=url)
    before = len(mesh.results.records.documents)
    for answer in (analysis, await upload(client, callback_url=url)):
        assert (422, reason) == code(answer)
        assert ["callback_url"] == list(answer.json()["details"])
        assert "secret" not in answer.text
    assert before == len(mesh.results.records.documents)


async def test_another_url_is_another_request(client: httpx.AsyncClient) -> None:
    """Under the same key it is refused."""
    first = await upload(client, callback_url=_GOOD)
    assert told(first) == told(await upload(client, callback_url=_GOOD))
    for other in (await upload(client, callback_url=_GOOD + "c"), await upload(client)):
        assert (422, "idempotency_key_reused") == code(other)


async def test_an_upload_that_broke_off_is_compared_too(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """What a first try made without an answer is no answer to a request that calls back elsewhere."""
    mesh.ingest.breaks = True
    assert 503 == (await upload(client, callback_url=_GOOD)).status_code
    mesh.ingest.breaks = False
    assert (422, "idempotency_key_reused") == code(await upload(client, callback_url=_GOOD + "c"))
    assert 1 == len(mesh.results.records.documents)


@pytest.fixture
async def permissive() -> AsyncIterator[httpx.AsyncClient]:
    """A gateway whose operator allows a network."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with (
            running_mesh(Path(directory), allowed_private_networks="10.0.0.0/8") as mesh,
            mesh.client(organization_id()) as client,
        ):
            yield client


async def test_operators_allow_networks(permissive: httpx.AsyncClient) -> None:
    """That one and no other."""
    assert 201 == (await upload(permissive, callback_url="http://10.1.2.3/")).status_code
    assert (422, "address_not_allowed") == code(await _analyze(permissive, callback_url="http://192.168.0.1/"))

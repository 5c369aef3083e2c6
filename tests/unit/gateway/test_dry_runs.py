"""Dry runs at the gateway: validated like the call itself, handed to who estimates, and forgotten."""

import uuid

import httpx
import pytest

from tests.support.gateway_mesh import Mesh

UPLOAD = "/api/v1/documents/upload"
PDF = b"%PDF-1.7 " + b"x" * (3 << 20)


async def test_an_upload_is_looked_through(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Every byte of it, and nothing is recorded; its key is as good as new."""
    headers = {"idempotency-key": uuid.uuid4().hex}
    dry = await client.post(UPLOAD, params={"dry_run": "true"}, files={"file": PDF}, headers=headers)
    estimate = {"pages": 3, "ocr_pages": 1, "seconds": 0.74, "tokens": 0, "cost_usd": 0.0}
    assert (200, {"valid": True, "estimate": estimate}) == (dry.status_code, dry.json())
    assert ([PDF], {}) == (mesh.ingest.previews, mesh.results.records.documents)
    real = await client.post(UPLOAD, params={"dry_run": "false"}, files={"file": PDF}, headers=headers)
    assert (201, 1, None) == (
        *(real.status_code, len(mesh.results.records.documents)),
        real.headers.get("idempotency-replayed"),
    )


@pytest.mark.parametrize(
    ("query", "fields", "status"),
    [
        ("dry_run=1", {}, 422),
        ("dry_run=true&dry_run=true", {}, 422),
        ("dry_run=true", {"mode": "all"}, 422),
        ("dry_run=true", {"file": "no file"}, 422),
    ],
)
async def test_what_is_wrong_is_told(
    client: httpx.AsyncClient, query: str, fields: dict[str, str], status: int
) -> None:
    """As without it."""
    answer = await client.post(f"{UPLOAD}?{query}", files={"file": b"%PDF-"}, data=fields)
    assert status == answer.status_code, answer.text


async def test_keys_are_checked(client: httpx.AsyncClient) -> None:
    """Though they are not used."""
    headers = {"idempotency-key": "k" * 256}
    answer = await client.post(f"{UPLOAD}?dry_run=true", files={"file": b"%PDF-"}, headers=headers)
    assert (400, "invalid_idempotency_key") == (answer.status_code, answer.json()["error"])


async def test_analysis_away(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """What nobody can estimate now is 503, and a call that accepts nothing has no dry run."""
    uploaded = (await client.post(UPLOAD, files={"file": b"%PDF-"})).json()
    path = f"/api/v1/documents/{uploaded['id']}/analyze?dry_run=true"
    answer = await client.post(path, json={"analysis_type": "summary"})
    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
    assert 1 == len(mesh.results.records.jobs)
    assert 422 == (await client.get("/api/v1/jobs?dry_run=true")).status_code

"""Dry runs tell what is to be expected and leave nothing behind; results tell where they come from."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.background import Background
from tests.support.broker import eventually
from tests.support.client import ApiClient, Json
from tests.support.documents import encrypted_pdf, mixed_pdf, text_pdf, truncated_pdf

UPLOAD = "/api/v1/documents/upload?dry_run=true"
NOTHING = "Nothing of a dry run stays."


@pytest.fixture
async def api(stack: Background) -> AsyncIterator[ApiClient]:
    client = await ApiClient(stack.url).register()
    yield client
    await client.close()


def _files(stack: Background) -> set[Path]:
    """Everything in the object store, and whatever ingest holds open without a name."""
    stored = {path for path in stack.layout.blobs.rglob("*") if path.is_file()}
    fds = Path(f"/proc/{stack.state.processes['ingest'].pid}/fd")
    return stored | {Path(os.readlink(fd)) for fd in fds.iterdir() if "pagemesh-preview" in os.readlink(fd)}


async def _dry(api: ApiClient, content: bytes, **fields: str) -> httpx.Response:
    return await api.http.post(UPLOAD, files={"file": ("a.pdf", content)}, data=fields)


async def test_an_upload(stack: Background, api: ApiClient) -> None:
    """Pages and those that need OCR are counted by opening the file; nothing is stored, listed or remembered."""
    before, key = _files(stack), {"idempotency-key": uuid.uuid4().hex}
    content = mixed_pdf()
    answer = await api.http.post(UPLOAD, files={"file": ("a.pdf", content)}, headers=key)
    estimate = answer.json()["estimate"]
    assert (200, True, {"pages", "ocr_pages", "seconds", "tokens", "cost_usd"}) == (
        *(answer.status_code, answer.json()["valid"]),
        set(estimate),
    )
    assert before == _files(stack), NOTHING
    assert 0 == (await api.get("/api/v1/documents"))["total"] == (await api.get("/api/v1/jobs"))["total"]
    files = {"file": ("a.pdf", content)}
    real = await api.http.post("/api/v1/documents/upload", files=files, headers=key)
    assert (201, None) == (real.status_code, real.headers.get("idempotency-replayed"))
    job = await api.ended(real.json()["job_id"])
    assert (job["pages"]["total"], job["pages"]["ocr"]) == (estimate["pages"], estimate["ocr_pages"])
    assert (0, 0.0) == (estimate["tokens"], estimate["cost_usd"])
    assert 0 < estimate["seconds"] < 60


@pytest.mark.parametrize(
    ("content", "fields", "status", "error"),
    [
        (b"", {}, 400, "empty_file"),
        (b"no document at all", {}, 400, "invalid_file_type"),
        (truncated_pdf(), {}, 400, "corrupt_document"),
        (encrypted_pdf("open sesame"), {}, 400, "password_required"),
        (encrypted_pdf("open sesame"), {"password": "wrong"}, 400, "wrong_password"),
        (encrypted_pdf("open sesame"), {"password": "open sesame"}, 200, None),
        (text_pdf(), {"languages": "xyz"}, 422, "validation_error"),
        (text_pdf(), {"priority": "10"}, 422, "validation_error"),
        (text_pdf(), {"analysis_type": "question_answering"}, 422, "validation_error"),
        (text_pdf(), {"analysis_type": "summary"}, 200, None),
    ],
)
async def test_what_would_fail_is_told(
    stack: Background, api: ApiClient, content: bytes, fields: dict[str, str], status: int, error: str | None
) -> None:
    """As the upload itself would, and as its job would later."""
    before = _files(stack)
    answer = await _dry(api, content, **fields)
    assert (status, error) == (answer.status_code, answer.json().get("error")), answer.text
    assert before == _files(stack), NOTHING


async def test_a_file_too_large(api: ApiClient) -> None:
    """Refused as it is when it is meant."""
    limit = await api.http.put("/api/v1/organizations/me", json={"settings": {"max_file_size_mb": 1}})
    assert 200 == limit.status_code
    answer = await _dry(api, text_pdf() + b"%" * (3 << 19))
    assert (413, "file_too_large") == (answer.status_code, answer.json()["error"])


async def test_an_upload_that_breaks_off(stack: Background, api: ApiClient) -> None:
    """Half of a file, and nobody there any more: what came is forgotten."""
    before, begun = _files(stack), asyncio.Event()
    request = api.http.build_request("POST", UPLOAD, files={"file": ("a.pdf", text_pdf() + b"%" * (4 << 20))})
    whole = request.read()

    async def pieces() -> AsyncIterator[bytes]:
        yield whole[: len(whole) // 2]
        begun.set()
        await asyncio.Event().wait()

    headers = {"content-type": request.headers["content-type"]}
    sending = asyncio.create_task(api.http.post(UPLOAD, content=pieces(), headers=headers))
    await begun.wait()
    sending.cancel()
    await eventually(lambda: _unchanged(stack, before))


async def _unchanged(stack: Background, before: set[Path]) -> bool:
    return before == _files(stack)


async def test_an_analysis(api: ApiClient) -> None:
    """By the record; the built-in analyzer costs nothing. No job comes of it."""
    uploaded = (await api.upload("a.pdf", text_pdf(pages=2))).json()
    await api.ended(uploaded["job_id"])
    path = f"/api/v1/documents/{uploaded['id']}/analyze?dry_run=true"
    body: Json = {"analysis_type": "summary"}
    answer = await api.http.post(path, json=body)
    assert 200 == answer.status_code, answer.text
    estimate = answer.json()["estimate"]
    assert (2, 0, 0, 0.0) == tuple(estimate[name] for name in ("pages", "ocr_pages", "tokens", "cost_usd"))
    assert 0 < estimate["seconds"] < 5
    assert 1 == (await api.get("/api/v1/jobs"))["total"]
    for bad, status in (({"analysis_type": "custom"}, 422), ({**body, "options": {"output_schema": {"type": 1}}}, 422)):
        assert status == (await api.http.post(path, json=bad)).status_code
    nothing = await api.http.post(f"/api/v1/documents/{uuid.uuid4()}/analyze?dry_run=true", json=body)
    assert 404 == nothing.status_code


async def test_provenance(api: ApiClient) -> None:
    """Engines with versions for pages, jobs and analyses, and when each began and ended."""
    uploaded = (await api.upload("a.pdf", mixed_pdf(), analysis_type="summary")).json()
    job = await api.ended(uploaded["job_id"])
    pages = (await api.get(f"/api/v1/documents/{uploaded['id']}/pages"))["items"]
    analysis = (await api.get(f"/api/v1/documents/{uploaded['id']}/analysis"))["analyses"][0]
    engines = sorted({page["engine"] for page in pages})
    told: list[dict[str, Any]] = [job["result"]["provenance"], analysis["provenance"]]
    assert 2 == len(engines)
    assert [engines, engines] == [each["engines"] for each in told]
    assert all(any(sign.isdigit() for sign in engine) for engine in engines)
    assert [None, analysis["model_version"]] == [each["model"] for each in told]
    assert [job["started_at"], job["completed_at"]] == [told[0]["started_at"], told[0]["completed_at"]]
    for each in told:
        assert each["started_at"] <= each["completed_at"]
        assert {"prompt_sha256": None, "template": None, "template_version": None}.items() <= each.items()

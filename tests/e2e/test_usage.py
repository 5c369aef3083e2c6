"""Usage of a whole stack: what was done, no more and no less."""

import uuid

import httpx

from cli.background import Background
from tests.support.client import ApiClient
from tests.support.documents import text_pdf

_PDF = text_pdf(pages=3)


async def test_usage_is_what_happened(stack: Background) -> None:
    """Documents, pages, storage and every single call; a repeated upload is a call and no document."""
    client = await ApiClient(stack.url).register()
    calls = 0

    async def counted(request: httpx.Request) -> None:
        nonlocal calls
        calls += 1

    client.http.event_hooks = {"request": [counted]}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    uploaded = [
        await client.http.post("/api/v1/documents/upload", files={"file": ("a.pdf", _PDF)}, headers=one)
        for one in (headers, headers, {})
    ]
    jobs = {answer.json()["job_id"] for answer in uploaded}
    for job_id in jobs:
        assert "completed" == (await client.ended(job_id))["status"]
    usage = (await client.get("/api/v1/organizations/me/usage"))["usage"]
    assert {
        "documents_processed": 2,
        "pages_processed": 6,
        "api_calls": calls,
        "tokens_used": 0,
        "storage_bytes": 2 * len(_PDF),
    } == usage
    await client.close()

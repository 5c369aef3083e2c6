"""A client of the public API for tests: an account of its own, uploads from memory, and jobs until they end."""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

Json = dict[str, Any]
TERMINAL = frozenset({"completed", "failed", "cancelled"})


class ApiClient:
    """One account on a running stack."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=90, limits=httpx.Limits(max_connections=64))

    async def register(self) -> "ApiClient":
        """Makes the account and logs it in."""
        body = {
            "email": f"{uuid.uuid4().hex}@example.com",
            "password": "a long enough phrase",
            "full_name": "Test Person",
        }
        answer = await self.http.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    async def upload(self, name: str, content: bytes, **fields: str) -> httpx.Response:
        """Sends a document, again and again while a part of the stack is away, under one idempotency key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}

        async def send() -> httpx.Response:
            return await self.http.post(
                "/api/v1/documents/upload", files={"file": (name, content)}, data=fields, headers=headers
            )

        return await _patiently(send)

    async def get(self, path: str) -> Json:
        """A JSON resource; waits while a part of the stack is away."""

        async def fetch() -> httpx.Response:
            return await self.http.get(path)

        answer = await _patiently(fetch)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        body: Json = answer.json()
        return body

    async def ended(self, job_id: str, within: float = 120.0) -> Json:
        """The job once it has ended; fails when that takes longer than `within` seconds."""
        ends = time.monotonic() + within
        while True:
            job = await self.get(f"/api/v1/jobs/{job_id}")
            if job["status"] in TERMINAL:
                return job
            assert time.monotonic() < ends, f"not ended within {within:g} s: {job}"
            await asyncio.sleep(0.05)

    async def until(self, path: str, is_so: Callable[[httpx.Response], bool], within: float = 60.0) -> httpx.Response:
        """The first answer that is so."""
        ends = time.monotonic() + within
        while True:
            answer = await self.http.get(path)
            if is_so(answer):
                return answer
            assert time.monotonic() < ends, f"{path}: {answer.status_code} {answer.text}"
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Closes the connections."""
        await self.http.aclose()


async def _patiently(send: Any, within: float = 60.0) -> httpx.Response:
    ends = time.monotonic() + within
    while True:
        try:
            answer: httpx.Response = await send()
            if answer.status_code not in (409, 503) or time.monotonic() > ends:
                return answer
        except httpx.TransportError:
            if time.monotonic() > ends:
                raise
        await asyncio.sleep(0.3)

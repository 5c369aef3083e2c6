"""A small client of the public API (`/api/v1`)."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from cli.account import Account

Json = dict[str, Any]

TERMINAL = frozenset({"completed", "failed", "cancelled"})
_LONGEST_POLL_SECONDS = 30
_TRIES = 8
_BUSY = (httpx.codes.CONFLICT, httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
_LONGEST_WAIT_SECONDS = 120.0


class ApiError(Exception):
    """The API refused a request; says its error code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Client:
    """Talks to one gateway as one account. Every method raises ApiError and httpx.TransportError."""

    def __init__(self, http: httpx.AsyncClient, account: Account) -> None:
        self._http = http
        self._account = account
        self._token = ""
        self._logging_in = asyncio.Lock()

    async def upload(self, path: Path, fields: Mapping[str, str]) -> Json:
        """Sends a document; the answer has its `id` and its `job_id`. Trying again makes no second document."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return _content(await self._send("POST", "/api/v1/documents/upload", headers, path, fields))

    async def follow(self, job_id: str) -> AsyncIterator[Json]:
        """The job as it is, then after each change, until it has ended.

        One stream of events does as long as it lasts; when it breaks off, long polls do.
        """
        async for job in self._events(job_id):
            yield job
            if job["status"] in TERMINAL:
                return
        while True:
            job = await self.get_json(f"/api/v1/jobs/{job_id}", {"Prefer": f"wait={_LONGEST_POLL_SECONDS}"})
            yield job
            if job["status"] in TERMINAL:
                return

    async def tables(self, document_id: str) -> list[Json]:
        """Every table in order, each with its `page`, its `rows` as a plain grid and its exact `cells`."""
        answer = await self.get_json(f"/api/v1/documents/{document_id}/tables")
        return list(answer["tables"])

    async def text(self, document_id: str) -> str:
        """The text of all pages."""
        answer = await self._send("GET", f"/api/v1/documents/{document_id}/text", {"Accept": "text/plain"})
        return answer.text

    async def analyses(self, document_id: str) -> list[Json]:
        """What was found in the document."""
        answer = await self.get_json(f"/api/v1/documents/{document_id}/analysis")
        return list(answer["analyses"])

    async def get_json(self, path: str, headers: Mapping[str, str] | None = None) -> Json:
        """GET of a JSON resource."""
        return _content(await self._send("GET", path, headers))

    async def _events(self, job_id: str) -> AsyncIterator[Json]:
        headers = {"Accept": "text/event-stream", "Authorization": await self._authorization()}
        url = f"/api/v1/jobs/{job_id}/events"
        try:
            async with self._http.stream("GET", url, headers=headers, timeout=60) as answer:
                if answer.status_code != httpx.codes.OK:
                    return
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except httpx.TransportError:
            return

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        file: Path | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Sends until the answer is no request to wait, and no refusal of a token that could be renewed."""
        renewed = False
        for _ in range(_TRIES):
            authorization = await self._authorization()
            answer = await self._send_once(
                method, path, {**(headers or {}), "Authorization": authorization}, file, fields
            )
            if answer.status_code == httpx.codes.UNAUTHORIZED and not renewed:
                renewed = True
                self._forget(authorization)
            elif (seconds := _wait_asked(answer)) is not None:
                await asyncio.sleep(seconds)
            else:
                break
        if answer.is_error:
            raise _error(answer)
        return answer

    async def _send_once(
        self, method: str, path: str, headers: Mapping[str, str], file: Path | None, fields: Mapping[str, str] | None
    ) -> httpx.Response:
        if file is None:
            return await self._http.request(method, path, headers=headers)
        with file.open("rb") as content:
            parts = {"file": (file.name, content)}
            return await self._http.request(method, path, headers=headers, files=parts, data=dict(fields or {}))

    async def _authorization(self) -> str:
        async with self._logging_in:
            if not self._token:
                self._token = await self._account.token(self._http)
            return f"Bearer {self._token}"

    def _forget(self, authorization: str) -> None:
        if authorization == f"Bearer {self._token}":
            self._token = ""


def _wait_asked(answer: httpx.Response) -> float | None:
    """Seconds to wait when the server is busy or the rate limit is reached, and the end of that is near."""
    if answer.status_code not in _BUSY or "retry-after" not in answer.headers:
        return None
    seconds = float(answer.headers["retry-after"])
    return seconds if seconds <= _LONGEST_WAIT_SECONDS else None


def _content(answer: httpx.Response) -> Json:
    content: Json = answer.json()
    return content


def _error(answer: httpx.Response) -> ApiError:
    try:
        told = answer.json()
        code, message = str(told["error"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "http_error", f"The server answered {answer.status_code}."
    return ApiError(answer.status_code, code, message)

"""The client and `submit`, against a gateway that a function plays."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.account import GivenToken, LocalAccount
from cli.client import ApiError, Client
from cli.submit import Submission, send_all

Handler = Callable[[httpx.Request], httpx.Response]
_JOB = "/api/v1/jobs/j1"


def _client(handler: Handler) -> Client:
    return Client(_http(handler), GivenToken("t1"))


def _http(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="http://gateway")


def _scripted(answers: list[httpx.Response], seen: list[httpx.Request]) -> Handler:
    script: Iterator[httpx.Response] = iter(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return next(script)

    return handler


def _events(*jobs: dict[str, Any]) -> httpx.Response:
    lines = "".join(f"event: job\ndata: {json.dumps(job)}\n\n: still here\n\n" for job in jobs)
    return httpx.Response(200, text=lines, headers={"content-type": "text/event-stream"})


async def test_upload_waits_as_told_and_repeats_itself(tmp_path: Path) -> None:
    """A rate-limited upload must be repeated whole, under the same key, so that one document comes of it."""
    file = tmp_path / "report.pdf"
    file.write_bytes(b"%PDF-1.7 content")
    seen: list[httpx.Request] = []
    busy = httpx.Response(429, headers={"retry-after": "0"}, json={"error": "rate_limit_exceeded", "message": "Wait."})
    client = _client(_scripted([busy, httpx.Response(201, json={"id": "d1", "job_id": "j1"})], seen))
    document = await client.upload(file, {"mode": "text"})
    keys = {request.headers["idempotency-key"] for request in seen}
    assert ({"id": "d1", "job_id": "j1"}, 2, 1) == (document, len(seen), len(keys))
    assert [True, True] == [b"%PDF-1.7 content" in request.content for request in seen]


async def test_long_waits_are_told_instead() -> None:
    """A quota that ends next month must be an error now."""
    answer = httpx.Response(429, headers={"retry-after": "86400"}, json={"error": "quota_exceeded", "message": "Full."})
    with pytest.raises(ApiError, match=r"quota_exceeded: Full\."):
        await _client(lambda _: answer).get_json(_JOB)


async def test_expired_token_is_renewed_once() -> None:
    """A refused token must be renewed, and a refusal of the new one told."""
    seen: list[httpx.Request] = []
    refused = httpx.Response(401, json={"error": "unauthenticated", "message": "Expired."})
    client = _client(_scripted([refused, refused], seen))
    with pytest.raises(ApiError, match=r"unauthenticated"):
        await client.get_json(_JOB)
    assert 2 == len(seen)


async def test_events_are_followed_to_the_end() -> None:
    """One stream must do while it lasts."""
    seen: list[httpx.Request] = []
    jobs = [{"status": "running"}, {"status": "completed"}]
    client = _client(_scripted([_events(*jobs)], seen))
    assert (jobs, 1) == ([job async for job in client.follow("j1")], len(seen))


async def test_broken_stream_is_followed_by_polls() -> None:
    """When the stream ends early, long polls must go on to the end."""
    seen: list[httpx.Request] = []
    polled = [httpx.Response(200, json={"status": status}) for status in ("running", "failed")]
    client = _client(_scripted([_events({"status": "pending"}), *polled], seen))
    statuses = [job["status"] async for job in client.follow("j1")]
    assert ["pending", "running", "failed"] == statuses
    assert [None, "wait=30", "wait=30"] == [request.headers.get("prefer") for request in seen]


async def test_errors_without_a_body_of_ours_are_told() -> None:
    """What a proxy answers must not break the client."""
    with pytest.raises(ApiError, match=r"http_error: The server answered 502\."):
        await _client(lambda _: httpx.Response(502, text="<html>")).get_json(_JOB)


async def test_local_account_is_registered_once_and_again_when_forgotten(tmp_path: Path) -> None:
    """The account must be reused, and made anew when the database no longer knows it."""
    known: set[str] = set()

    def handler(request: httpx.Request) -> httpx.Response:
        email = json.loads(request.content)["email"]
        if request.url.path.endswith("/register"):
            known.add(email)
        return httpx.Response(200, json={"access_token": email}) if email in known else httpx.Response(401)

    account, http = LocalAccount(tmp_path / "credentials.json"), _http(handler)
    first, second = await account.token(http), await account.token(http)
    known.clear()
    third = await account.token(http)
    assert (first, True, 0o600) == (
        second,
        third not in (first, ""),
        (tmp_path / "credentials.json").stat().st_mode & 0o777,
    )


async def test_one_failed_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file has its own outcome: read, failed with the job's code, or never sent."""
    files = [tmp_path / name for name in ("good.pdf", "bad.pdf", "missing.pdf")]
    files[0].write_bytes(b"good")
    files[1].write_bytes(b"bad")
    jobs: dict[str, dict[str, Any]] = {
        "good": {"status": "completed", "stage": "completed"},
        "bad": {"status": "failed", "error": {"code": "encrypted", "message": "A password is needed."}},
    }

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/upload"):
            name = "good" if b"good" in request.content else "bad"
            return httpx.Response(201, json={"id": name, "job_id": name})
        if path.endswith("/events"):
            return _events(jobs[path.split("/")[-2]])
        return (
            httpx.Response(200, text="Words.") if path.endswith("/text") else httpx.Response(200, json={"tables": []})
        )

    outcomes = await send_all(Submission(files, {}), _client(handler))
    codes = [outcome.error["code"] if outcome.error else "" for outcome in outcomes]
    assert (["", "encrypted", "unreadable_file"], "Words.") == (codes, outcomes[0].text)
    assert "bad.pdf: failed (encrypted)" in capsys.readouterr().err

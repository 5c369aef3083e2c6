"""Usage as it is reported, and plans as they are enforced."""

import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from pagemesh.results.v1.usage_pb2 import GetUsageResponse
from services.gateway.plans import PLANS, month_of
from services.gateway.settings import GatewaySettings
from tests.support.gateway_mesh import Mesh, running_mesh

USAGE = "/api/v1/organizations/me/usage"
PLAN: dict[str, Any] = {"plans": {"free": {"documents": 3, "pages": 100, "calls": 8, "storage_bytes": 1000}}}
_FILE = {"file": ("a.pdf", b"%PDF-1.7 a document")}


@pytest.fixture
async def planned() -> AsyncIterator[Mesh]:
    """A mesh whose free plan is small."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory), **PLAN) as running:
            yield running


async def _upload(client: httpx.AsyncClient, key: str | None = None) -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    return await client.post("/api/v1/documents/upload", files=_FILE, headers=headers)


async def test_report(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Figures of the record with the plan's limits and shares; the call that asks is counted in."""
    mesh.results.used = GetUsageResponse(documents=25, pages=100, tokens=7, storage_bytes=1 << 29, calls=50)
    answer = await client.get(USAGE, params={"start_date": "2026-02-01", "end_date": "2026-02-10"})
    assert {
        "period": {"start": "2026-02-01", "end": "2026-02-10"},
        "usage": {
            "documents_processed": 25,
            "pages_processed": 100,
            "api_calls": 50,
            "tokens_used": 7,
            "storage_bytes": 1 << 29,
        },
        "limits": {
            "documents_per_month": 100,
            "pages_per_month": 2_000,
            "api_calls_per_month": 10_000,
            "storage_bytes": 1 << 30,
        },
        "percentage_used": {"documents": 25.0, "pages": 5.0, "api_calls": 0.5, "storage": 50.0},
    } == answer.json()


async def test_this_month(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Without dates it is this month; calls that the record does not know yet are counted in, told ones once."""
    first, last = month_of(datetime.now(UTC).date())
    for expected in (1, 2, 3):
        report = (await client.get(USAGE)).json()
        assert ({"start": first.isoformat(), "end": last.isoformat()}, expected) == (
            report["period"],
            report["usage"]["api_calls"],
        )
    mesh.results.used = GetUsageResponse(calls=12, calls_of_gateway=2)
    assert 14 == (await client.get(USAGE)).json()["usage"]["api_calls"]
    assert mesh.results.last_usage is not None
    assert mesh.gateway.meter.gateway_id == mesh.results.last_usage.gateway_id


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ({"start_date": "2024-02-05"}, ("2024-02-05", "2024-02-29")),
        ({"end_date": "2024-12-05"}, ("2024-12-01", "2024-12-05")),
    ],
)
async def test_one_date(client: httpx.AsyncClient, given: dict[str, str], period: tuple[str, str]) -> None:
    """The other end is that month's."""
    answered = (await client.get(USAGE, params=given)).json()["period"]
    assert period == (answered["start"], answered["end"])


@pytest.mark.parametrize(
    ("given", "blamed"),
    [
        ({"start_date": "yesterday"}, "start_date"),
        ({"start_date": "1969-12-31"}, "start_date"),
        ({"start_date": "2026-02-02", "end_date": "2026-02-01"}, "end_date"),
    ],
)
async def test_wrong_dates(client: httpx.AsyncClient, given: dict[str, str], blamed: str) -> None:
    """422 that names the date."""
    answer = await client.get(USAGE, params=given)
    assert (422, [blamed]) == (answer.status_code, list(answer.json()["details"]))


async def test_calls_of_the_month(planned: Mesh, organization: str) -> None:
    """The call after the last of the plan is refused, until the next month; usage can still be read."""
    planned.results.used = GetUsageResponse(calls=3)
    async with planned.client(organization) as client:
        answers = [await client.get("/api/v1/jobs") for _ in range(7)]
        usage = await client.get(USAGE)
    assert [200] * 5 + [429] * 2 == [answer.status_code for answer in answers]
    refused = answers[-1].json()
    assert ("quota_exceeded", {"quota": "calls", "limit": "8"}) == (refused["error"], refused["details"])
    midnight = datetime.combine(month_of(datetime.now(UTC).date())[1] + timedelta(days=1), datetime.min.time(), UTC)
    assert abs(midnight.timestamp() - time.time() - int(answers[-1].headers["retry-after"])) < 10
    assert (200, 9) == (usage.status_code, usage.json()["usage"]["api_calls"])


@pytest.mark.parametrize(
    "used", [{"documents": 3}, {"pages": 100}, {"storage_bytes": 1000}], ids=["documents", "pages", "storage_bytes"]
)
async def test_uploads_beyond_the_plan(planned: Mesh, organization: str, used: dict[str, int]) -> None:
    """A document more than the plan allows is refused, and nothing of it is kept; other calls go on."""
    planned.results.used = GetUsageResponse(**used)
    async with planned.client(organization) as client:
        answer = await _upload(client)
        assert (429, "quota_exceeded", next(iter(used))) == (
            *(answer.status_code, answer.json()["error"]),
            answer.json()["details"]["quota"],
        )
        assert 200 == (await client.get("/api/v1/jobs")).status_code
    assert [] == planned.ingest.configs


async def test_uploads_up_to_the_plan(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Usage is asked for seldom while there is room, and every time where there may be none."""
    for _ in range(3):
        assert 201 == (await _upload(client)).status_code
    assert 1 == mesh.results.calls["GetUsage"]
    for documents in range(9):
        mesh.results.used = GetUsageResponse(documents=91 + documents)
        assert 201 == (await _upload(client)).status_code
    mesh.results.used = GetUsageResponse(documents=100)
    assert 429 == (await _upload(client)).status_code


async def test_a_repeat_is_no_further_document(planned: Mesh, organization: str) -> None:
    """What was accepted under a key is answered again though the plan is used up; another key is refused."""
    async with planned.client(organization) as client:
        first = await _upload(client, "once")
        planned.results.used = GetUsageResponse(documents=3)
        again, other = await _upload(client, "once"), await _upload(client, "twice")
    assert (201, 201, 429) == (first.status_code, again.status_code, other.status_code)
    assert first.json()["id"] == again.json()["id"]


async def test_plans_hold_for_tokens_that_are_not_for_usage(planned: Mesh, organization: str) -> None:
    """The gateway asks for usage as itself, by one token for all of them; usage itself is told to none of them."""
    planned.results.used = GetUsageResponse(calls=6)
    async with planned.client(organization, scope="jobs.read documents.write") as client:
        answers = [await client.get("/api/v1/jobs") for _ in range(4)]
        usage, upload = await client.get(USAGE), await _upload(client)
    assert [200, 200, 429, 429] == [answer.status_code for answer in answers]
    assert (403, "insufficient_scope") == (usage.status_code, usage.json()["error"])
    assert (429, "quota_exceeded") == (upload.status_code, upload.json()["error"])
    assert 1 == planned.auth.calls["IssueServiceToken"]


async def test_whoever_may_read_usage_needs_nobody_elses_token(planned: Mesh, organization: str) -> None:
    """With the scope, or without a list of scopes."""
    for claims in ({"scope": "usage.read jobs.read"}, {}):
        async with planned.client(organization, **claims) as client:
            assert [200, 200] == [(await client.get(path)).status_code for path in (USAGE, "/api/v1/jobs")]
    assert 0 == planned.auth.calls["IssueServiceToken"]


async def test_without_the_record(planned: Mesh, organization: str) -> None:
    """While usage cannot be told, calls go on; asking for it says that it is away."""
    planned.results.usage_away = True
    async with planned.client(organization) as client:
        assert [200, 503] == [(await client.get(path)).status_code for path in ("/api/v1/jobs", USAGE)]


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment leaves out stays as the contract has it."""
    monkeypatch.setenv("PAGEMESH_PLANS", '{"pro": {"pages": 60000}}')
    plans = GatewaySettings().plans
    assert (60_000, 1_000) == (plans["pro"].pages, plans["pro"].documents)
    assert PLANS["free"] == plans["free"]
    monkeypatch.setenv("PAGEMESH_PLANS", '{"pro": {"pages": -1}}')
    with pytest.raises(ValidationError):
        GatewaySettings()

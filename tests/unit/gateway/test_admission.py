"""Which requests are counted, against what, and what their answers tell."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from mesh.errors import Unavailable
from pagemesh.auth.v1 import auth_pb2
from pagemesh.results.v1 import job_pb2
from services.gateway.quota_link import QuotaLink
from services.gateway.quotas import TIERS, address_key
from services.gateway.settings import GatewaySettings
from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh, running_mesh
from tests.support.servers import NatsServer

LIMITS: dict[str, Any] = {
    "limits": {"free": {"minute": 5, "hour": 100}},
    "address_limits": {"minute": 3, "hour": 100},
}
_LOGIN = {"email": "nobody@example.com", "password": "a wrong password"}
_NAMES = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-policy", "ratelimit")


async def _whole_minute_ahead() -> None:
    """Waits, rarely, until no minute ends in the next seconds."""
    left = 60 - time.time() % 60
    if left < 15:
        await asyncio.sleep(left + 0.01)


@pytest.fixture
async def limited() -> AsyncIterator[Mesh]:
    """A mesh whose free tier has 5 requests a minute, an address 3."""
    await _whole_minute_ahead()
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory), **LIMITS) as running:
            yield running


def _job(mesh: Mesh, organization: str) -> job_pb2.Job:
    job = job_pb2.Job(id=str(uuid.uuid4()), type=job_pb2.JOB_TYPE_TEXT_EXTRACTION, state=job_pb2.JOB_STATE_COMPLETED)
    return mesh.results.add(organization, job_pb2.Document(id=str(uuid.uuid4())), job)


async def test_over_the_limit(limited: Mesh) -> None:
    """429 with `Retry-After`, the same in the body, and the headers of every authenticated answer; nothing is done."""
    organization = organization_id()
    async with limited.client(organization) as client:
        answers = [await client.get("/api/v1/jobs") for _ in range(6)]
    assert [200] * 5 + [429] == [answer.status_code for answer in answers]
    seconds = int(answers[-1].headers["retry-after"])
    message = f"Rate limit exceeded. Try again in {seconds} seconds."
    assert {"error": "rate_limit_exceeded", "message": message, "retry_after": seconds} == answers[-1].json()
    assert 0 < seconds <= 60
    assert [set(_NAMES)] * 6 == [set(_NAMES) & set(answer.headers) for answer in answers]
    assert ["4", "3", "2", "1", "0", "0"] == [answer.headers["x-ratelimit-remaining"] for answer in answers]


async def test_refusals_of_other_kinds_count_and_tell(limited: Mesh) -> None:
    """What is not found or not valid costs one, too, and tells what is left."""
    async with limited.client(organization_id()) as client:
        missing = await client.get(f"/api/v1/jobs/{uuid.uuid4()}")
        invalid = await client.get("/api/v1/jobs", params={"page": "0"})
    assert [(404, "4"), (422, "3")] == [
        (answer.status_code, answer.headers["x-ratelimit-remaining"]) for answer in (missing, invalid)
    ]


async def test_warm_polls_count_once(limited: Mesh) -> None:
    """Polls answered from memory count like all others; the one over the limit is refused, and counted once."""
    organization = organization_id()
    job = _job(limited, organization)
    async with limited.client(organization) as client:
        answers = [await client.get(f"/api/v1/jobs/{job.id}") for _ in range(7)]
    assert [200] * 5 + [429] * 2 == [answer.status_code for answer in answers]
    assert ["4", "3", "2", "1", "0", "0", "0"] == [answer.headers["x-ratelimit-remaining"] for answer in answers]
    assert 6 == limited.counters.trips


async def test_broker_away(limited: Mesh) -> None:
    """Without counts nothing is accepted, warm polls included: 503 with `Retry-After`."""
    organization = organization_id()
    job = _job(limited, organization)
    async with limited.client(organization) as client:
        assert [200, 200] == [(await client.get(f"/api/v1/jobs/{job.id}")).status_code for _ in range(2)]
        limited.counters.away = True
        for path in (f"/api/v1/jobs/{job.id}", "/api/v1/jobs"):
            answer = await client.get(path)
            assert (503, "1", "unavailable") == (
                *(answer.status_code, answer.headers["retry-after"]),
                answer.json()["error"],
            )


async def test_guessing_is_limited_by_address(limited: Mesh) -> None:
    """Without a credential the address counts; no account is asked for once it is over."""
    async with limited.client() as client:
        statuses = [(await client.post("/api/v1/auth/login", json=_LOGIN)).status_code for _ in range(4)]
    assert [401, 401, 401, 429] == statuses


async def test_signing_in_by_providers_is_limited_by_address(limited: Mesh) -> None:
    """Both steps count as logging in does."""
    async with limited.client() as client:
        await client.post("/api/v1/auth/login", json=_LOGIN)
        answers = [
            await client.request(method, f"/api/v1/auth/oauth/github{path}")
            for method, path in (
                ("GET", "/authorize"),
                ("POST", "?code=c&state=s"),
                ("GET", "/authorize"),
                ("POST", ""),
            )
        ]
    assert [False, False, True, True] == [answer.status_code == 429 for answer in answers]


@pytest.mark.parametrize("path", ["/", "/health", "/api/v1/status", "/.well-known/jwks.json", "/openapi.json"])
async def test_not_counted(limited: Mesh, path: str) -> None:
    """What tells how things are, and who we are, is for everybody and always."""
    async with limited.client(organization_id()) as client:
        statuses = {(await client.get(path)).status_code for _ in range(8)}
        preflight = await client.options(
            "/api/v1/jobs", headers={"origin": "https://app.example", "access-control-request-method": "GET"}
        )
    assert 429 not in statuses
    assert (200, 0) == (preflight.status_code, limited.counters.trips)


async def test_agreed_limits(limited: Mesh) -> None:
    """What was agreed with an organization replaces its tier's limits, window by window."""
    organization = organization_id()
    limited.auth.rate_limits = auth_pb2.RateLimits(per_minute=7)
    async with limited.client(organization) as client:
        answers = [await client.get("/api/v1/jobs") for _ in range(8)]
    assert [200] * 7 + [429] == [answer.status_code for answer in answers]
    assert '"minute";q=7;w=60, "hour";q=100;w=3600' == answers[0].headers["ratelimit-policy"]


@pytest.mark.parametrize("limit", [{"minute": 40, "hour": 10_000}, {"minute": 10_000, "hour": 40}])
async def test_two_gateways_on_one_broker(nats_server: NatsServer, limit: dict[str, int]) -> None:
    """Two gateways driven at once with five times the limit accept exactly the limit between them."""
    await _whole_minute_ahead()
    organization = organization_id()
    async with AsyncExitStack() as stack:
        clients = [await _gateway(stack, nats_server, limit, organization) for _ in range(2)]
        for client in clients:  # what asking for the organization costs is behind them
            assert 200 == (await client.get("/api/v1/jobs")).status_code
        answers = await asyncio.gather(*(clients[at % 2].get("/api/v1/jobs") for at in range(200)))
        late = [(await client.get("/api/v1/jobs")).status_code for client in clients]
    statuses = [answer.status_code for answer in answers]
    assert (38, 162) == (statuses.count(200), statuses.count(429))
    assert [429, 429] == late


async def _gateway(
    stack: AsyncExitStack, nats: NatsServer, limit: dict[str, int], organization: str
) -> httpx.AsyncClient:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pm")))
    link = QuotaLink()
    await link.open(GatewaySettings(nats_url=SecretStr(nats.url), instance=f"gateway-{uuid.uuid4()}"))
    stack.push_async_callback(link.close)
    mesh = await stack.enter_async_context(running_mesh(directory, link, limits={"free": limit}))
    return await stack.enter_async_context(mesh.client(organization))


async def test_before_the_broker_is_there() -> None:
    """A link that was not opened counts nothing."""
    with pytest.raises(Unavailable):
        await QuotaLink().add([("quota.o.minute.0", 1)])


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment leaves out stays as the contract has it; an unknown tier or window is refused."""
    monkeypatch.setenv("PAGEMESH_LIMITS", '{"pro": {"minute": 200}}')
    limits = GatewaySettings().limits
    assert (200, 5_000) == (limits["pro"].minute, limits["pro"].hour)
    assert (TIERS["free"], TIERS["enterprise"]) == (limits["free"], limits["enterprise"])
    for wrong in ('{"gold": {"minute": 1}}', '{"pro": {"day": 1}}', '{"pro": {"hour": 0}}'):
        monkeypatch.setenv("PAGEMESH_LIMITS", wrong)
        with pytest.raises(ValidationError):
            GatewaySettings()


def test_production_is_strict_with_addresses() -> None:
    """Fewer guesses in production than on a machine of one's own, unless told otherwise."""
    strict = GatewaySettings(environment="production").address_limits
    assert strict.minute < GatewaySettings().address_limits.minute


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("testclient", "", True),
    ],
)
def test_addresses(one: str, other: str, same: bool) -> None:
    """IPv4 addresses are their own; what one IPv6 customer has counts as one."""
    assert same == (address_key(one) == address_key(other))

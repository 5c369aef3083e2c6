"""Counting and judging requests: exact, never free, and told truly."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from mesh.errors import Unavailable
from services.gateway.limits import Limiter, Policy, Quota, Verdict
from tests.support.counting import MemoryCounters

MOMENT = 1_795_000_000.5
"""40.5 s into a minute, 400.5 s into an hour."""


@dataclass
class Clock:
    now: float = MOMENT

    def __call__(self) -> float:
        return self.now


@dataclass
class Gateways:
    """Replicas that count in the same place."""

    clock: Clock = field(default_factory=Clock)
    counters: MemoryCounters = field(default_factory=MemoryCounters)

    def __post_init__(self) -> None:
        self.replicas = [Limiter(self.counters, self.clock), Limiter(self.counters, self.clock)]

    async def at_once(self, policy: Policy, requests: int, who: str = "o") -> list[Verdict]:
        return await asyncio.gather(*(self.replicas[at % 2].count(who, policy) for at in range(requests)))

    async def accepted(self, policy: Policy, requests: int, who: str = "o") -> int:
        return sum(verdict.accepted for verdict in await self.at_once(policy, requests, who))


@pytest.fixture
def gateways() -> Gateways:
    return Gateways()


def _policy(minute: int = 10, hour: int = 100, second: int = 0) -> Policy:
    quotas = [Quota("minute", 60, minute), Quota("hour", 3600, hour), Quota("second", 1, second)]
    return Policy([quota for quota in quotas if quota.limit])


def _told(verdict: Verdict) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in verdict.headers()}


async def test_two_replicas_accept_the_limit_exactly(gateways: Gateways) -> None:
    """Of five times the limit at once, in bursts and one by one, the limit is accepted; in the next minute again."""
    policy = _policy()
    for _ in range(2):
        accepted = [await gateways.accepted(policy, burst) for burst in (7, 23, 1, 1, 18)]
        assert ([7, 3, 0, 0, 0], 10) == (accepted, sum(accepted))
        gateways.clock.now += 60


async def test_organizations_are_counted_apart(gateways: Gateways) -> None:
    """What one uses up another still has."""
    policy = _policy()
    assert [10, 10] == [await gateways.accepted(policy, 50, who) for who in ("a", "b")]


async def test_requests_together_share_one_trip(gateways: Gateways) -> None:
    """All that arrive at once at a gateway are counted in one trip, and each has a place of its own."""
    policy = _policy(100, 1000)
    verdicts = await asyncio.gather(*(gateways.replicas[0].count("o", policy) for _ in range(20)))
    assert 1 == gateways.counters.trips
    assert list(range(99, 79, -1)) == [int(_told(verdict)["x-ratelimit-remaining"]) for verdict in verdicts]


async def test_requests_that_come_while_others_are_counted_share_the_next_trip(gateways: Gateways) -> None:
    """However many: two trips in all, and places in the order of arrival."""
    policy, limiter = _policy(100, 1000), gateways.replicas[0]
    gateways.counters.held = asyncio.Event()
    first = asyncio.ensure_future(limiter.count("o", policy))
    await asyncio.sleep(0)
    assert 1 == gateways.counters.trips
    later = [limiter.count("o", policy) for _ in range(20)]
    gateways.counters.held.set()
    verdicts = await asyncio.gather(first, *later)
    assert 2 == gateways.counters.trips
    assert list(range(99, 78, -1)) == [int(_told(verdict)["x-ratelimit-remaining"]) for verdict in verdicts]


async def test_hammering_through_a_minute_does_not_use_up_the_hour(gateways: Gateways) -> None:
    """Refused requests cost nothing of the hour: ten minutes at ten times the limit accept ten times the limit."""
    policy = _policy(minute=10, hour=100)
    accepted = []
    for _ in range(12):
        accepted.append(await gateways.accepted(policy, 60) + await gateways.accepted(policy, 40))
        gateways.clock.now += 60
    assert [10] * 10 + [0] * 2 == accepted


async def test_full_minute_is_refused_from_memory(gateways: Gateways) -> None:
    """A client that goes on costs no trips until the minute ends."""
    policy = _policy()
    await gateways.at_once(policy, 30)
    trips = gateways.counters.trips
    for _ in range(100):
        assert 0 == await gateways.accepted(policy, 2)
    assert trips == gateways.counters.trips


async def test_full_hour_is_asked_for_again(gateways: Gateways) -> None:
    """What was given back in the hour is found within seconds, though the window had looked full."""
    policy = _policy(minute=1000, hour=20)
    assert 20 == await gateways.accepted(policy, 100)
    gateways.counters.counts = type(gateways.counters.counts)(
        {name: 15 if ".hour." in name else count for name, count in gateways.counters.counts.items()}
    )
    assert 0 == await gateways.accepted(policy, 2)
    gateways.clock.now += 2
    assert 5 == await gateways.accepted(policy, 50)


async def test_seconds_count_when_agreed(gateways: Gateways) -> None:
    """A limit per second holds beside the others."""
    policy = _policy(minute=100, hour=1000, second=3)
    accepted = []
    for _ in range(4):
        accepted.append(await gateways.accepted(policy, 9))
        gateways.clock.now += 1
    assert [3, 3, 3, 3] == accepted


async def test_headers(gateways: Gateways) -> None:
    """Limit, rest and end are those of the window with the least left; every window is told in the IETF fields."""
    first, second = await gateways.at_once(_policy(10, 11), 2)
    assert {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "8",
        "x-ratelimit-reset": "1795000020",
        "ratelimit-policy": '"minute";q=10;w=60, "hour";q=11;w=3600',
        "ratelimit": '"minute";r=8;t=20, "hour";r=9;t=3200',
    } == _told(second)
    assert ("9", 0) == (_told(first)["x-ratelimit-remaining"], first.retry_after)


async def test_refusal_tells_when_to_come_again(gateways: Gateways) -> None:
    """The end of every window that refuses; from memory the time that is left by then."""
    policy = _policy(minute=2, hour=1000)
    refused = next(one for one in await gateways.at_once(policy, 3) if not one.accepted)
    assert (False, 20, "0") == (refused.accepted, refused.retry_after, _told(refused)["x-ratelimit-remaining"])
    assert '"minute";r=0;t=20, "hour";r=998;t=3200' == _told(refused)["ratelimit"]
    gateways.clock.now += 12
    assert 8 == (await gateways.at_once(policy, 1))[0].retry_after
    hourly = next(one for one in await gateways.at_once(_policy(2, 2), 3, "other") if not one.accepted)
    assert (3188, "1795003200") == (hourly.retry_after, _told(hourly)["x-ratelimit-reset"])


async def test_nothing_is_accepted_uncounted(gateways: Gateways) -> None:
    """While nothing can count, every request fails; once it can, they are counted."""
    policy = _policy()
    gateways.counters.away = True
    answers = await asyncio.gather(*(gateways.replicas[0].count("o", policy) for _ in range(3)), return_exceptions=True)
    assert [Unavailable] * 3 == [type(answer) for answer in answers]
    gateways.counters.away = False
    assert 10 == await gateways.accepted(policy, 50)


async def test_who_gives_up_waiting_harms_nobody(gateways: Gateways) -> None:
    """One of several requests of a trip is cancelled; the others get their answers."""

    class Slow(MemoryCounters):
        async def add(self, increments: Sequence[tuple[str, int]]) -> list[int]:
            await asyncio.sleep(0.01)
            return await super().add(increments)

    limiter, policy = Limiter(Slow(), gateways.clock), _policy()

    async def ask() -> Verdict:
        return await limiter.count("o", policy)

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    await asyncio.sleep(0.005)
    asking[1].cancel()
    first, _, third = await asyncio.gather(*asking, return_exceptions=True)
    assert [True, True] == [isinstance(one, Verdict) and one.accepted for one in (first, third)]

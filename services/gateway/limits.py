"""Rate limits: requests counted in fixed windows, exactly, however many gateways count.

Every request adds one to its organization's count in each window, all windows in one trip to the broker, and the
counts that come back are its places: the request is accepted if no place is beyond the window's limit. Requests that
arrive together, or while others are on their way, share a trip. Nothing is ever accepted on a guess: without an answer
there is an error, never a free pass.

A refused request keeps its place in the shortest window alone; the places it took in longer ones are given back, so
that a client that hammers through one minute does not lose its hour. Counts therefore never lie below what was
accepted, and in the shortest window only grow: once that is full, requests are refused from memory until it ends. A
full longer window is believed for a moment only.

Source: contract/conventions.md, "Rate limits"; draft-ietf-httpapi-ratelimit-headers-10 for `RateLimit` and
`RateLimit-Policy`.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mesh.streams import quota_subject

_BELIEVED_SECONDS = 1.0
_REMEMBERED = 10_000

Headers = list[tuple[bytes, bytes]]


class Counting(Protocol):
    """Where requests are counted; see mesh.counters.Counters."""

    async def add(self, increments: Sequence[tuple[str, int]]) -> list[int]:
        """The counts after additions to subjects. Raises Unavailable."""

    async def tell(self, subject: str, amount: int) -> None:
        """Adds without an answer."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests one window takes."""

    window: str
    seconds: int
    limit: int


class Policy:
    """The quotas that hold at the same time, shortest window first. Each is itself alone: compare by identity."""

    __slots__ = ("header", "quotas")

    def __init__(self, quotas: Sequence[Quota]) -> None:
        self.quotas = tuple(sorted(quotas, key=lambda quota: quota.seconds))
        described = (f'"{quota.window}";q={quota.limit};w={quota.seconds}' for quota in self.quotas)
        self.header = (b"ratelimit-policy", ", ".join(described).encode())


class Verdict:
    """Whether a request is accepted, and how much is left."""

    __slots__ = ("_left", "_now", "_policy", "retry_after")

    def __init__(self, policy: Policy, left: Sequence[int], now: float) -> None:
        """`left` is what each quota leaves after this request, below zero where it has no place."""
        self._policy = policy
        self._left = left
        self._now = now
        over = [self._seconds(quota) for quota, rest in zip(policy.quotas, left, strict=True) if rest < 0]
        self.retry_after = max(over, default=0)
        """Seconds until every window that refuses has ended; 0 for an accepted request."""

    @property
    def accepted(self) -> bool:
        """Whether the request may go on."""
        return not self.retry_after

    def headers(self) -> Headers:
        """What the answer tells of the limits.

        The tightest window stands for all: one that refuses, else the one with the least left, of equals the last to
        end.
        """
        rests = [max(0, rest) for rest in self._left]
        quotas = self._policy.quotas
        _, end, tightest = min(
            (max(-1, self._left[at]), -_end(quota, self._now), at) for at, quota in enumerate(quotas)
        )
        told = ", ".join(
            f'"{quota.window}";r={rest};t={self._seconds(quota)}' for quota, rest in zip(quotas, rests, strict=True)
        )
        return [
            (b"x-ratelimit-limit", b"%d" % quotas[tightest].limit),
            (b"x-ratelimit-remaining", b"%d" % rests[tightest]),
            (b"x-ratelimit-reset", b"%d" % -end),
            self._policy.header,
            (b"ratelimit", told.encode()),
        ]

    def later(self, now: float) -> "Verdict":
        """The same refusal at another moment."""
        return Verdict(self._policy, self._left, now)

    def _seconds(self, quota: Quota) -> int:
        return max(1, math.ceil(_end(quota, self._now) - self._now))


class _Batch:
    """Requests of one organization that are counted together."""

    __slots__ = ("policy", "waiting", "who")

    def __init__(self, who: str, policy: Policy) -> None:
        self.who = who
        self.policy = policy
        self.waiting: list[asyncio.Future[Verdict]] = []


_Key = tuple[str, Policy]


class Limiter:
    """Counts requests and says which are accepted."""

    def __init__(self, counting: Counting, clock: Callable[[], float] = time.time) -> None:
        self._counting = counting
        self._clock = clock
        self._batches: dict[_Key, _Batch] = {}
        self._sending: dict[_Key, asyncio.Task[None]] = {}
        self._full: OrderedDict[_Key, tuple[float, Verdict]] = OrderedDict()

    def count(self, who: str, policy: Policy) -> Awaitable[Verdict]:
        """Counts a request of an organization or address now. Awaiting raises Unavailable while nothing can count."""
        waiting: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        key = (who, policy)
        refusal = self._remembered(key)
        if refusal is not None:
            waiting.set_result(refusal)
            return waiting
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = _Batch(who, policy)
            if key not in self._sending:  # it begins when all that has arrived by now has joined the batch
                self._sending[key] = asyncio.create_task(self._send_all(key))
        batch.waiting.append(waiting)
        return waiting

    def _remembered(self, key: _Key) -> Verdict | None:
        until, verdict = self._full.get(key, (0.0, None))
        now = self._clock()
        return verdict.later(now) if verdict is not None and now < until else None

    async def _send_all(self, key: _Key) -> None:
        """One batch at a time is on its way: what arrives meanwhile shares the next trip."""
        while batch := self._batches.pop(key, None):
            await self._send(batch)
        del self._sending[key]

    async def _send(self, batch: _Batch) -> None:
        try:
            verdicts = await self._judge(batch)
        except Exception as error:
            for waiting in batch.waiting:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for waiting, verdict in zip(batch.waiting, verdicts, strict=True):
            if not waiting.done():
                waiting.set_result(verdict)

    async def _judge(self, batch: _Batch) -> list[Verdict]:
        now, size, quotas = self._clock(), len(batch.waiting), batch.policy.quotas
        subjects = [quota_subject(batch.who, quota.window, _start(quota, now)) for quota in quotas]
        counts = await self._counting.add([(subject, size) for subject in subjects])
        firsts = [quota.limit - count + size - 1 for quota, count in zip(quotas, counts, strict=True)]
        accepted = max(0, min(size, min(firsts) + 1))
        verdicts = [Verdict(batch.policy, [left - place for left in firsts], now) for place in range(accepted)]
        if accepted < size:
            for subject in subjects[1:]:
                await self._counting.tell(subject, accepted - size)
            verdicts += [self._refusal(batch, [left - accepted for left in firsts], now)] * (size - accepted)
        return verdicts

    def _refusal(self, batch: _Batch, left: Sequence[int], now: float) -> Verdict:
        """One refusal for all, of which only what refuses is used up; remembered for as long as it surely holds."""
        given_back = [rest + (rest >= 0 and at > 0) for at, rest in enumerate(left)]
        refusal, ends = Verdict(batch.policy, given_back, now), _end(batch.policy.quotas[0], now)
        until = ends if left[0] < 0 else min(now + _BELIEVED_SECONDS, ends)
        self._full[batch.who, batch.policy] = (until, refusal)
        self._full.move_to_end((batch.who, batch.policy))
        if len(self._full) > _REMEMBERED:
            self._full.popitem(last=False)
        return refusal


def _start(quota: Quota, now: float) -> int:
    return int(now) - int(now) % quota.seconds


def _end(quota: Quota, now: float) -> int:
    return _start(quota, now) + quota.seconds

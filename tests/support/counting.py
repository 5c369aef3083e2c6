"""Counters without a broker, for tests of what is done with counts."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from mesh.errors import Unavailable

ENDLESS = {"minute": 1_000_000_000, "hour": 1_000_000_000}
"""Limits that no test reaches."""


class MemoryCounters:
    """Counts as the broker does; `trips` says how often it was asked."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.trips = 0
        self.away = False
        self.held: asyncio.Event | None = None
        """Answers wait for it."""

    async def add(self, increments: Sequence[tuple[str, int]]) -> list[int]:
        self.trips += 1
        await (self.held.wait() if self.held else asyncio.sleep(0))
        if self.away:
            raise Unavailable("The message broker is away.", dependency="nats")
        answers = []
        for subject, amount in increments:
            self.counts[subject] += amount
            answers.append(self.counts[subject])
        return answers

    async def tell(self, subject: str, amount: int) -> None:
        self.counts[subject] += amount

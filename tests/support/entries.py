"""Entries without a broker, for tests of what is done with them."""

import asyncio
from datetime import UTC, datetime, timedelta

from mesh.entries import Entry
from mesh.errors import Unavailable


class MemoryEntries:
    """Entries as the broker keeps them, by a clock that the test moves; `writes` counts them."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Entry, datetime]] = {}
        self.now = datetime(2026, 11, 22, tzinfo=UTC)
        self.writes = 0
        self.trips = 0
        self.away = False
        self.unheard = 0
        """How many writes from now on are made without an answer."""
        self._revision = 0

    def later(self, seconds: float) -> None:
        """Moves the clock."""
        self.now += timedelta(seconds=seconds)

    async def put(self, subject: str, payload: bytes, replaces: int, seconds: int) -> int | None:
        await self._trip()
        found = self._known(subject)
        if (found.revision if found else 0) != replaces:
            return None
        self._revision += 1
        self.writes += 1
        self.entries[subject] = (Entry(payload, self._revision, self.now), self.now + timedelta(seconds=seconds))
        if self.unheard:
            self.unheard -= 1
            raise Unavailable("The message broker is away.", dependency="nats")
        return self._revision

    async def get(self, subject: str) -> Entry | None:
        await self._trip()
        return self._known(subject)

    async def age(self, entry: Entry) -> float:
        await self._trip()
        return (self.now - entry.written_at).total_seconds()

    async def drop(self, revision: int) -> None:
        await self._trip()
        self.entries = {name: one for name, one in self.entries.items() if one[0].revision != revision}

    def _known(self, subject: str) -> Entry | None:
        entry, ends = self.entries.get(subject, (None, self.now))
        return entry if self.now < ends else None

    async def _trip(self) -> None:
        self.trips += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("The message broker is away.", dependency="nats")

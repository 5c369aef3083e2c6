"""Calls counted by this gateway, and told to the record as totals that can be told again without harm.

See docs/adr/0014-usage.md.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import islice

from mesh.errors import Unavailable
from mesh.streams import USAGE_EVENTS
from pagemesh.gateway.v1.events_pb2 import CallsCounted

SUBJECT = f"{USAGE_EVENTS}.calls"
_DAY_SECONDS = 86_400
_DAYS_KEPT = 2
_TELL_SECONDS = 1.0
_AT_ONCE = 5_000

Publish = Callable[[str, bytes, str], Awaitable[None]]
"""Publishes on a subject under a message id until the broker has confirmed. Raises Unavailable."""
Key = tuple[str, int]
"""Organization and day."""


class CallMeter:
    """Counts accepted calls by organization and day, UTC."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.gateway_id = str(uuid.uuid4())
        self._clock = clock
        self._totals: dict[Key, int] = {}
        self._untold: set[Key] = set()

    def count(self, organization_id: str) -> None:
        """Counts a call now."""
        key = (organization_id, self.today)
        self._totals[key] = self._totals.get(key, 0) + 1
        self._untold.add(key)

    @property
    def today(self) -> int:
        """Days since 1970-01-01, UTC."""
        return int(self._clock()) // _DAY_SECONDS

    def total(self, organization_id: str, first_day: int, last_day: int) -> int:
        """Calls of some days, of which those before yesterday may be forgotten."""
        days = range(max(first_day, self.today - _DAYS_KEPT), min(last_day, self.today) + 1)
        return sum(self._totals.get((organization_id, day), 0) for day in days)

    async def tell(self, publish: Publish) -> None:
        """Tells what has changed since it was told last. Raises Unavailable; the next time tells what this did not."""
        for keys in _pieces(list(self._untold)):
            event = CallsCounted(gateway_id=self.gateway_id)
            told = {key: self._totals[key] for key in keys}
            for (organization_id, day), calls in told.items():
                event.days.add(organization_id=organization_id, day=day, calls=calls)
            await publish(SUBJECT, event.SerializeToString(), f"calls.{uuid.uuid4()}")
            self._untold.difference_update(key for key, calls in told.items() if self._totals[key] == calls)
        self._forget()

    async def keep_telling(self, publish: Publish) -> None:
        """Tells every second for ever."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            with suppress(Unavailable):
                await self.tell(publish)

    def _forget(self) -> None:
        oldest = self.today - _DAYS_KEPT
        for key in [key for key in self._totals if key[1] < oldest and key not in self._untold]:
            del self._totals[key]


def _pieces(keys: list[Key]) -> Iterator[list[Key]]:
    iterator = iter(keys)
    while piece := list(islice(iterator, _AT_ONCE)):
        yield piece

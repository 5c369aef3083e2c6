"""How long jobs will take: by what waits before them, and by how fast such work was done of late.

Each replica measures its share of the facts as it takes them in; what the others measured is asked of the record once
a second, together with what waits. Nothing here is asked or written for a single job.
"""

import asyncio
import logging
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from uuid import uuid4

from mesh.errors import Unavailable
from mesh.streams import LANES, lane
from services.results.rates import Mix, Rate
from services.results.records import JobRecord
from services.results.store import Store
from services.results.store.tasks import TaskRecord
from services.results.work_left import Part, work_left

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_SHARE_OF_TIME = 0.02
"""What looking may take of the time: with very many tasks it is done more seldom."""
_FRESH_SECONDS = 10.0
_LONGEST_SECONDS = 1_000_000


class Forecast:
    """Estimates of unfinished jobs; None where a rate is needed that nobody has measured."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replica = uuid4()
        self._own: defaultdict[str, Rate] = defaultdict(Rate)
        self._mix = Mix()
        self._others: dict[str, float] = {}
        self._remembered: dict[str, float] = {}
        self._depth: Counter[tuple[str, str]] = Counter()
        self._under_way: Counter[str] = Counter()
        self._measured: set[str] = set()
        self._active = True
        self._handed_out = 0

    def seconds_left(self, job: JobRecord) -> int | None:
        """How long the job will still take."""
        stages = work_left(job, self._mix.mean())
        if stages is None:
            return None
        times = [[self._seconds(part, job.priority) for part in stage] for stage in stages]
        if any(seconds is None for stage in times for seconds in stage):
            return None
        total = sum(max((seconds or 0.0 for seconds in stage), default=0.0) for stage in times)
        return min(_LONGEST_SECONDS, max(1, math.ceil(total)))

    def note(self, done: Mapping[str, int], tasks: Iterable[TaskRecord]) -> None:
        """Measures what a transaction has committed: how much was done, by kind, and what was handed out."""
        now = time.monotonic()
        for kind, units in done.items():
            self._under_way[kind] -= units
            more = self._under_way[kind] > 0 or any(self._depth[kind, name] for name in LANES)
            self._own[kind].done(units, more, now)
            self._measured.add(kind)
        self._mix.add(done.get("inspect", 0), self.begun(tasks))

    def begun(self, tasks: Iterable[TaskRecord]) -> dict[str, int]:
        """Tasks were handed out; answers how much that is, by kind."""
        units: Counter[str] = Counter()
        for task in tasks:
            units[task.kind] += max(1, len(task.pages))
            self._own[task.kind].begun(time.monotonic())
        self._under_way.update(units)
        self._handed_out += units.total()
        self._active = self._active or bool(units)
        return units

    async def run(self) -> None:
        """Looks at what waits and at what others measured, for ever; not while nothing happens."""
        while True:
            began = time.monotonic()
            if self._active:
                await self._look_quietly()
            took = time.monotonic() - began
            await asyncio.sleep(max(_LOOK_SECONDS, took / _SHARE_OF_TIME))

    async def _look_quietly(self) -> None:
        try:
            await self.look()
        except Unavailable as error:
            log.debug("no look at what waits", extra={"error": error.message})
        except Exception:  # no estimate is worth the service
            log.exception("no look at what waits")

    async def look(self) -> None:
        """Tells what was measured here, and learns the rest. Raises Unavailable."""
        measured, self._measured = self._measured, set()
        handed_out = self._handed_out
        own = {kind: rate for kind in measured if (rate := self._own[kind].per_second) is not None}
        async with self._store.reading() as tables:
            await tables.rates.tell(self._replica, own)
            rates = await tables.rates.others(self._replica)
            self._depth = Counter(await tables.tasks.depth())
        self._others = _sums(rates, _FRESH_SECONDS)
        self._remembered = _sums(rates, math.inf)
        if handed_out == self._handed_out:  # else there is work that was not seen
            self._rest({kind for (kind, _), units in self._depth.items() if units})

    def _rest(self, waiting: Set[str]) -> None:
        """Stops the clocks of kinds of which nothing waits, and starts those of kinds that others handed out."""
        for kind in waiting:
            self._own[kind].begun(time.monotonic())
        for kind in self._own.keys() - waiting:
            self._own[kind].idle()
            self._under_way[kind] = 0
        self._active = bool(waiting)

    def _seconds(self, part: Part, priority: int) -> float | None:
        """Time of the part after what is before it; once begun, nothing in the same lane is."""
        own, rate = lane(priority), self._rate(part.kind)
        before = LANES[: LANES.index(own) + (0 if part.begun else 1)]
        return (sum(self._depth[part.kind, name] for name in before) + part.units) / rate if rate else None

    def _rate(self, kind: str) -> float | None:
        """All replicas' together; when nobody has measured of late, what was measured last."""
        own = self._own[kind].per_second
        if own is None and kind not in self._others:
            return self._remembered.get(kind)
        return (own or 0.0) + self._others.get(kind, 0.0)


def _sums(rates: Iterable[tuple[str, float, float]], within: float) -> dict[str, float]:
    """By kind, from (kind, rate, age): those that are as fresh as that, and were measured at the time of the newest."""
    fresh = [(kind, rate, age) for kind, rate, age in rates if age <= within]
    newest: dict[str, float] = {}
    for kind, _, age in fresh:
        newest[kind] = min(age, newest.get(kind, age))
    sums: dict[str, float] = {}
    for kind, rate, age in fresh:
        if age <= newest[kind] + _FRESH_SECONDS:
            sums[kind] = sums.get(kind, 0.0) + rate
    return sums

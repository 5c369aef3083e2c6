"""Where a document's time goes, seen from outside: its messages as the broker passes them on, and services' metrics.

A plain NATS subscriber gets a copy of every message at the moment that the broker takes it in; nothing of the stack
changes by that.
"""

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import nats
from nats.aio.msg import Msg
from prometheus_client.parser import text_string_to_metric_families

from pagemesh.work.v1.work_pb2 import Fact, Task

Key = tuple[str, str]


@dataclass
class Sightings:
    """When the broker took in which message of which job (`time.perf_counter`)."""

    task: dict[str, float] = field(default_factory=dict)
    fact: dict[str, float] = field(default_factory=dict)

    async def on_task(self, message: Msg) -> None:
        """The first task of each job."""
        self.task.setdefault(Task.FromString(message.data).job_id, time.perf_counter())

    async def on_fact(self, message: Msg) -> None:
        """The first fact of each job."""
        self.fact.setdefault(Fact.FromString(message.data).job_id, time.perf_counter())


@asynccontextmanager
async def watching(address: str) -> AsyncIterator[Sightings]:
    """Sightings that grow while the block lasts."""
    sightings = Sightings()
    connection = await nats.connect(address)
    try:
        await connection.subscribe("work.>", cb=sightings.on_task)
        await connection.subscribe("facts.>", cb=sightings.on_fact)
        await connection.flush()
        yield sightings
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Total:
    """Sum and count of a histogram."""

    seconds: float = 0.0
    count: float = 0.0

    def __sub__(self, other: "Total") -> "Total":
        return Total(self.seconds - other.seconds, self.count - other.count)

    @property
    def mean_ms(self) -> float:
        """Mean in milliseconds; 0 when nothing was counted."""
        return self.seconds / self.count * 1000 if self.count else 0.0


async def histograms(urls: Iterable[str]) -> dict[Key, Total]:
    """Every histogram of the pages, by (name, label values), summed over them."""
    pages = await asyncio.gather(*(asyncio.to_thread(_page, url) for url in urls))
    totals: dict[Key, Total] = {}
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                key = (family.name, " ".join(value for name, value in sorted(sample.labels.items()) if name != "le"))
                known = totals.get(key, Total())
                if sample.name == f"{family.name}_sum":
                    totals[key] = Total(known.seconds + sample.value, known.count)
                elif sample.name == f"{family.name}_count":
                    totals[key] = Total(known.seconds, known.count + sample.value)
    return totals


def grown(before: dict[Key, Total], after: dict[Key, Total]) -> dict[Key, Total]:
    """What was counted in between, where anything was."""
    differences = {key: total - before.get(key, Total()) for key, total in after.items()}
    return {key: total for key, total in differences.items() if total.count > 0}


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())

"""Jobs that nobody wants any more, as workers hear of them: what waits is dropped, what is under way is stopped.

Word comes over plain subjects, `cancel.<organization>.<job>`, a few times for each job, so that a worker that was away
for a moment hears it too. It says nothing of where the job is recorded, and a worker keeps nothing that matters: one
that never hears does work in vain, whose facts are refused.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from mesh.bus import Bus
from mesh.streams import CANCELLATIONS

_REMEMBERED = 10_000


class Dropped(Exception):
    """Nobody wants what the task is for: it counts as done."""


class Cancellations:
    """The jobs that were cancelled of late, and what runs here for any job."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._running: dict[str, set[asyncio.Task[None]]] = {}

    @classmethod
    async def heard_by(cls, bus: Bus) -> "Cancellations":
        """One that listens for as long as the bus is connected."""
        cancellations = cls()
        await bus.listen(CANCELLATIONS, cancellations.on_message)
        return cancellations

    def on_message(self, subject: str, payload: bytes) -> None:
        """Takes word of a cancelled job, stops what runs for it, and remembers it; a repeat changes nothing."""
        job_id = subject.rpartition(".")[2]
        if job_id in self._known:
            return
        self._known[job_id] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        for task in self._running.get(job_id, ()):
            task.cancel()

    async def run(self, job_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Does the work, unless its job is cancelled before it ends. Raises Dropped then, and what the work raises."""
        if job_id in self._known:
            work.close()
            raise Dropped
        task = asyncio.create_task(work)
        self._running.setdefault(job_id, set()).add(task)
        try:
            await task
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise  # the worker stops
            raise Dropped from None
        except Exception as error:
            if job_id in self._known:
                raise Dropped from error
            raise
        finally:
            self._ended(job_id, task)

    def _ended(self, job_id: str, task: asyncio.Task[None]) -> None:
        running = self._running[job_id]
        running.discard(task)
        if not running:
            del self._running[job_id]


def _is_being_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0

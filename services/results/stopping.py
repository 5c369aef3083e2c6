"""Work of cancelled jobs, stopped: workers are told, and tasks that wait are taken back from the broker.

What workers are told may get lost, so it is told a few times. A task's row stays, withdrawn, until its message is
gone: should this process die before, the reconciler of any replica goes on.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.streams import cancel_subject
from pagemesh.work.v1.work_pb2 import Task
from services.results import work
from services.results.records import JobRecord
from services.results.store import Store
from services.results.store.tasks import TaskRecord

log = logging.getLogger(__name__)

_TOLD_AGAIN_SECONDS = (0.25, 0.5, 1.0, 3.0, 10.0)
"""Pauses between one telling and the next: for whoever was reconnecting."""
_IN_FLIGHT = 16

Key = tuple[str, str]
"""Organization and job."""


class Stopping:
    """Stops the work of jobs that are recorded as cancelled, or that are recorded nowhere."""

    def __init__(self, bus: Bus, store: Store) -> None:
        self._bus = bus
        self._store = store
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._going_on: set[asyncio.Task[None]] = set()

    async def stop(self, jobs: Iterable[Key], tasks: Sequence[TaskRecord] = ()) -> None:
        """Tells every worker of the jobs, then goes on by itself: tells it again, and takes the tasks back."""
        jobs = list(jobs)
        await self._tell(jobs)
        await self._bus.flush()
        self._go_on(self._tell_again(jobs))
        self._go_on(self._take_back(tasks))

    async def again(self, tasks: Sequence[TaskRecord]) -> None:
        """What `stop` may have left undone, for withdrawn tasks whose check is due."""
        if tasks:
            await self._tell({_job_of(task) for task in tasks})
            await self._take_back(tasks)

    async def finish(self) -> None:
        """Leaves what is under way to the reconciler of another replica, or of the next start."""
        for task in self._going_on:
            task.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)

    def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    async def _tell(self, jobs: Iterable[Key]) -> None:
        for job in jobs:
            await self._bus.tell(cancel_subject(*job), b"")

    async def _tell_again(self, jobs: Sequence[Key]) -> None:
        for pause in _TOLD_AGAIN_SECONDS:
            await asyncio.sleep(pause)
            await self._tell(jobs)

    async def _take_back(self, tasks: Sequence[TaskRecord]) -> None:
        """Those whose place in the stream is known: the reconciler finds out the others'."""
        known = [task for task in tasks if task.sequence is not None]
        try:
            await asyncio.gather(*(self._take_back_one(task) for task in known))
            if known:
                async with self._store.reading() as tables:
                    await tables.tasks.forget([task.id for task in known])
        except Unavailable as error:
            log.warning("tasks not taken back yet", extra={"count": len(known), "error": error.message})

    async def _take_back_one(self, task: TaskRecord) -> None:
        async with self._slots:
            await self._bus.take_back("WORK", task.sequence or 0, work.message_id(task))


def key_of(job: JobRecord) -> Key:
    """By which workers know the job."""
    return str(job.organization_id), str(job.id)


def _job_of(task: TaskRecord) -> Key:
    message = Task.FromString(task.payload)
    return message.organization_id, message.job_id

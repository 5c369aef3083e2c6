"""The outbox: tasks committed with the state that wants them, then published, and published again if they get lost.

A task's row lives until the task is done. Publishing follows the commit at once; a crash in between, a broker that
was away, or one that lost its store is made good by `Reconciler`, which knows from PostgreSQL alone what is
unfinished.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from uuid import UUID

from mesh.bus import Bus
from mesh.errors import PagemeshError, Unavailable
from mesh.streams import fact_subject, work_subject
from mesh.tasks import failure
from services.results import work
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.store.tasks import TaskRecord

log = logging.getLogger(__name__)

_IN_FLIGHT = 64
_NOTE_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_LOOK_AT = 500
_PUBLISH_SECONDS = 1.0
_ON_THE_WAY_SECONDS = 25.0
_REMEMBER_SECONDS = 120.0
MAX_ATTEMPTS = 6
"""How often a task is published; one that gets lost that often would get lost for ever."""


class Outbox:
    """Publishes committed tasks and notes where the broker keeps them."""

    def __init__(self, bus: Bus, store: Store) -> None:
        self._bus = bus
        self._store = store
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._publishing: set[asyncio.Task[None]] = set()
        self._confirmed: list[tuple[UUID, int, int]] = []

    def hand_out(self, tasks: Sequence[TaskRecord]) -> None:
        """Publishes the tasks soon. What fails here is published by the reconciler."""
        for task in tasks:
            publishing = asyncio.create_task(self._publish(task))
            self._publishing.add(publishing)
            publishing.add_done_callback(self._publishing.discard)

    async def note_confirmations(self) -> None:
        """Notes for ever, a batch at a time, what the broker has confirmed: most small tasks are done by then."""
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            await self._note()

    async def finish(self) -> None:
        """Ends what was begun."""
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=5)
        await self._note()

    async def _publish(self, task: TaskRecord) -> None:
        subject = work_subject(task.kind, task.lane)
        async with self._slots:
            try:
                _, sequence = await self._bus.publish(
                    subject, work.message(task), work.message_id(task), _PUBLISH_SECONDS, task.headers
                )
            except PagemeshError as error:
                log.warning("task not published yet", extra={"task": str(task.id), "error": error.message})
            else:
                self._confirmed.append((task.id, task.attempt, sequence))

    async def _note(self) -> None:
        confirmed, self._confirmed = self._confirmed, []
        if not confirmed:
            return
        try:
            async with self._store.reading() as tables:
                await tables.tasks.published(confirmed)
        except Unavailable:
            log.warning("confirmations not noted: the tasks will be published again")


class Reconciler:
    """Publishes again whatever is unfinished and neither waits nor is worked on.

    A work queue keeps a message until it is acknowledged, and a worker acknowledges only after its facts are durable.
    So a task is live while its message is in the stream, or its facts wait to be taken in. Tasks that nobody wants any
    more are taken back, also when whoever stopped them died at it.
    """

    def __init__(self, bus: Bus, store: Store, outbox: Outbox, stopping: Stopping) -> None:
        self._bus = bus
        self._store = store
        self._outbox = outbox
        self._stopping = stopping
        self._missing: dict[str, float] = {}

    async def run(self) -> None:
        """Looks for lost tasks for ever."""
        self._bus.on_restore(self._suspect_all)
        while True:
            try:
                checked = await self.look()
            except Unavailable as error:
                log.warning("cannot reconcile yet", extra={"error": error.message})
                checked = 0
            if checked < _LOOK_AT:
                await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> int:
        """Checks the tasks that are due; answers how many. Raises Unavailable."""
        await self._bus.check()
        async with self._store.reading() as tables:
            due = await tables.tasks.due(_LOOK_AT)
        if not due:
            return 0
        unpublished = [task for task in due if task.sequence is None]
        self._outbox.hand_out(unpublished)
        await self._stopping.again([task for task in due if task.withdrawn])
        published = [task for task in due if task.sequence is not None and not task.withdrawn]
        held = await asyncio.gather(*(self._held(task) for task in published))
        missing = [task for task, alive in zip(published, held, strict=True) if not alive]
        lost = self._surely_lost(missing, await self._bus.depth("FACTS") == 0) if missing else []
        if lost:
            await self._publish_again(lost)
        return len(due)

    async def _held(self, task: TaskRecord) -> bool:
        return await self._bus.holds("WORK", task.sequence or 0, work.message_id(task))

    def _surely_lost(self, missing: Sequence[TaskRecord], no_facts_wait: bool) -> list[TaskRecord]:
        """Those of the tasks whose facts cannot be on their way, or have been so for too long."""
        now = time.monotonic()
        self._missing = {key: since for key, since in self._missing.items() if now - since < _REMEMBER_SECONDS}
        waited = {task.id: now - self._missing.setdefault(work.message_id(task), now) for task in missing}
        return [task for task in missing if no_facts_wait or waited[task.id] > _ON_THE_WAY_SECONDS]

    async def _publish_again(self, lost: Sequence[TaskRecord]) -> None:
        log.warning("publishing lost tasks again", extra={"count": len(lost)})
        for task in lost:
            if task.attempt >= MAX_ATTEMPTS:
                fact, fact_id = failure(str(task.id), str(task.job_id), task.attempt)
                await self._bus.publish(fact_subject("results"), fact, fact_id, _PUBLISH_SECONDS)
        lost = [task for task in lost if task.attempt < MAX_ATTEMPTS]
        async with self._store.transaction() as tables:
            again = [await tables.tasks.again(task) for task in sorted(lost, key=lambda task: task.id)]
        self._outbox.hand_out([task for task in again if task])

    async def _suspect_all(self) -> None:
        try:
            async with self._store.reading() as tables:
                await tables.tasks.check_all()
        except Unavailable:
            log.warning("tasks not suspected: the database is away")

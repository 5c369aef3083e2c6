"""Attempts handed out: published as work when they are due, and again when that may be lost.

A delivery's row lives until it has ended, so that PostgreSQL alone tells what is unfinished. Publishing follows the
commit that made the delivery; whatever is missed, or due later, is found by its time.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

from mesh.bus import Bus
from mesh.errors import PagemeshError, Unavailable
from mesh.streams import work_subject
from pagemesh.work.v1.work_pb2 import DeliverTask, Task
from services.results.store import Store
from services.results.webhooks.records import DeliveryRecord

log = logging.getLogger(__name__)

KIND = "deliver"
KEPT_DAYS = 30
"""How long deliveries that have ended can be looked up, and delivered again."""
_IN_FLIGHT = 32
_PUBLISH_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_LOOK_AT = 500
_FORGET_SECONDS = 3_600.0


class DeliveryOutbox:
    """Publishes attempts."""

    def __init__(self, bus: Bus, store: Store) -> None:
        self._bus = bus
        self._store = store
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._publishing: set[asyncio.Task[None]] = set()
        self._forget_at = 0.0

    def hand_out(self, deliveries: Sequence[DeliveryRecord]) -> None:
        """Publishes the next attempts at the deliveries soon. What fails here is found by `run`."""
        for delivery in deliveries:
            publishing = asyncio.create_task(self._publish(delivery))
            self._publishing.add(publishing)
            publishing.add_done_callback(self._publishing.discard)

    async def run(self) -> None:
        """Hands out what is due, for ever."""
        self._bus.on_restore(self._suspect_all)
        while True:
            try:
                found = await self._look()
            except Unavailable as error:
                log.warning("cannot look for deliveries yet", extra={"error": error.message})
                found = 0
            if found < _LOOK_AT:
                await asyncio.sleep(_LOOK_SECONDS)

    async def finish(self) -> None:
        """Ends what was begun."""
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=5)

    async def _look(self) -> int:
        await self._bus.check()
        async with self._store.reading() as tables:
            due = await tables.webhooks.due(_LOOK_AT)
            if time.monotonic() > self._forget_at:
                await tables.webhooks.forget(KEPT_DAYS)
                self._forget_at = time.monotonic() + _FORGET_SECONDS
        self.hand_out(due)
        return len(due)

    async def _publish(self, delivery: DeliveryRecord) -> None:
        task = Task(
            id=str(delivery.id),
            organization_id=str(delivery.organization_id),
            attempt=delivery.attempts,
            deliver=DeliverTask(delivery_id=str(delivery.id)),
        )
        subject, message_id = work_subject(KIND, delivery.lane), f"{delivery.id}.{delivery.attempts}"
        async with self._slots:
            try:
                await self._bus.publish(subject, task.SerializeToString(), message_id, _PUBLISH_SECONDS)
            except PagemeshError as error:
                log.warning("delivery not published yet", extra={"delivery": message_id, "error": error.message})

    async def _suspect_all(self) -> None:
        try:
            async with self._store.reading() as tables:
                await tables.webhooks.check_all()
        except Unavailable:
            log.warning("deliveries not suspected: the database is away")

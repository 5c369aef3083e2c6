"""Attempts made: claimed, so that no two replicas make the same one, sent, and noted."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from mesh.errors import Unavailable
from mesh.worker import WorkerSpec
from pagemesh.work.v1.work_pb2 import Task
from services.results.store import Store
from services.results.webhooks import events
from services.results.webhooks.outbox import KIND
from services.results.webhooks.records import Claimed, Outcome
from services.results.webhooks.schedule import Schedule
from services.results.webhooks.secrets import Secrets
from services.results.webhooks.sender import Sender

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.3
_PREFETCH = 4


@dataclass(frozen=True)
class Terms:
    """How deliveries are made here."""

    schedule: Schedule
    seconds: float
    """How long an attempt may take."""
    slots: int
    """Attempts at a time."""
    public_url: str = ""


class InMemory(Protocol):
    """Makes attempts at deliveries that no table has."""

    async def deliver(self, task: Task) -> None:
        """Makes the attempt. Raises Later, Unavailable."""

    async def give_up(self, task: Task) -> None:
        """The attempt never ended."""


class Deliveries:
    """Makes attempts at deliveries."""

    def __init__(self, store: Store, in_memory: InMemory, secrets: Secrets, sender: Sender, terms: Terms) -> None:
        """`in_memory` makes those about zero-log work."""
        self._store = store
        self._in_memory = in_memory
        self._secrets = secrets
        self._sender = sender
        self._terms = terms

    def spec(self) -> WorkerSpec:
        """The worker that does it."""
        return WorkerSpec(KIND, self.deliver, self.give_up, self._terms.slots, _PREFETCH)

    async def deliver(self, payload: bytes) -> None:
        """Makes the attempt, unless somebody has. Raises Unavailable before it was begun, and never after; Later."""
        task = Task.FromString(payload)
        if task.HasField("expires_at"):
            return await self._in_memory.deliver(task)
        claimed = await self._claim(task)
        if claimed is None:
            return None
        outcome = await self._send(claimed)
        log.info("webhook", extra={"delivery": str(claimed.delivery.id), "status": outcome.status_code, **why(outcome)})
        return await self._note(claimed, outcome)

    async def give_up(self, payload: bytes, deliveries: int) -> None:
        """The attempt was begun time and again, and never ended; the next one may."""
        task = Task.FromString(payload)
        if task.HasField("expires_at"):
            return await self._in_memory.give_up(task)
        claimed = await self._claim(task)
        return None if claimed is None else await self._note(claimed, Outcome(error="worker_lost"))

    async def _claim(self, task: Task) -> Claimed | None:
        lease = 2 * self._terms.seconds + 1  # what an attempt takes, and as long again to note it
        async with self._store.reading() as tables:
            return await tables.webhooks.claim(UUID(task.deliver.delivery_id), task.attempt, lease)

    async def _send(self, claimed: Claimed) -> Outcome:
        delivery = claimed.delivery
        body = events.body(delivery, self._terms.public_url)
        secrets = self._secrets.signing(delivery.organization_id, claimed.secret)
        return await self._sender.post(delivery.url, events.headers(str(delivery.id), body, secrets), body)

    async def _note(self, claimed: Claimed, outcome: Outcome) -> None:
        """Tries until it is noted: a receiver that has the event should not get it again."""
        pause = self._terms.schedule.pause(claimed.tried, claimed.age, outcome)
        while True:
            try:
                async with self._store.reading() as tables:
                    return await tables.webhooks.note(claimed.delivery, outcome, pause)
            except Unavailable as error:
                log.warning("an attempt waits to be noted", extra={"error": error.message})
                await asyncio.sleep(_PAUSE_SECONDS)


def why(outcome: Outcome) -> dict[str, str]:
    """What a log line tells of an attempt that failed."""
    return {"error": outcome.error} if outcome.error else {}

"""Attempts at telling of zero-log work: all that is needed for one is in memory, and ends with the work.

A message is one attempt. When that fails, the next one is published before the message is acknowledged, and handed
back to the broker until it is due. So whatever dies, the broker has the attempt. Where the broker takes no more, the
message itself is handed back for the next attempt.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mesh import context
from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.tasks import expiry
from mesh.worker import Later
from pagemesh.work.v1.work_pb2 import Task
from services.results.ephemeral.calls import hand_out_call
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.state import State, moment
from services.results.store import Store
from services.results.webhooks import events
from services.results.webhooks.deliveries import Terms, why
from services.results.webhooks.records import DeliveryRecord, Outcome
from services.results.webhooks.secrets import Secrets
from services.results.webhooks.sender import Sender

log = logging.getLogger(__name__)

_LOOKS = 20
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 20.0
"""So that an attempt without an end outlives the time in which the broker takes the next one for a repeat of it."""


class EphemeralDeliveries:
    """Makes attempts."""

    def __init__(self, bus: Bus, store: Store, memory: Memory, secrets: Secrets, sender: Sender, terms: Terms) -> None:
        self._bus = bus
        self._store = store
        self._memory = memory
        self._secrets = secrets
        self._sender = sender
        self._terms = terms

    async def deliver(self, task: Task) -> None:
        """Makes the attempt. Raises Later when it is not due; Unavailable before it was begun, and never after."""
        _require_due(task)
        call = await self._ended(task)
        if call is not None:
            outcome = await self._send(call)
            log.info("webhook", extra={"delivery": task.id, "status": outcome.status_code, **why(outcome)})
            await self._go_on(task, call, outcome)

    async def give_up(self, task: Task) -> None:
        """The attempt was begun time and again, and never ended; the next one may."""
        state = await self._state(task)
        call = state and _call(state, task)
        if call:
            await self._go_on(task, call, Outcome(error="worker_lost"))

    async def _ended(self, task: Task) -> DeliveryRecord | None:
        """What is to be told; None when the end was another. Raises Later, Unavailable.

        An attempt is there before its end is: nothing in memory may mean that it is about to be written. What is
        forgotten takes its attempts along, so that they are not waited for for long.
        """
        for _ in range(_LOOKS):
            state = await self._state(task)
            call = _call(state, task) if state else None
            if call or (state and _is_over(state, UUID(task.job_id))):
                return call
            await asyncio.sleep(_LOOK_SECONDS)
        raise Later(_AGAIN_SECONDS)  # whoever was to write it may have died, and somebody else will

    async def _state(self, task: Task) -> State | None:
        found = await self._memory.load(UUID(task.organization_id), UUID(task.deliver.root_id))
        return found[0] if found else None

    async def _send(self, call: DeliveryRecord) -> Outcome:
        async with self._store.reading() as tables:
            version = await tables.webhook_log.secret(call.organization_id)
        body = events.body(call, self._terms.public_url)
        secrets = self._secrets.signing(call.organization_id, version)
        return await self._sender.post(call.url, events.headers(str(call.id), body, secrets), body)

    async def _go_on(self, task: Task, call: DeliveryRecord, outcome: Outcome) -> None:
        """Hands out the next attempt, if there is to be one. Raises Later when the broker takes none."""
        expires_at = expiry(task)
        assert expires_at is not None
        assert call.created_at is not None
        # The last attempt has to end before what it is about does.
        left = (expires_at - call.created_at).total_seconds() - self._terms.seconds
        schedule = replace(self._terms.schedule, give_up_seconds=min(left, self._terms.schedule.give_up_seconds))
        pause = schedule.pause(task.attempt + 1, (moment() - call.created_at).total_seconds(), outcome)
        if pause is None:
            return
        following = Task()
        following.CopyFrom(task)
        following.attempt += 1
        following.deliver.due_at.FromDatetime(moment() + timedelta(seconds=pause))
        headers = context.outgoing_headers()
        try:
            await hand_out_call(self._bus, following, call.lane, expires_at, headers)
        except Unavailable as error:
            raise Later(pause) from error


def _require_due(task: Task) -> None:
    if not task.deliver.HasField("due_at"):
        return
    left = (task.deliver.due_at.ToDatetime(UTC) - datetime.now(UTC)).total_seconds()
    if left > 0:
        raise Later(left)


def _call(state: State, task: Task) -> DeliveryRecord | None:
    return next((call for call in state.calls if str(call.id) == task.id), None)


def _is_over(state: State, thing_id: UUID) -> bool:
    """Whether the job or run has ended, so that no other end of it is to come soon; not while it is not there yet."""
    kept = state.run(thing_id)
    if kept:
        return all(job.ended for job in state.view(kept).jobs)
    job = state.job(thing_id)
    return job is not None and job.ended

"""Facts taken in: a batch from the broker, one transaction, then acknowledged, published and told.

Facts of many jobs share a transaction, so that under load a commit costs less than a fact; a batch that fails is
taken one by one, so that a bad fact harms itself alone.
"""

import asyncio
import logging
from contextlib import suppress
from uuid import UUID

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from mesh import context, dead
from mesh.blobs import Blobs
from mesh.bus import MESSAGE_ID, Bus
from mesh.errors import Unavailable
from mesh.pull import PullConsumer
from mesh.streams import fact_subject
from mesh.tasks import failure
from mesh.worker import MAX_DELIVERIES
from pagemesh.work.v1.work_pb2 import Fact
from services.results.forecast import Forecast
from services.results.outbox import Outbox
from services.results.recording import Received, Recording
from services.results.status import StatusFeed
from services.results.store import Store

log = logging.getLogger(__name__)

_BATCH = 32
_PAUSE_SECONDS = 0.3
_HAND_BACK_SECONDS = 5.0


class Intake:
    """Takes facts in until cancelled."""

    def __init__(
        self, bus: Bus, store: Store, blobs: Blobs, outbox: Outbox, status: StatusFeed, forecast: Forecast
    ) -> None:
        self._bus = bus
        self._store = store
        self._blobs = blobs
        self._outbox = outbox
        self._status = status
        self._forecast = forecast
        self._queue: asyncio.Queue[Msg] = asyncio.Queue()
        self._stopping = False
        self._consumer = PullConsumer(bus, "FACTS", "results", "facts.>", 2 * _BATCH, self._queue.put_nowait)

    async def run(self) -> None:
        """Takes facts in for ever."""
        await self._consumer.start()
        while not self._stopping:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            for _ in batch:
                self._consumer.taken()
            await self._take(batch)

    async def stop(self) -> None:
        """Takes no more and hands back what waits; the batch in hand is finished by `run`."""
        self._stopping = True
        await self._consumer.stop()
        while not self._queue.empty():
            with suppress(NatsError):
                await self._queue.get_nowait().nak()

    async def _take(self, batch: list[Msg]) -> None:
        while True:
            try:
                return await self._record(batch)
            except Unavailable as error:
                log.warning("facts wait", extra={"error": error.message})
                await asyncio.sleep(_PAUSE_SECONDS)
            except Exception:
                return await self._take_apart(batch)

    async def _take_apart(self, batch: list[Msg]) -> None:
        if len(batch) == 1:
            return await self._refuse(batch[0])
        for message in batch:
            await self._take([message])
        return None

    async def _record(self, batch: list[Msg]) -> None:
        received = [_received(message) for message in batch]
        async with self._store.transaction() as tables:
            recording = Recording(tables, self._blobs, self._forecast.seconds_left)
            await recording.take(received)
        self._forecast.note(recording.done, recording.tasks)
        self._outbox.hand_out(recording.tasks)
        await self._status.tell(recording.jobs)
        for key in recording.orphans:
            with suppress(Unavailable):
                await self._blobs.delete(key)
        for message in batch:
            with suppress(NatsError):  # it comes again, and changes nothing
                await message.ack()

    async def _refuse(self, message: Msg) -> None:
        deliveries = message.metadata.num_delivered
        log.exception("fact not taken in", extra={"deliveries": deliveries})
        with suppress(NatsError):
            if deliveries < MAX_DELIVERIES:
                await message.nak(delay=_HAND_BACK_SECONDS)
                return
            message_id = (message.headers or {}).get(MESSAGE_ID, message.reply)
            await self._bus.publish(*dead.copy(dead.FACT, message.data), f"dead.{message_id}")
            await self._fail_task(message.data)
            await message.ack()

    async def _fail_task(self, payload: bytes) -> None:
        """The task must not wait for a fact that cannot be taken in."""
        try:
            fact = Fact.FromString(payload)
            UUID(fact.task_id), UUID(fact.job_id)
        except (DecodeError, ValueError):
            return  # it is about no task of ours
        if not fact.HasField("failed"):
            await self._bus.publish(fact_subject("results"), *failure(fact.task_id, fact.job_id, fact.attempt))


def _received(message: Msg) -> Received:
    headers = message.headers or {}
    carried = {key: headers[key] for key in (context.REQUEST_ID_KEY, context.TRACEPARENT_KEY) if key in headers}
    return Received(Fact.FromString(message.data), carried)

"""Calls that gateways tell, taken in a batch at a time.

A gateway tells totals, so a message that comes twice, late or after a newer one changes nothing; see
docs/adr/0014-usage.md.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta
from uuid import UUID

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.pull import PullConsumer
from mesh.streams import USAGE_EVENTS
from pagemesh.gateway.v1.events_pb2 import CallsCounted
from services.results.store import Store
from services.results.store.usage import CallsKey

log = logging.getLogger(__name__)

EPOCH = date(1970, 1, 1)
_BATCH = 64
_PAUSE_SECONDS = 0.5


class Metering:
    """Takes usage events in until cancelled."""

    def __init__(self, bus: Bus, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[Msg] = asyncio.Queue()
        subject = f"{USAGE_EVENTS}.>"
        self._consumer = PullConsumer(bus, "EVENTS", "results-usage", subject, 2 * _BATCH, self._queue.put_nowait)

    async def run(self) -> None:
        """Takes events in for ever."""
        await self._consumer.start()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            for _ in batch:
                self._consumer.taken()
            await self._take(batch)

    async def _take(self, batch: list[Msg]) -> None:
        counted = totals(message.data for message in batch)
        while True:
            try:
                async with self._store.reading() as tables:
                    await tables.usage.count_calls(counted)
                break
            except Unavailable as error:
                log.warning("usage waits", extra={"error": error.message})
                await asyncio.sleep(_PAUSE_SECONDS)
        for message in batch:
            with suppress(NatsError):  # it comes again, and changes nothing
                await message.ack()


def totals(payloads: Iterable[bytes]) -> dict[CallsKey, int]:
    """The largest total of each organization, day and gateway; what cannot be read is left out, and logged."""
    largest: dict[CallsKey, int] = {}
    for payload in payloads:
        try:
            event = CallsCounted.FromString(payload)
            gateway = UUID(event.gateway_id)
            for one in event.days:
                key = (UUID(one.organization_id), EPOCH + timedelta(days=one.day), gateway)
                largest[key] = max(one.calls, largest.get(key, 0))
        except (DecodeError, ValueError, OverflowError):
            log.exception("an event that is none")
    return largest

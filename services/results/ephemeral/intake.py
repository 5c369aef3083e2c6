"""Facts of zero-log jobs taken in. One that cannot be is dropped and its task given up: there is no copy of it."""

import logging
from contextlib import suppress
from uuid import UUID

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.streams import FACTS_EPHEMERAL, LONGEST_ZERO_LOG_SECONDS, ephemeral_fact_subject
from mesh.tasks import failure
from mesh.worker import MAX_DELIVERIES
from pagemesh.work.v1.work_pb2 import Fact
from services.results.ephemeral.recording import Recording
from services.results.forecast import Forecast
from services.results.intake import Intake, received_of
from services.results.outbox import Outbox
from services.results.status import StatusFeed
from services.results.store import Store

log = logging.getLogger(__name__)

_HAND_BACK_SECONDS = 5.0


class EphemeralIntake(Intake):
    """Takes facts of zero-log jobs in until cancelled."""

    stream, subject = FACTS_EPHEMERAL, "zlfacts.>"

    def __init__(
        self,
        bus: Bus,
        store: Store,
        blobs: Blobs,
        outbox: Outbox,
        status: StatusFeed,
        forecast: Forecast,
        recording: Recording,
    ) -> None:
        super().__init__(bus, store, blobs, outbox, status, forecast)
        self._recording = recording

    async def _record(self, batch: list[Msg]) -> None:
        await self._recording.take([received_of(message) for message in batch])
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
            await self._fail_task(message.data)
            await message.ack()

    async def _fail_task(self, payload: bytes) -> None:
        try:
            fact = Fact.FromString(payload)
            UUID(fact.task_id), UUID(fact.job_id)
        except (DecodeError, ValueError):
            return  # it is about no task of ours
        if not fact.HasField("failed"):
            lost, message_id = failure(fact.task_id, fact.job_id, fact.attempt)
            subject = ephemeral_fact_subject("results", fact.job_id)
            await self._bus.publish(subject, lost, message_id, seconds=LONGEST_ZERO_LOG_SECONDS)

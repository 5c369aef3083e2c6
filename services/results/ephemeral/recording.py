"""Facts of zero-log jobs, recorded: in memory what they say, in the ledger how much it was.

The order makes every crash harmless: pages are kept, each once; tasks are handed out, under ids that follow from their
job, try and pages, so that a second time changes nothing, and so are calls of those who are to be told of an end; then
the state is written over the one that was read; then analyses are handed out, which look into that; then counts,
which only grow. A fact is acknowledged after all of that, and one that comes again finds it done, or does the rest.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.memory_blobs import seconds_until
from mesh.streams import ephemeral_work_subject, lane
from services.results import work
from services.results.ephemeral.calls import call_task, hand_out_call
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import job_message
from services.results.ephemeral.state import State
from services.results.ephemeral.taking import Taking
from services.results.recording import Received
from services.results.records import JobRecord, NewTask
from services.results.status import StatusFeed
from services.results.store import Store
from services.results.store.ledger import Counts, LedgerRow
from services.results.webhooks.records import DeliveryRecord

_TRIES = 20
_AT_ONCE = 64
_PUBLISH_SECONDS = 3.0


class Recording:
    """Records facts of any zero-log jobs."""

    def __init__(self, bus: Bus, store: Store, memory: Memory, status: StatusFeed) -> None:
        self._bus = bus
        self._store = store
        self._memory = memory
        self._status = status

    async def take(self, received: Iterable[Received]) -> None:
        """Records the facts; those of jobs that are gone are refused silently. Raises Unavailable."""
        by_job: dict[UUID, list[Received]] = {}
        for one in received:
            by_job.setdefault(UUID(one.fact.job_id), []).append(one)
        async with self._store.reading() as tables:
            rows = await tables.ledger.of_jobs(by_job)
        by_root: dict[UUID, list[LedgerRow]] = {}
        for row in rows.values():
            by_root.setdefault(row.root_id, []).append(row)
        await asyncio.gather(
            *(self._take(root, [one for row in root for one in by_job[row.id]]) for root in by_root.values())
        )

    async def _take(self, rows: Sequence[LedgerRow], received: Sequence[Received]) -> None:
        organization_id, root_id = rows[0].organization_id, rows[0].root_id
        for _ in range(_TRIES):
            found = await self._memory.load(organization_id, root_id)
            if found is None:  # deleted, say, while this was on its way, and so may have been large pages of it
                await self._memory.erase(organization_id, root_id, [row.id for row in rows])
                return None
            state, revision = found
            taking = Taking(self._memory, state)
            await taking.take([one.fact for one in received])
            await self.hand_out(state, [one for one in taking.wanted if not _reads_all(one)], received[0].headers)
            await self.call(state, taking.calls, received[0].headers)
            if not taking.changed or await self._memory.save(state, revision):
                if not all(one.fact.HasField("analyzed") for one in received):
                    await self.hand_out(state, filter(_reads_all, state.outstanding()), received[0].headers)
                return await self.tell(state, [job for row in rows if (job := state.job(row.id))], taking.changed)
        raise Unavailable("Too many change the same work at once.")

    async def hand_out(
        self, state: State, tasks: Iterable[tuple[JobRecord, NewTask]], headers: Mapping[str, str]
    ) -> None:
        """Publishes tasks; one that was published before is not published twice. Raises Unavailable."""
        wanted = list(tasks)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            await asyncio.gather(*(self._publish(state, job, task, dict(headers)) for job, task in some))

    async def call(self, state: State, calls: Iterable[DeliveryRecord], headers: Mapping[str, str]) -> None:
        """Has somebody told of ends that are about to be written. Raises Unavailable."""
        for call in calls:
            task = call_task(state, call)
            await hand_out_call(self._bus, task, call.lane, state.expires_at, headers)

    async def tell(self, state: State, counted: Iterable[JobRecord], changed: Iterable[JobRecord]) -> None:
        """Counts what jobs have used so far, and tells those that have changed."""
        counts = [Counts(job.id, job.pages_done, state.tokens.get(job.id, 0), job.ended) for job in counted]
        async with self._store.reading() as tables:
            await tables.ledger.count(counts)
        await self._status.tell_messages(job_message(state, job) for job in changed)

    async def _publish(self, state: State, job: JobRecord, wanted: NewTask, headers: dict[str, str]) -> None:
        task = work.ephemeral_task(job, state.document, wanted, state.expires_at)
        subject = ephemeral_work_subject(wanted.kind, lane(job.priority), str(job.id))
        await self._bus.publish(
            subject,
            task.SerializeToString(),
            f"{task.id}.{task.attempt}",
            _PUBLISH_SECONDS,
            headers,
            seconds_until(state.expires_at),
        )


def _reads_all(wanted: tuple[JobRecord, NewTask]) -> bool:
    """Whether it looks at all that was read, and so has to be done after that was written."""
    return wanted[1].kind == "analyze"

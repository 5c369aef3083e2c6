"""The status feed: what this gateway knows of jobs without asking.

Every change of a job is told to every gateway; the feed keeps the newest of each job, for as many jobs as it may.
What it keeps is *warm*, good to answer a poll with, only as long as it can be trusted:

- an unfinished job for 2 s after it was last told or asked for, and only while the feed is connected;
- a finished one for 60 s, but for a failed one, which can be tried again: that counts as unfinished.

Otherwise the next poll asks the record, once for all who wait. Messages may be lost or come twice or late: an older
revision never replaces a newer one. A job that is told as gone, since its document was deleted, is forgotten at once,
and a zero-log job when its time is up.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from pagemesh.results.v1 import job_pb2

UNFINISHED_SECONDS = 2.0
FINISHED_SECONDS = 60.0
_GONE_REMEMBERED = 1_000
_FINAL = frozenset({job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_CANCELLED})
ENDED = _FINAL | {job_pb2.JOB_STATE_FAILED}

Key = tuple[str, str]
"""Organization and job. Another organization's job is another key: as unknown as one that does not exist."""
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Status:
    """A job's status as it goes over the wire."""

    body: bytes
    etag: str
    headers: Headers
    """Those of a 200; a 304 has the same but for those that describe a body."""
    unchanged_headers: Headers


class Entry:
    """The newest that is known of a job."""

    __slots__ = ("_render", "_status", "fresh_until", "job")

    def __init__(self, job: job_pb2.Job, fresh_until: float, render: Callable[[job_pb2.Job], Status]) -> None:
        self.job = job
        self.fresh_until = fresh_until
        self._render = render
        self._status: Status | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change by itself any more."""
        return self.job.state in ENDED

    @property
    def final(self) -> bool:
        """Whether nothing can change any more."""
        return self.job.state in _FINAL

    @property
    def status(self) -> Status:
        """Rendered when first asked for: most changes of most jobs are never looked at."""
        if self._status is None:
            self._status = self._render(self.job)
        return self._status


class Feed:
    """Newest states of jobs, bounded in number; the least recently used go first."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[job_pb2.Job]],
        render: Callable[[job_pb2.Job], Status],
        connected: Callable[[], bool],
        capacity: int,
    ) -> None:
        self._ask = ask
        self._render = render
        self._connected = connected
        self._capacity = capacity
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Entry]] = {}
        self._waiting: dict[Key, set[asyncio.Future[None]]] = {}
        self._gone: OrderedDict[Key, None] = OrderedDict()
        self._ending: dict[Key, asyncio.TimerHandle] = {}
        self._closed = False

    def on_message(self, subject: str, payload: bytes) -> None:
        """Takes what was told on `status.<organization>.<job>`: the job, or nothing when it exists no longer."""
        if payload:
            self.offer(job_pb2.Job.FromString(payload))
        else:
            _, organization_id, job_id = subject.split(".")
            self.gone((organization_id, job_id))

    def offer(self, job: job_pb2.Job) -> Entry:
        """Takes a job's state if nothing newer is known; returns the newest."""
        key = (job.organization_id, job.id)
        known = self._entries.get(key)
        if known is not None and known.job.revision > job.revision:
            return known
        if key in self._gone:
            return Entry(job, 0.0, self._render)
        if known is None or known.job.revision < job.revision:
            known = self._entries[key] = Entry(job, 0.0, self._render)
            self._wake(key)
        known.fresh_until = time.monotonic() + (FINISHED_SECONDS if known.final else UNFINISHED_SECONDS)
        if job.HasField("expires_at"):
            self._forget_in_time(key, known)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return known

    def warm(self, key: Key) -> Entry | None:
        """What is known of a job, where it can be trusted."""
        entry = self._entries.get(key)
        if entry is None or entry.fresh_until < time.monotonic() or not (entry.final or self._connected()):
            return None
        self._entries.move_to_end(key)
        return entry

    async def get(self, key: Key) -> Entry:
        """The job's state, asked for where it is not warm. Raises what asking raises, NotFound above all."""
        return self.warm(key) or await self._asked(key)

    async def changed(self, key: Key, entry: Entry, seconds: float) -> Entry:
        """The job's next revision after the entry's, or, when none comes within so many seconds, its present one."""
        ends = time.monotonic() + seconds
        while True:
            newest = await self.get(key)
            left = ends - time.monotonic()
            if newest.job.revision != entry.job.revision or newest.ended or self._closed or left <= 0:
                return newest
            await self._told(key, min(left, UNFINISHED_SECONDS))

    async def changed_state(self, key: Key, entry: Entry, seconds: float) -> Entry:
        """As `changed`, for changes of the state alone, not of progress."""
        ends, state = time.monotonic() + seconds, entry.job.state
        while (left := ends - time.monotonic()) > 0 and not (entry.ended or self._closed) and entry.job.state == state:
            entry = await self.changed(key, entry, left)
        return entry

    async def follow(self, key: Key, pulse: float) -> AsyncIterator[Entry | None]:
        """The job now and after every change until it ended; None after each `pulse` seconds without a change."""
        entry = await self.get(key)
        yield entry
        while not (entry.ended or self._closed):
            newest = await self.changed(key, entry, pulse)
            yield newest if newest.job.revision != entry.job.revision else None
            entry = newest

    def gone(self, key: Key) -> None:
        """Drops a job for good: what comes in late of it is not taken any more."""
        self._gone[key] = None
        if len(self._gone) > _GONE_REMEMBERED:
            self._gone.popitem(last=False)
        self.forget(key)

    def forget(self, key: Key) -> None:
        """Drops a job, answers under way included; whoever waits for it asks again."""
        self._entries.pop(key, None)
        self._asking.pop(key, None)
        self._wake(key)

    def forget_document(self, organization_id: str, document_id: str) -> None:
        """Drops every job of a document."""
        keys = [key for key, entry in self._entries.items() if entry.job.document_id == document_id]
        for key in keys:
            if key[0] == organization_id:
                self.gone(key)

    async def forget_unfinished(self) -> None:
        """Drops what may have changed while nothing was heard."""
        for key in [key for key, entry in self._entries.items() if not entry.final]:
            self.forget(key)

    def close(self) -> None:
        """Lets everybody who waits go with what is known."""
        self._closed = True
        for timer in self._ending.values():
            timer.cancel()
        for key in list(self._waiting):
            self._wake(key)

    def _forget_in_time(self, key: Key, known: Entry) -> None:
        """A zero-log job is not remembered longer than it is kept."""
        left = known.job.expires_at.ToMilliseconds() / 1_000 - time.time()
        known.fresh_until = min(known.fresh_until, time.monotonic() + left)
        if key not in self._ending:
            self._ending[key] = asyncio.get_running_loop().call_later(max(0.0, left), self._expire, key)

    def _expire(self, key: Key) -> None:
        del self._ending[key]
        self.forget(key)

    async def _asked(self, key: Key) -> Entry:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._fetch(key))
            task.add_done_callback(lambda done: self._fetched(key, done))
        return await asyncio.shield(task)

    async def _fetch(self, key: Key) -> Entry:
        job = await self._ask(key[1])
        # Forgotten while asking: the answer may be older than the reason to forget.
        return self.offer(job) if self._asking.get(key) is asyncio.current_task() else Entry(job, 0.0, self._render)

    def _fetched(self, key: Key, task: asyncio.Task[Entry]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # told to those who wait; when all of them left, to nobody

    async def _told(self, key: Key, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(future)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return
        finally:
            waiting = self._waiting[key]
            waiting.discard(future)
            if not waiting:
                del self._waiting[key]

    def _wake(self, key: Key) -> None:
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(None)

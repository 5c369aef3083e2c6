"""The status feed: what this gateway knows of jobs without asking.

Every change of a job is told to every gateway; the feed keeps the newest of each job, for as many jobs as it may.
What it keeps is *warm*, good to answer a poll with, only as long as it can be trusted:

- an unfinished job for 2 s after it was last told or asked for, and only while the feed is connected; for up to 5 min
  as long as nothing that is told can have been missed (continuity.py);
- a finished one for 60 s, but for a failed one, which can be tried again: that counts as unfinished.

Otherwise the next poll asks the record, once for all who wait. Messages may be lost or come twice or late: an older
revision never replaces a newer one. A job that is told as gone, since its document was deleted, is forgotten at once.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mesh.streams import STATUS_NUMBER, STATUS_PULSES
from pagemesh.results.v1 import job_pb2
from services.gateway.continuity import Continuity
from services.gateway.visits import Visit

UNFINISHED_SECONDS = 2.0
UNBROKEN_SECONDS = 300.0
FINISHED_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 10.0
_NO_HEADERS: Mapping[str, str] = {}
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


class Watcher(Protocol):
    """Who is told of every job at once, before anybody asks."""

    def told(self, job: job_pb2.Job) -> None:
        """A job has changed, or is heard of for the first time."""

    def gone(self, key: Key) -> None:
        """A job exists no longer."""

    def missed(self) -> None:
        """Changes may have been missed."""


class Entry:
    """The newest that is known of a job."""

    __slots__ = ("_render", "_status", "fresh_until", "job", "known_at")

    def __init__(self, job: job_pb2.Job, fresh_until: float, render: Callable[[job_pb2.Job], Status]) -> None:
        self.job = job
        self.fresh_until = fresh_until
        self.known_at = 0.0
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
        self._waiting: dict[Key, set[Visit]] = {}
        self._continuity = Continuity()
        self._gone: OrderedDict[Key, None] = OrderedDict()
        self._closed = False
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Tells somebody of every change from now on."""
        self._watchers.append(watcher)

    def on_message(self, subject: str, payload: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Takes what was told on `status.<organization>.<job>`: the job, or nothing when it exists no longer."""
        teller, _, number = headers.get(STATUS_NUMBER, "").partition(":")
        if subject.startswith(STATUS_PULSES):
            self._count(self._continuity.counted(teller, int(number)))
            return
        if payload:
            self.offer(job_pb2.Job.FromString(payload))
        else:
            _, organization_id, job_id = subject.split(".")
            self.gone((organization_id, job_id))
        if number:
            self._count(self._continuity.heard(teller, int(number)))

    def look(self) -> None:
        """Notices who has fallen silent; to be called every now and then."""
        self._count(self._continuity.look())

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
            for watcher in self._watchers:
                watcher.told(job)
        known.known_at = time.monotonic()
        known.fresh_until = known.known_at + (FINISHED_SECONDS if known.final else UNFINISHED_SECONDS)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return known

    def warm(self, key: Key) -> Entry | None:
        """What is known of a job, where it can be trusted."""
        entry = self._entries.get(key)
        if entry is None or not (entry.final or self._connected()):
            return None
        if entry.fresh_until < time.monotonic() and not self._is_sure(entry):
            return None
        self._entries.move_to_end(key)
        return entry

    async def get(self, key: Key) -> Entry:
        """The job's state, asked for where it is not warm. Raises what asking raises, NotFound above all."""
        return self.warm(key) or await self._asked(key)

    async def changed(self, key: Key, entry: Entry, seconds: float, visit: Visit | None = None) -> Entry:
        """The job's next revision after the entry's, or, when none comes within so many seconds, its present one.

        Returns soon after the visit, if one is given, has been ended.
        """
        visit = visit or Visit()
        ends = time.monotonic() + seconds
        while True:
            newest = await self.get(key)
            left = ends - time.monotonic()
            if newest.job.revision != entry.job.revision or newest.ended or self.is_over(visit) or left <= 0:
                return newest
            again = _LOOK_AGAIN_SECONDS if self._is_sure(newest) else UNFINISHED_SECONDS
            self._waiting.setdefault(key, set()).add(visit)
            try:
                await visit.wait(min(left, again))
            finally:
                self._left(key, visit)

    async def changed_state(self, key: Key, entry: Entry, seconds: float, visit: Visit | None = None) -> Entry:
        """As `changed`, for changes of the state alone, not of progress."""
        visit = visit or Visit()
        ends, state = time.monotonic() + seconds, entry.job.state
        while (left := ends - time.monotonic()) > 0 and not entry.ended and entry.job.state == state:
            if self.is_over(visit):
                break
            entry = await self.changed(key, entry, left, visit)
        return entry

    def gone(self, key: Key) -> None:
        """Drops a job for good: what comes in late of it is not taken any more."""
        self._gone[key] = None
        if len(self._gone) > _GONE_REMEMBERED:
            self._gone.popitem(last=False)
        self.forget(key)
        for watcher in self._watchers:
            watcher.gone(key)

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
        self._continuity.lost()
        self._count(False)

    def close(self) -> None:
        """Lets everybody who waits go with what is known."""
        self._closed = True
        for key in list(self._waiting):
            self._wake(key)

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

    def _left(self, key: Key, visit: Visit) -> None:
        waiting = self._waiting[key]
        waiting.discard(visit)
        if not waiting:
            del self._waiting[key]

    def _wake(self, key: Key) -> None:
        for visit in self._waiting.get(key, ()):
            visit.wake()

    def is_over(self, visit: Visit) -> bool:
        """Whether nobody waits any more: the client has left, or the gateway stops."""
        return visit.ended or self._closed

    def _is_sure(self, entry: Entry) -> bool:
        """Whether nothing of the job can have been missed since it was told or asked for."""
        continuity = self._continuity
        lately = time.monotonic() - entry.known_at < UNBROKEN_SECONDS
        return lately and entry.known_at > continuity.broken_at and continuity.sound

    def _count(self, whole: bool) -> None:
        if whole:
            return
        for key in list(self._waiting):
            self._wake(key)
        for watcher in self._watchers:
            watcher.missed()

"""Who reads: brings every change of a job to the readers of the user who asked for it.

The feed tells of changes. What is told may get lost, so unfinished jobs of users who read are asked for again when
nothing was heard of them for a while, and at once when the feed may have missed something.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mesh.errors import NotFound, PagemeshError, Unauthenticated, Unavailable
from mesh.identity import Identity
from pagemesh.results.v1 import job_pb2
from services.gateway.feed import ENDED, Key
from services.gateway.live import closing
from services.gateway.live.gathering import Gathering
from services.gateway.live.reader import Reader
from services.gateway.live.updates import (
    DocumentSeen,
    Update,
    document_seen,
    document_update,
    gone_update,
    job_update,
)
from services.gateway.traffic import LIVE_READERS

log = logging.getLogger(__name__)

UNHEARD_SECONDS = 15.0
"""After so long without word of an unfinished job it is asked for."""
_RENEW_SECONDS = 0.5
_MARGIN_SECONDS = 5.0
_ASKED_AT_ONCE = 8
_UNFINISHED = 1_000

Who = tuple[str, str]
"""Organization and user."""


@dataclass(slots=True)
class _Unfinished:
    """A job that goes on: the newest of it, when it was heard, and what was told of its document."""

    job: job_pb2.Job
    heard_at: float
    document: DocumentSeen | None


@dataclass(slots=True)
class _User:
    """Somebody's readers, and their unfinished jobs as far as they were heard of, the newest 1,000."""

    readers: set[Reader] = field(default_factory=set)
    unfinished: OrderedDict[str, _Unfinished] = field(default_factory=OrderedDict)
    gathering: Gathering = field(init=False)

    def __post_init__(self) -> None:
        self.gathering = Gathering(self.readers)

    def updates(self, job: job_pb2.Job) -> list[Update]:
        """What a change of a job has to say; of the document only what is new."""
        known, seen = self.unfinished.pop(job.id, None), document_seen(job)
        if job.state not in ENDED:
            self.unfinished[job.id] = _Unfinished(job, time.monotonic(), seen)
            if len(self.unfinished) > _UNFINISHED:
                self.unfinished.popitem(last=False)
        told = [job_update(job)]
        if seen is not None and (known is None or known.document != seen):
            told.append(document_update(job, seen))
        return told


class Hub:
    """All readers of this gateway."""

    def __init__(
        self,
        verify: Callable[[str], Awaitable[Identity]],
        denies: Callable[[Identity], bool],
        ask: Callable[[Key], Awaitable[object]],
        readers_per_user: int,
    ) -> None:
        """`verify` makes the credential's owner the caller of what `ask` then asks for: a job, told like any other."""
        self._verify = verify
        self._denies = denies
        self._ask = ask
        self._readers_per_user = readers_per_user
        self._users: dict[Who, _User] = {}
        self._closed = False
        self._asking: asyncio.Task[None] | None = None

    @property
    def readers(self) -> list[Reader]:
        """All that are open."""
        return [reader for user in self._users.values() for reader in user.readers]

    def join(self, reader: Reader) -> None:
        """Has a reader told from now on; one too many, or of a gateway that stops, is closed."""
        user = self._users.setdefault(_who(reader.identity), _User())
        if self._closed:
            reader.end(closing.RESTARTING)
        elif len(user.readers) >= self._readers_per_user:
            reader.end(closing.TOO_MANY)
        user.readers.add(reader)
        reader.follow(user.gathering)
        LIVE_READERS.inc()

    def leave(self, reader: Reader) -> None:
        """Forgets a reader, and with a user's last one the user."""
        who = _who(reader.identity)
        user = self._users[who]
        user.readers.discard(reader)
        LIVE_READERS.dec()
        if not user.readers:
            user.gathering.close()
            del self._users[who]

    def told(self, job: job_pb2.Job) -> None:
        """A job has changed."""
        user = self._users.get((job.organization_id, job.user_id))
        if user is None:
            return
        for update in user.updates(job):
            user.gathering.put(update)

    def gone(self, key: Key) -> None:
        """A job's document was deleted, and whatever of it went on was cancelled."""
        for (organization_id, _), user in self._users.items():
            if organization_id == key[0] and (known := user.unfinished.pop(key[1], None)):
                user.gathering.put(gone_update(known.job))

    def missed(self) -> None:
        """Something may have been told that was not heard: asks for every unfinished job soon."""
        for user in self._users.values():
            for one in user.unfinished.values():
                one.heard_at = 0.0

    def close(self) -> None:
        """Sends everybody to another gateway."""
        self._closed = True
        for reader in self.readers:
            reader.end(closing.RESTARTING)

    async def look(self) -> None:
        """Closes whose credential has died, and begins to ask for what was not heard of; to be called often."""
        await self._look_at_credentials()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_again())

    async def _look_at_credentials(self) -> None:
        soon = time.time() + _MARGIN_SECONDS
        readers = (reader for reader in self.readers if not reader.ending)
        due = [one for one in readers if one.identity.expires_at <= soon or self._denies(one.identity)]
        await asyncio.gather(*map(self._renew, due))

    async def _renew(self, reader: Reader) -> None:
        """An API key is good for longer than the token that it was exchanged for."""
        try:
            async with asyncio.timeout(_RENEW_SECONDS):
                reader.identity = await self._verify(reader.credential)
        except Unauthenticated:
            reader.end(closing.REVOKED)
        except (PagemeshError, TimeoutError):
            if self._is_over(reader.identity):
                reader.end(closing.UNKNOWN)
        if self._is_over(reader.identity):
            reader.end(closing.REVOKED)

    def _is_over(self, caller: Identity) -> bool:
        return caller.expires_at <= time.time() or self._denies(caller)

    async def _ask_again(self) -> None:
        due = time.monotonic() - UNHEARD_SECONDS
        waiting = [
            (user, one) for user in self._users.values() for one in user.unfinished.values() if one.heard_at < due
        ]
        for start in range(0, len(waiting), _ASKED_AT_ONCE):
            await asyncio.gather(*(self._ask_for(user, one) for user, one in waiting[start : start + _ASKED_AT_ONCE]))

    async def _ask_for(self, user: _User, one: _Unfinished) -> None:
        key = (one.job.organization_id, one.job.id)
        reader = next(iter(user.readers), None)
        if reader is None or user.unfinished.get(one.job.id) is not one:
            return
        one.heard_at = time.monotonic()
        try:
            await self._verify(reader.credential)
            await self._ask(key)
        except NotFound:
            self.gone(key)
        except (Unavailable, Unauthenticated):
            return
        except PagemeshError as error:
            log.info("a job could not be asked for", extra={"reason": error.reason})


def _who(identity: Identity) -> Who:
    return identity.organization_id, identity.user_id

"""Tokens that are dead before they expire: what `auth` tells of them, kept by every service that verifies tokens.

An access token is verified without asking anybody, so word of its end has to reach whoever verifies. The list is
bounded: each entry goes when the last token that it denies has expired by itself, and a list that is full nevertheless
forgets the entry that ends first and refuses, from then on, every token that ends no later. It never forgets in a
token's favour; the worst that happens is that clients refresh early.
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError

from mesh.bus import Bus
from mesh.streams import IDENTITY_EVENTS
from pagemesh.auth.v1.events_pb2 import IDENTITY_EVENT_KIND_ORGANIZATION_CHANGED, IdentityEvent

if TYPE_CHECKING:  # `identity` needs this module
    from mesh.identity import Identity

log = logging.getLogger(__name__)

LONGEST_TOKEN_SECONDS = 86_400
"""No token lives longer, so nothing older need be learned."""
_CAPACITY = 100_000
_SKEW_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 30.0
_RETRY_SECONDS = 0.2
_BATCH = 1_000
_EVERY_GENERATION = float("inf")
_SERVICE = "service"
_BROKER_ERRORS = (NatsError, JetStreamError, TimeoutError, OSError)


class Revocations:
    """Which tokens are dead: of which sessions, users, keys, clients and organizations, and single ones by their ids.

    Without a feed it is complete as it is; one that a feed fills is `complete` once the feed has caught up.
    """

    def __init__(self, complete: bool = True, capacity: int = _CAPACITY) -> None:
        self.complete = complete
        self._capacity = capacity
        self._dead: dict[str, tuple[float, float]] = {}  # subject → generations below which, and time until which
        self._ends: list[tuple[float, str]] = []
        self._refused_until = 0.0

    def learn(self, event: IdentityEvent) -> None:
        """Takes an event, however often and in whatever order events come."""
        until = event.expires_at.seconds + _SKEW_SECONDS
        if until < time.time() or event.kind == IDENTITY_EVENT_KIND_ORGANIZATION_CHANGED:
            return
        generation, before = self._dead.get(event.subject_id, (0.0, 0.0))
        entry = (max(generation, event.generation or _EVERY_GENERATION), max(before, until))
        self._dead[event.subject_id] = entry
        heapq.heappush(self._ends, (entry[1], event.subject_id))
        self._forget_past()

    def learn_all(self, events: Iterable[IdentityEvent]) -> None:
        """Takes events that somebody tells ahead of the broker."""
        for event in events:
            self.learn(event)

    def denies(self, caller: "Identity") -> bool:
        """Whether the caller's token is dead."""
        if caller.expires_at <= self._refused_until:
            return True
        if not self._dead:
            return False
        subjects = (caller.session_id, caller.user_id, caller.key_id, caller.token_id)
        return self._is_outside(caller) or any(self._is_dead(subject, caller.generation) for subject in subjects)

    def _is_outside(self, caller: "Identity") -> bool:
        # A disabled organization's work has to be put away, so services go on.
        return caller.role != _SERVICE and self._is_dead(caller.organization_id, caller.organization_generation)

    def _is_dead(self, subject: str, generation: int) -> bool:
        below, _ = self._dead.get(subject, (0.0, 0.0))
        return generation < below

    def _forget_past(self) -> None:
        now = time.time()
        while self._ends and (self._ends[0][0] < now or len(self._dead) > self._capacity):
            until, subject = heapq.heappop(self._ends)
            if self._dead.get(subject, (0.0, 0.0))[1] != until:
                continue  # it was told again with a later end
            del self._dead[subject]
            if until >= now:
                log.error("too many revocations: tokens that end early are refused", extra={"until": until})
                self._refused_until = max(self._refused_until, until)


class RevocationFeed:
    """Fills a list from the broker: live, and from the stream whatever was told while nobody listened."""

    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations
        self._bus: Bus | None = None
        self._caught_up_at = datetime.now(UTC) - timedelta(seconds=LONGEST_TOKEN_SECONDS)
        self._looking: asyncio.Task[None] | None = None

    async def follow(self, bus: Bus) -> None:
        """Begins to listen and returns when everything that was told before is known, however long that takes."""
        self._bus = bus
        await bus.listen(f"{IDENTITY_EVENTS}.>", self._on_message)
        bus.on_restore(self._catch_up_quietly)
        while True:
            if await self._caught_up():
                break
            await asyncio.sleep(_RETRY_SECONDS)
        self._revocations.complete = True
        self._looking = asyncio.create_task(self._look_again())

    async def stop(self) -> None:
        """Listens no longer."""
        if self._looking:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    def _on_message(self, subject: str, payload: bytes) -> None:
        try:
            self._revocations.learn(IdentityEvent.FromString(payload))
        except DecodeError:
            log.warning("an event that is none", extra={"subject": subject})

    async def _look_again(self) -> None:
        # Live messages are delivered at most once: whatever got lost between servers is learned here.
        while True:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            await self._catch_up_quietly()

    async def _catch_up_quietly(self) -> None:
        await self._caught_up()

    async def _caught_up(self) -> bool:
        began = datetime.now(UTC)
        try:
            await self._replay(self._caught_up_at - timedelta(seconds=_SKEW_SECONDS))
        except _BROKER_ERRORS as error:
            log.warning("revocations not caught up yet", extra={"error": type(error).__name__})
            return False
        self._caught_up_at = began
        return True

    async def _replay(self, since: datetime) -> None:
        assert self._bus
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_TIME,
            opt_start_time=since,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=30.0,
            mem_storage=True,
            num_replicas=1,
        )
        pull = await self._bus.jetstream.pull_subscribe(f"{IDENTITY_EVENTS}.>", stream="EVENTS", config=config)
        try:
            waiting = (await pull.consumer_info()).num_pending or 0
            while waiting > 0:
                for message in await pull.fetch(min(waiting, _BATCH), timeout=2):
                    self._on_message(message.subject, message.data)
                    waiting -= 1
        except NatsTimeout:
            return  # the rest has left the stream meanwhile
        finally:
            await pull.unsubscribe()

"""Tells every service which tokens are dead: from the record to the broker, at once and for as long as it takes.

What operators did is told in the same way.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from mesh.bus import Bus
from mesh.errors import Unavailable
from mesh.revocations import RevocationFeed, Revocations
from mesh.settings import MeshSettings
from mesh.streams import identity_subject, operator_subject
from services.auth import convert
from services.auth.actions import OperatorAction
from services.auth.records import IdentityEvent

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_LOOK_AT = 200
_PUBLISH_SECONDS = 2.0


class EventBook(Protocol):
    """Where events are recorded. Every method raises Unavailable while it is away."""

    async def unpublished_events(self, limit: int) -> list[IdentityEvent]:
        """The oldest that wait."""

    async def note_published(self, ids: Sequence[int]) -> None:
        """Records that these were published."""

    async def publish_events_again(self) -> None:
        """Has events published again that still mean something."""

    async def unpublished_actions(self, limit: int) -> list[OperatorAction]:
        """What operators did and nobody was told, oldest first."""

    async def note_actions_published(self, ids: Sequence[int]) -> None:
        """Records that these were published."""


class Announcer:
    """Publishes recorded events. This replica knows them at once, the others as soon as the broker has them."""

    def __init__(self, book: EventBook, revocations: Revocations) -> None:
        self._book = book
        self._revocations = revocations
        self._news = asyncio.Event()

    def announce(self, events: Sequence[IdentityEvent]) -> None:
        """Takes what was recorded."""
        for event in events:
            self._revocations.learn(convert.event(event))
        self._news.set()

    @asynccontextmanager
    async def running(self, settings: MeshSettings) -> AsyncIterator[None]:
        """Publishes within the block, and follows what other replicas tell. The broker need not be there."""
        task = asyncio.create_task(self._run(settings))
        try:
            yield
        finally:
            while not task.done():  # what waits for the broker with a time limit may swallow a cancellation
                task.cancel()
                await asyncio.wait({task}, timeout=1.0)

    async def _run(self, settings: MeshSettings) -> None:
        bus = await Bus.connect(settings)
        feed = RevocationFeed(self._revocations)
        try:
            await feed.follow(bus)
            bus.on_restore(self._tell_again)
            await self._tell_again()
            while True:
                await self._publish_quietly(bus)
        finally:
            await feed.stop()
            await bus.close()

    async def _publish_quietly(self, bus: Bus) -> None:
        self._news.clear()
        try:
            told = await self.publish(bus)
        except Unavailable as error:
            log.warning("dead tokens cannot be told yet", extra={"error": error.message})
            told = 0
        if told < _LOOK_AT:
            with suppress(TimeoutError):  # another replica may have recorded what it could not publish
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)

    async def publish(self, bus: Bus) -> int:
        """Publishes what waits; answers how much. Raises Unavailable."""
        events = await self._book.unpublished_events(_LOOK_AT)
        for event in events:
            payload = convert.event(event).SerializeToString()
            await bus.publish(identity_subject(event.kind), payload, _message_id(event), _PUBLISH_SECONDS)
        if events:
            await self._book.note_published([event.id for event in events])
        return len(events) + await self._publish_actions(bus)

    async def _publish_actions(self, bus: Bus) -> int:
        actions = await self._book.unpublished_actions(_LOOK_AT)
        for action in actions:
            payload = convert.action(action).SerializeToString()
            await bus.publish(operator_subject(action.action), payload, f"operator.{action.id}", _PUBLISH_SECONDS)
        if actions:
            await self._book.note_actions_published([action.id for action in actions])
        return len(actions)

    async def _tell_again(self) -> None:
        # A broker that comes back may have lost its store; what it kept it recognises, or verifiers learn it twice.
        try:
            await self._book.publish_events_again()
        except Unavailable:
            log.warning("events not told again: the database is away")
        self._news.set()


def _message_id(event: IdentityEvent) -> str:
    # The subject, since a database made anew counts from one again, and the broker would take its events for repeats.
    return f"identity.{event.id}.{event.subject_id}"

"""What a user's readers are to be told next: gathered for a moment, then written to all of them at once.

What comes meanwhile of one job becomes one message, and what is written is put together once for all who want the
same. So a reader costs one write a moment, however much happens.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

from services.gateway.live.outbox import Outbox
from services.gateway.live.updates import Channel, Update

PACE_SECONDS = 0.1
"""How long is gathered for few readers."""
WRITES_PER_SECOND = 1_000
"""For many it is longer, so that they take no more than about so many writes."""
_MOST = 1_024
_AT_ONCE = 64


class Batch:
    """Updates to be written at once, a few kilobytes."""

    def __init__(self, updates: Sequence[Update]) -> None:
        self.updates = updates
        self._frames: dict[tuple[Channel, ...], bytes] = {}

    def frames(self, channels: Collection[Channel]) -> bytes:
        """Those of the channels, as they go over the wire; made once for all who want the same."""
        wanted = tuple(channel for channel in Channel if channel in channels)
        if wanted not in self._frames:
            self._frames[wanted] = b"".join(update.frame for update in self.updates if update.channel in wanted)
        return self._frames[wanted]


class Listener(Protocol):
    """Who is told of what was gathered."""

    @property
    def heard(self) -> int:
        """The last number that it has taken early."""

    def tell(self, batch: Batch) -> None:
        """Takes what was gathered."""

    def catch_up(self) -> None:
        """Takes, early, what is gathered so far and it has not taken yet."""


class Gathering:
    """Gathers for all readers of a user; they may come and go."""

    def __init__(self, listeners: Collection[Listener]) -> None:
        self._listeners = listeners
        self._gathered = Outbox(_MOST)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def last(self) -> int:
        """The number of the newest update."""
        return self._gathered.last

    def after(self, number: int) -> list[Update]:
        """What is gathered now and has come after that number."""
        return self._gathered.after(number)

    def put(self, update: Update) -> None:
        """Has everybody told of it soon."""
        self._gathered.put(update)
        if len(self._gathered) >= _MOST:
            self.flush()
        elif self._timer is None:
            pace = max(PACE_SECONDS, len(self._listeners) / WRITES_PER_SECOND)
            self._timer = asyncio.get_running_loop().call_later(pace, self.flush)

    def flush(self) -> None:
        """Tells everybody."""
        self.close()
        for listener in self._listeners:
            if listener.heard >= self._gathered.first:
                listener.catch_up()
        last = self._gathered.last
        while updates := self._gathered.take(_AT_ONCE):
            batch = Batch(updates)
            for listener in self._listeners:
                if listener.heard < last:
                    listener.tell(batch)

    def close(self) -> None:
        """Nobody has to be told any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

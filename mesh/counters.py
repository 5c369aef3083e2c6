"""Exact counts across processes: the broker adds, and answers each addition with the sum.

Source: NATS ADR-49, message counters (server 2.12 or newer): a message with `Nats-Incr` adds to its subject's count,
and the acknowledgement's `val` is the count after it. Additions go out at once and their answers come back on one
subscription, so that many wait at the same time for the price of one.
"""

import asyncio
import itertools
import json
from collections.abc import Sequence

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from mesh.bus import Bus
from mesh.errors import Unavailable

Increment = tuple[str, int]
"""Subject and what to add."""

_INCREMENT = "Nats-Incr"
_ANSWER_SECONDS = 2.0


class _Waiting:
    """Answers that are still to come, of additions that were made together."""

    __slots__ = ("answers", "done", "left")

    def __init__(self, count: int) -> None:
        self.answers: list[int] = [0] * count
        self.left = count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, place: int, payload: bytes) -> None:
        """Takes one answer."""
        if self.done.done():
            return
        try:
            self.answers[place] = int(json.loads(payload)["val"])
        except (ValueError, KeyError, TypeError):  # an error of the broker's, or a broker that cannot count
            self.done.set_exception(_away())
            return
        self.left -= 1
        if not self.left:
            self.done.set_result(None)


class Counters:
    """Counts under subjects of a stream with message counters."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._inbox = bus.connection.new_inbox()
        self._numbers = itertools.count()
        self._waiting: dict[str, _Waiting] = {}

    async def start(self) -> None:
        """Begins to listen for answers."""
        await self._bus.connection.subscribe(f"{self._inbox}.*.*", cb=self._answered)

    async def add(self, increments: Sequence[Increment]) -> list[int]:
        """The counts right after the additions, in their order. Raises Unavailable when the broker does not tell.

        Then the additions may have been made or not.
        """
        await self._bus.check()
        number, waiting = str(next(self._numbers)), _Waiting(len(increments))
        self._waiting[number] = waiting
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                for place, (subject, amount) in enumerate(increments):
                    await self._publish(subject, amount, f"{self._inbox}.{number}.{place}")
                await waiting.done
        except (NatsError, TimeoutError, OSError) as error:
            raise _away() from error
        finally:
            del self._waiting[number]
        return waiting.answers

    async def tell(self, subject: str, amount: int) -> None:
        """Adds without waiting for the count; the broker being away makes it a loss."""
        try:
            await self._publish(subject, amount, "")
        except (NatsError, OSError):
            return

    async def _publish(self, subject: str, amount: int, reply: str) -> None:
        await self._bus.connection.publish(subject, b"", reply, {_INCREMENT: f"{amount:+d}"})

    async def _answered(self, message: Msg) -> None:
        number, place = message.subject.rsplit(".", 2)[1:]
        waiting = self._waiting.get(number)
        if waiting is not None:
            waiting.take(int(place), message.data)


def _away() -> Unavailable:
    return Unavailable("The message broker is away.", dependency="nats")

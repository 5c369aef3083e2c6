"""Somebody who waits for a job to change."""

import asyncio


class Visit:
    """Waits until it is woken, its time is over, or it is ended."""

    __slots__ = ("_waiting", "denied", "ended")

    def __init__(self) -> None:
        self.ended = False
        self.denied = False
        """Whether it was ended since its caller may not know any more."""
        self._waiting: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Returns when woken, after so many seconds at the latest, at once when it has ended."""
        if self.ended:
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    def wake(self) -> None:
        """There is something to look at."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self) -> None:
        """Nobody waits any more."""
        self.ended = True
        self.wake()

    def deny(self) -> None:
        """Whoever waits may not know any more."""
        self.denied = True
        self.end()

"""How much a client may say: no more is read of it than is allowed, so that a flood stays with whoever sends it."""

import asyncio
import time

_MESSAGES_PER_SECOND = 200.0
_MESSAGES_AT_ONCE = 1_000.0


class Allowance:
    """Of one client."""

    def __init__(self) -> None:
        self._allowed, self._counted_at = _MESSAGES_AT_ONCE, time.monotonic()

    async def spend(self) -> None:
        """Returns when another message is allowed."""
        now = time.monotonic()
        self._allowed += (now - self._counted_at) * _MESSAGES_PER_SECOND - 1
        self._allowed, self._counted_at = min(self._allowed, _MESSAGES_AT_ONCE), now
        if self._allowed < 0:
            await asyncio.sleep(-self._allowed / _MESSAGES_PER_SECOND)

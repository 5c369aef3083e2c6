"""The end of zero-log work. The broker forgets by itself; this makes sure of it, and tells those who follow.

What is to be done for each job that ends so, such as recording that it was erased, belongs into `_end`.
"""

import asyncio
import logging
import time

from mesh.errors import Unavailable
from services.results.ephemeral.reading import EphemeralWork
from services.results.store import Store

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_LOOK_AT = 500
_FORGET_EVERY_SECONDS = 3_600.0
LEDGER_DAYS = 30
"""How long it is remembered that work was there: 410 until then, 404 after."""


class Expiry:
    """Ends zero-log work in its time."""

    def __init__(self, store: Store, work: EphemeralWork) -> None:
        self._store = store
        self._work = work
        self._forget_at = 0.0

    async def run(self) -> None:
        """Looks for work whose time is up for ever."""
        while True:
            try:
                ended = await self._end()
            except Unavailable as error:
                log.warning("expiry waits", extra={"error": error.message})
                ended = 0
            if ended < _LOOK_AT:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _end(self) -> int:
        async with self._store.reading() as tables:
            rows = await tables.ledger.expired(_LOOK_AT)
            if time.monotonic() >= self._forget_at:
                await tables.ledger.forget(LEDGER_DAYS)
                self._forget_at = time.monotonic() + _FORGET_EVERY_SECONDS
        await self._work.expire(rows)
        return len(rows)

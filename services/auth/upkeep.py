"""What has to happen now and then, on every replica."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from mesh.errors import Unavailable
from services.auth.keys import KeyRing

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0


class Sweeper(Protocol):
    """Deletes what is past its time."""

    async def forget_expired(self) -> None:
        """Raises Unavailable."""


@asynccontextmanager
async def keeping_up(keys: KeyRing, sweeper: Sweeper) -> AsyncIterator[None]:
    """Follows the other replicas' signing keys and sweeps, every minute, within the block."""
    task = asyncio.create_task(_keep_up(keys, sweeper))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_up(keys: KeyRing, sweeper: Sweeper) -> None:
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        await upkeep(keys, sweeper)


async def upkeep(keys: KeyRing, sweeper: Sweeper) -> None:
    """Does it once. Whatever goes wrong is logged and left to the next minute: the service goes on without."""
    try:
        await keys.load()
        await sweeper.forget_expired()
    except Unavailable:
        log.warning("upkeep waits for the database")
    except Exception:
        log.exception("upkeep failed")

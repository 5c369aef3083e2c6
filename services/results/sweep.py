"""The sweep: what is too old is hidden, what is hidden is erased, what is erased gets its receipt.

Every replica sweeps. Each thing is taken by one of them, in small batches, for some minutes; whatever is not done by
then is taken again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from mesh.errors import Forbidden, Unavailable
from services.results.erasure import Erasure
from services.results.orphans import Orphans
from services.results.receipts import Receipts
from services.results.retention import Retention
from services.results.store import Store

log = logging.getLogger(__name__)

_BATCH = 20
_FORGOTTEN_AT_ONCE = 1_000


class Ager(Protocol):
    """Things of one kind that organizations keep for so many days and no longer."""

    async def organizations(self) -> Sequence[UUID]:
        """Those that have things which may be too old. Raises Unavailable."""

    async def expire(self, organization_id: UUID, days: int, limit: int) -> int:
        """Hides and marks some that are older; answers how many were found. Raises Unavailable."""


@dataclass(frozen=True)
class Pace:
    """How often, and for how long."""

    sweep_seconds: float
    tombstone_days: int


class Sweeper:
    """Sweeps for ever. One step that cannot be done now keeps no other from being done."""

    def __init__(
        self,
        store: Store,
        erasure: Erasure,
        receipts: Receipts,
        retention: Retention,
        orphans: Orphans,
        agers: Sequence[Ager],
        pace: Pace,
    ) -> None:
        self._store = store
        self._erasure = erasure
        self._receipts = receipts
        self._retention = retention
        self._orphans = orphans
        self._agers = agers
        self._pace = pace

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            await asyncio.sleep(self._pace.sweep_seconds)
            await self.sweep()

    async def sweep(self) -> None:
        """Sweeps once."""
        for step in (self._expire, self._erase, self._sign, self._forget, self._orphans.sweep_when_due):
            await _tried(step)

    async def _expire(self) -> None:
        for ager in self._agers:
            for organization_id in await ager.organizations():
                try:
                    await self._expire_of(ager, organization_id)
                except (Unavailable, Forbidden):
                    raise
                except Exception:  # other organizations must not wait for it
                    log.exception("nothing expires here", extra={"organization": str(organization_id)})

    async def _expire_of(self, ager: Ager, organization_id: UUID) -> None:
        days = await self._retention.days(organization_id)
        if days is not None:
            await _while_full(lambda: ager.expire(organization_id, days, _BATCH), _BATCH)

    async def _erase(self) -> None:
        await _while_full(lambda: self._erasure.mark_due(_BATCH), _BATCH)
        await _while_full(lambda: self._erasure.finish_some(_BATCH), _BATCH)

    async def _sign(self) -> None:
        await _while_full(lambda: self._receipts.sign_some(_BATCH), _BATCH)

    async def _forget(self) -> None:
        async with self._store.reading() as tables:
            days = self._pace.tombstone_days
            await _while_full(lambda: tables.erasures.forget(days, _FORGOTTEN_AT_ONCE), _FORGOTTEN_AT_ONCE)


async def _while_full(step: Callable[[], Awaitable[int]], batch: int) -> None:
    """Again for as long as there may be more."""
    while await step() >= batch:
        pass


async def _tried(step: Callable[[], Awaitable[None]]) -> None:
    try:
        await step()
    except (Unavailable, Forbidden) as error:
        log.warning("the sweep goes on later", extra={"step": step.__name__, "error": error.message})
    except Exception:
        log.exception("a step of the sweep failed", extra={"step": step.__name__})

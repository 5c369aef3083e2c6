"""Whether everything that the gateway depends on is there, at most 1 s ago."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

Check = Callable[[], Awaitable[None]]
"""Raises while a dependency is away."""

REMEMBERED_SECONDS = 1.0
ESSENTIAL = frozenset({"database", "storage", "auth", "ingest", "results"})
"""Without these nothing can be accepted or read; the others only delay what was accepted."""
_CHECK_SECONDS = 1.5


class Readiness:
    """Asks all dependencies at once, and once for all who ask at the same time."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._lock = asyncio.Lock()
        self._checked_at = -REMEMBERED_SECONDS
        self._fine: dict[str, bool] = {}

    async def services(self) -> dict[str, bool]:
        """Whether each dependency answers."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                answers = await asyncio.gather(*(_answers(check) for check in self._checks.values()))
                self._fine = dict(zip(self._checks, answers, strict=True))
                self._checked_at = time.monotonic()
            return self._fine

    async def status(self) -> Literal["healthy", "degraded", "unhealthy"]:
        """All well, able to accept and answer, or neither."""
        away = {name for name, fine in (await self.services()).items() if not fine}
        return "unhealthy" if away & ESSENTIAL else "degraded" if away else "healthy"


async def _answers(check: Check) -> bool:
    try:
        await asyncio.wait_for(check(), _CHECK_SECONDS)
    except Exception:  # a dependency may fail in any way; all of them mean "away"
        return False
    return True

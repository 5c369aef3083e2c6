"""The status feed: every committed change of a job is told to whoever follows it.

What is told is numbered, and once a second this replica tells its last number, so that whoever follows jobs knows
whether anything was missed (docs/adr/0025-live-updates.md).
"""

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

from mesh.bus import Bus
from mesh.streams import STATUS_NUMBER, status_pulse, status_subject
from services.results.convert import job_message
from services.results.records import JobRecord

PULSE_SECONDS = 1.0


class StatusFeed:
    """Tells jobs on `status.<organization>.<job>`; who misses one asks `GetJob`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._teller = uuid4().hex
        self._number = 0

    async def tell(self, jobs: Iterable[JobRecord]) -> None:
        """Tells the jobs as they are now."""
        for job in jobs:
            subject = status_subject(str(job.organization_id), str(job.id))
            await self._tell(subject, job_message(job).SerializeToString())

    async def tell_gone(self, organization_id: UUID, job_ids: Iterable[UUID]) -> None:
        """Tells that jobs exist no longer: an empty message."""
        for job_id in job_ids:
            await self._tell(status_subject(str(organization_id), str(job_id)), b"")

    async def pulse(self) -> None:
        """Tells for ever how far this replica is."""
        while True:
            await self._bus.tell(status_pulse(self._teller), b"", self._numbered())
            await asyncio.sleep(PULSE_SECONDS)

    async def _tell(self, subject: str, payload: bytes) -> None:
        self._number += 1  # first of all: what cannot be told leaves a gap that is noticed
        await self._bus.tell(subject, payload, self._numbered())

    def _numbered(self) -> dict[str, str]:
        return {STATUS_NUMBER: f"{self._teller}:{self._number}"}

"""The status feed: every committed change of a job is told to whoever follows it."""

from collections.abc import Iterable
from uuid import UUID

from mesh.bus import Bus
from mesh.streams import status_subject
from services.results.convert import job_message
from services.results.records import JobRecord


class StatusFeed:
    """Tells jobs on `status.<organization>.<job>`; who misses one asks `GetJob`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, jobs: Iterable[JobRecord]) -> None:
        """Tells the jobs as they are now."""
        for job in jobs:
            subject = status_subject(str(job.organization_id), str(job.id))
            await self._bus.tell(subject, job_message(job).SerializeToString())

    async def tell_gone(self, organization_id: UUID, job_ids: Iterable[UUID]) -> None:
        """Tells that jobs exist no longer: an empty message."""
        for job_id in job_ids:
            await self._bus.tell(status_subject(str(organization_id), str(job_id)), b"")

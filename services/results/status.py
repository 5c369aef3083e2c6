"""The status feed: every committed change of a job is told to whoever follows it."""

from collections.abc import Iterable
from uuid import UUID

from mesh.bus import Bus
from mesh.streams import status_subject
from pagemesh.results.v1.job_pb2 import Job
from services.results.convert import job_message
from services.results.records import JobRecord


class StatusFeed:
    """Tells jobs on `status.<organization>.<job>`; who misses one asks `GetJob`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, jobs: Iterable[JobRecord]) -> None:
        """Tells the jobs as they are now."""
        await self.tell_messages(job_message(job) for job in jobs)

    async def tell_messages(self, jobs: Iterable[Job]) -> None:
        """Tells the jobs as these messages say."""
        for job in jobs:
            await self._bus.tell(status_subject(job.organization_id, job.id), job.SerializeToString())

    async def tell_gone(self, organization_id: UUID, job_ids: Iterable[UUID]) -> None:
        """Tells that jobs exist no longer: an empty message."""
        for job_id in job_ids:
            await self._bus.tell(status_subject(str(organization_id), str(job_id)), b"")

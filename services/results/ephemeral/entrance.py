"""How zero-log work comes in, as messages."""

from datetime import UTC, datetime
from uuid import UUID

from mesh.errors import InvalidArgument, NotFound
from mesh.streams import LONGEST_ZERO_LOG_SECONDS
from pagemesh.results.v1 import results_pb2 as pb
from pagemesh.results.v1.job_pb2 import Document, Job
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
from services.results.ephemeral.messages import document_message, job_message
from services.results.ephemeral.reading import EphemeralWork
from services.results.ephemeral.state import moment
from services.results.ephemeral.submission import EphemeralSubmission
from services.results.records import DocumentRecord, JobRecord
from services.results.submission import Arrived


class Ephemeral:
    """Starts zero-log work; `work` is what there is of it."""

    def __init__(self, submission: EphemeralSubmission, work: EphemeralWork) -> None:
        self.work = work
        self._submission = submission

    async def read(
        self, document: DocumentRecord, job: JobRecord, expires_at: datetime, arrived: Arrived | None
    ) -> pb.SubmitJobResponse:
        """See EphemeralSubmission.read. Raises InvalidArgument for a callback: deliveries are rows of the record."""
        if job.config.get("callback_url"):
            raise InvalidArgument("Nobody is called back for zero-log work: poll.", field="callback_url")
        state, started = await self._submission.read(document, job, expires_at, arrived)
        return pb.SubmitJobResponse(document=document_message(state), job=job_message(state, started))

    async def analyse(
        self, job: JobRecord, owner: UUID | None, expires_at: datetime | None
    ) -> pb.SubmitAnalysisResponse:
        """See EphemeralSubmission.analyse."""
        state, started = await self._submission.analyse(job, expires_at, owner)
        return pb.SubmitAnalysisResponse(job=job_message(state, started))

    async def cancel(self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool = False) -> Job:
        """See EphemeralSubmission.cancel."""
        return job_message(*await self._submission.cancel(organization_id, job_id, owner, is_repeat))


def unless_expired(error: NotFound) -> None:
    """Raises what the record says of a thing that it does not have, unless that it never had one: memory may have."""
    if error.reason != error.default_reason:
        raise error


def expiry_of(asked: ZeroLog, document: Document | None = None) -> datetime:
    """When new work is forgotten: as ingest says of the document, else from now on. Raises InvalidArgument."""
    if not 1 <= asked.ttl_seconds <= LONGEST_ZERO_LOG_SECONDS:
        raise InvalidArgument(f"From 1 to {LONGEST_ZERO_LOG_SECONDS} seconds.", field="zero_log.ttl_seconds")
    latest = moment(-asked.ttl_seconds)
    if document is None or not document.HasField("expires_at"):
        return latest
    return min(latest, _moment_of(document))


def _moment_of(document: Document) -> datetime:
    try:
        return document.expires_at.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument("This is no time.", field="document.expires_at") from error

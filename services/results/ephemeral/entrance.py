"""How zero-log work comes in, as messages."""

from datetime import UTC, datetime
from uuid import UUID

from mesh.errors import InvalidArgument
from mesh.streams import LONGEST_ZERO_LOG_SECONDS
from pagemesh.results.v1 import results_pb2 as pb
from pagemesh.results.v1.job_pb2 import Document, Job
from pagemesh.results.v1.zero_log_pb2 import ZeroLog
from services.results.ephemeral.control import EphemeralControl
from services.results.ephemeral.memory import Memory
from services.results.ephemeral.messages import document_message, job_message
from services.results.ephemeral.reading import EphemeralWork
from services.results.ephemeral.recording import Recording
from services.results.ephemeral.runs import EphemeralRuns, planned_message
from services.results.ephemeral.state import moment
from services.results.ephemeral.submission import EphemeralSubmission
from services.results.planning import RunPlan
from services.results.records import DocumentRecord, JobRecord
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.submission import Arrived
from services.results.webhooks.callbacks import Callbacks


class Ephemeral:
    """Starts zero-log work; `work` is what there is of it, `runs` are those in memory."""

    def __init__(
        self,
        submission: EphemeralSubmission,
        control: EphemeralControl,
        work: EphemeralWork,
        runs: EphemeralRuns,
        callbacks: Callbacks,
    ) -> None:
        self.work = work
        self.runs = runs
        self._submission = submission
        self._control = control
        self._callbacks = callbacks

    @classmethod
    def over(
        cls,
        store: Store,
        memory: Memory,
        recording: Recording,
        stopping: Stopping,
        work: EphemeralWork,
        callbacks: Callbacks,
    ) -> "Ephemeral":
        """Its parts put together."""
        submission = EphemeralSubmission(store, memory, recording)
        control = EphemeralControl(store, memory, recording, stopping)
        return cls(submission, control, work, EphemeralRuns(store, memory, recording, submission, control), callbacks)

    async def read(
        self,
        document: DocumentRecord,
        job: JobRecord,
        expires_at: datetime,
        arrived: Arrived | None,
        plan: RunPlan | None = None,
    ) -> pb.SubmitJobResponse:
        """See EphemeralSubmission.read. Raises InvalidArgument for a URL that may not be called back."""
        self._callbacks.check(job.config.get("callback_url", ""))
        state, started = await self._submission.read(document, job, expires_at, arrived, plan)
        response = pb.SubmitJobResponse(document=document_message(state), job=job_message(state, started))
        if plan is not None:
            response.run.CopyFrom(planned_message(state, plan))
        return response

    async def analyse(
        self, job: JobRecord, owner: UUID | None, expires_at: datetime | None
    ) -> pb.SubmitAnalysisResponse:
        """See EphemeralSubmission.analyse. Raises InvalidArgument for a URL that may not be called back."""
        self._callbacks.check(job.config.get("callback_url", ""))
        state, started = await self._submission.analyse(job, expires_at, owner)
        return pb.SubmitAnalysisResponse(job=job_message(state, started))

    async def cancel(self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool = False) -> Job:
        """See EphemeralControl.cancel."""
        return job_message(*await self._control.cancel(organization_id, job_id, owner, is_repeat))

    async def retry(self, organization_id: UUID, job_id: UUID, owner: UUID | None, is_repeat: bool = False) -> Job:
        """See EphemeralControl.retry."""
        return job_message(*await self._control.retry(organization_id, job_id, owner, is_repeat))


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

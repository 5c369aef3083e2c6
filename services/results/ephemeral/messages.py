"""States as messages."""

from dataclasses import replace
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import NotFound
from pagemesh.results.v1.analysis_pb2 import Analysis
from pagemesh.results.v1.job_pb2 import Document, Job, JobState, JobType
from pagemesh.results.v1.outcome_pb2 import Failure
from services.results import convert
from services.results.ephemeral.memory import Made
from services.results.ephemeral.state import State
from services.results.records import AnalysisRecord, JobRecord
from services.results.store.ledger import LedgerRow

LOST = "The memory that held this was lost before its time. Send it again."
# Above any that the job can have had, so that whoever remembers one believes this.
_LAST_REVISION = 1 << 40


def lost() -> NotFound:
    """The error of what the memory no longer has though its time is not up."""
    return NotFound(LOST, "EPHEMERAL_LOST", zero_log="true")


def job_message(state: State, job: JobRecord) -> Job:
    """A job for a caller of its organization."""
    message = convert.job_message(job)
    message.expires_at.CopyFrom(_stamp(state))
    message.zero_log = True
    return message


def document_message(state: State) -> Document:
    """The document for a caller of its organization."""
    message = convert.document_message(state.document)
    message.expires_at.CopyFrom(_stamp(state))
    message.zero_log = True
    return message


def lost_job(row: LedgerRow) -> Job:
    """A job whose memory is gone before its time."""
    return Job(
        id=str(row.id),
        organization_id=str(row.organization_id),
        user_id=str(row.user_id),
        document_id=str(row.document_id),
        type=JobType.Value(f"JOB_TYPE_{row.kind.upper()}"),
        state=JobState.JOB_STATE_FAILED,
        stage="failed",
        error=Failure(code="ephemeral_lost", message=LOST),
        revision=_LAST_REVISION,
        created_at=convert.timestamp(row.created_at),
        updated_at=convert.timestamp(row.created_at),
        completed_at=convert.timestamp(row.created_at),
        expires_at=convert.timestamp(row.expires_at),
        zero_log=True,
    )


def analysis_message(state: State, job_id: UUID, made: Made) -> Analysis:
    """The analysis that a job made."""
    job = state.job(job_id)
    assert job is not None
    return convert.analysis_message(analysis_record(state, job, made))


def analysis_record(state: State, job: JobRecord, made: Made) -> AnalysisRecord:
    """The analysis that a job made, as the record would keep it."""
    return replace(convert.analysis_record(job, made.outcome), created_at=made.at, engine=", ".join(state.engines))


def _stamp(state: State) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(state.expires_at)
    return stamp

"""What a job's state says on each channel.

Source: contract/platform-v1.md, "Live updates".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import orjson

from pagemesh.results.v1 import job_pb2
from services.gateway.feed import ENDED
from services.gateway.live.frames import text_frame
from services.gateway.surfaces.platform.models import DocumentStatus
from services.gateway.surfaces.platform.render import JOB_STATUSES

_SETTLED = frozenset({"completed", "failed"})


class Channel(Enum):
    """What can be subscribed to; the value is its name on the wire."""

    DOCUMENTS = "document_updates"
    JOBS = "job_updates"


@dataclass(frozen=True, slots=True)
class Update:
    """One message for readers, made once for all of them.

    `final` ones tell of an end and always arrive; of others only the newest of their subject does.
    """

    channel: Channel
    subject: str
    """Id of the job or document."""
    final: bool
    message: str
    frame: bytes = field(init=False, repr=False)
    """The message as it goes over the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", text_frame(self.message.encode()))


@dataclass(frozen=True, slots=True)
class DocumentSeen:
    """What a job says of the document that it reads; `page_count` None until it was inspected."""

    status: DocumentStatus
    page_count: int | None


def job_update(job: job_pb2.Job) -> Update:
    """How far a job is."""
    return _job_update(job, JOB_STATUSES.get(job.state, "pending"), job.stage, job.state in ENDED)


def gone_update(job: job_pb2.Job) -> Update:
    """That a job is over since its document was deleted."""
    return _job_update(job, "cancelled", "cancelled", final=True)


def document_update(job: job_pb2.Job, seen: DocumentSeen) -> Update:
    """How far the document is that a job reads."""
    data = {"document_id": job.document_id, "status": seen.status, "page_count": seen.page_count}
    message = _message("document_update", data)
    return Update(Channel.DOCUMENTS, job.document_id, seen.status in _SETTLED, message)


def document_seen(job: job_pb2.Job) -> DocumentSeen | None:
    """The document's status as its reading job has it; None for jobs that read nothing.

    The rule is that of `results` (services/results/pipeline.py, `document_state`), by what the message carries.
    """
    if job.type != job_pb2.JOB_TYPE_TEXT_EXTRACTION:
        return None
    return DocumentSeen(_document_status(job), job.pages_total or None)


def _document_status(job: job_pb2.Job) -> DocumentStatus:
    if job.stage in ("analyzing", "completed"):
        return "completed"
    if job.state in ENDED:
        return "completed" if job.pages_done else "failed"  # a failed analysis does not unread the pages
    return "uploaded" if job.state == job_pb2.JOB_STATE_PENDING else "processing"


def _job_update(job: job_pb2.Job, status: str, stage: str, final: bool) -> Update:
    data = {"job_id": job.id, "document_id": job.document_id, "status": status}
    message = _message("job_update", {**data, "progress": job.progress, "stage": stage})
    return Update(Channel.JOBS, job.id, final, message)


def _message(kind: str, data: Mapping[str, object]) -> str:
    return orjson.dumps({"type": kind, "data": data}).decode()

"""Tasks as the broker carries them, made from what the pipeline wants."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from google.protobuf.json_format import ParseDict

from mesh.streams import lane
from pagemesh.work.v1.fetch_pb2 import FetchTask
from pagemesh.work.v1.work_pb2 import AnalyzeTask, ExtractTask, InspectTask, OcrTask, Source, Task
from services.results.convert import job_config
from services.results.records import DocumentRecord, JobRecord, NewTask
from services.results.store.tasks import TaskRecord

DEFAULT_LANGUAGES = "eng"


def assignments(job: JobRecord, document: DocumentRecord, wanted: Iterable[NewTask]) -> list[TaskRecord]:
    """Records of the tasks, each with its message."""
    return [_assignment(job, document, task) for task in wanted]


def steady_id(job_id: UUID, wanted: NewTask) -> UUID:
    """The id of a task that is the same whenever it is made: handing it out twice is handing it out once."""
    return uuid5(job_id, f"{wanted.kind} {' '.join(map(str, wanted.pages))}")


def ephemeral_task(job: JobRecord, document: DocumentRecord, wanted: NewTask, expires_at: datetime) -> Task:
    """A zero-log task, which nobody records."""
    task = _task(job, document, wanted, steady_id(job.id, wanted))
    task.attempt = attempt_of(job)
    task.expires_at.FromDatetime(expires_at)
    return task


def attempt_of(job: JobRecord) -> int:
    """Which try of a zero-log job tasks are of that are made now."""
    return max(1, job.attempts)


def _assignment(job: JobRecord, document: DocumentRecord, wanted: NewTask) -> TaskRecord:
    task_id = uuid4()
    return TaskRecord(
        id=task_id,
        job_id=job.id,
        kind=wanted.kind,
        lane=lane(job.priority),
        pages=wanted.pages,
        payload=_task(job, document, wanted, task_id).SerializeToString(),
    )


def _task(job: JobRecord, document: DocumentRecord, wanted: NewTask, task_id: UUID) -> Task:
    task = Task(
        id=str(task_id),
        job_id=str(job.id),
        document_id=str(document.id),
        organization_id=str(job.organization_id),
    )
    config = job_config(job)
    source = Source(
        storage_key=document.storage_key,
        mime_type=document.mime_type,
        password=config.password,
        size=document.file_size,
    )
    if wanted.kind == "inspect":
        task.inspect.CopyFrom(InspectTask(source=source, mode=config.mode))
    elif wanted.kind == "fetch":
        task.fetch.CopyFrom(ParseDict(job.config["fetch"], FetchTask()))
    elif wanted.kind == "extract":
        task.extract.CopyFrom(ExtractTask(source=source, pages=wanted.pages, mode=config.mode))
    elif wanted.kind == "ocr":
        languages = config.languages or DEFAULT_LANGUAGES
        task.ocr.CopyFrom(OcrTask(source=source, page=wanted.pages[0], languages=languages))
    else:
        task.analyze.CopyFrom(AnalyzeTask(config=config.analysis, user_id=str(job.user_id)))
    return task


def message(task: TaskRecord) -> bytes:
    """The task's bytes with its attempt: fields appended to a serialized message override those in it."""
    return task.payload + Task(attempt=task.attempt).SerializeToString()


def message_id(task: TaskRecord) -> str:
    """The id under which the broker knows this attempt."""
    return f"{task.id}.{task.attempt}"

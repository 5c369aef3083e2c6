"""Tasks as the broker carries them, made from what the pipeline wants."""

from collections.abc import Iterable
from uuid import uuid4

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


def _assignment(job: JobRecord, document: DocumentRecord, wanted: NewTask) -> TaskRecord:
    task_id = uuid4()
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
    return TaskRecord(
        id=task_id,
        job_id=job.id,
        kind=wanted.kind,
        lane=lane(job.priority),
        pages=wanted.pages,
        payload=task.SerializeToString(),
    )


def message(task: TaskRecord) -> bytes:
    """The task's bytes with its attempt: fields appended to a serialized message override those in it."""
    return task.payload + Task(attempt=task.attempt).SerializeToString()


def message_id(task: TaskRecord) -> str:
    """The id under which the broker knows this attempt."""
    return f"{task.id}.{task.attempt}"

"""Text tasks: what they found, and their end. A task is a job whose document nobody else sees."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.errors import NotFound
from mesh.ids import to_uuid
from pagemesh.results.v1 import text_tasks_pb2 as pb
from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceServicer
from services.results import convert, pipeline
from services.results.records import JobRecord
from services.results.sharing import Sharing
from services.results.status import StatusFeed
from services.results.store import Store, Transaction

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class TextTaskServicer(TextTaskServiceServicer):
    """Text tasks."""

    def __init__(self, store: Store, status: StatusFeed, sharing: Sharing) -> None:
        self._store = store
        self._status = status
        self._sharing = sharing

    async def GetTextTaskResult(
        self, request: pb.GetTextTaskResultRequest, context: "Context"
    ) -> pb.GetTextTaskResultResponse:
        """See the proto."""
        owner, task_id = await self._sharing.owner(), to_uuid(request.task_id, "task_id")
        async with self._store.reading() as tables:
            job = await _task(tables, task_id, owner)
            analysis = await tables.analyses.of_job(job.id)
        if analysis is None:
            raise NotFound("The task has found nothing.")
        return pb.GetTextTaskResultResponse(analysis=convert.analysis_message(analysis))

    async def DeleteTextTask(self, request: pb.DeleteTextTaskRequest, context: "Context") -> pb.DeleteTextTaskResponse:
        """See the proto."""
        owner, task_id = await self._sharing.owner(), to_uuid(request.task_id, "task_id")
        async with self._store.transaction() as tables:
            job = await _task(tables, task_id, owner)
            cancelled = await _cancel(tables, job.id)
            if cancelled is None and not await tables.documents.delete(
                job.organization_id, job.document_id, owner, hidden=True
            ):
                raise _none()
        if cancelled is None:
            await self._status.tell_gone(job.organization_id, [job.id])
            return pb.DeleteTextTaskResponse()
        await self._status.tell([cancelled])
        return pb.DeleteTextTaskResponse(cancelled=convert.job_message(cancelled))


async def _task(tables: Transaction, task_id: UUID, owner: UUID | None) -> JobRecord:
    job = await tables.jobs.get(UUID(identity.current().organization_id), task_id, owner)
    if job is None or job.type != "text_task":
        raise _none()
    return job


async def _cancel(tables: Transaction, job_id: UUID) -> JobRecord | None:
    """The job, cancelled; None when it has ended."""
    job, document = (await tables.jobs.lock([job_id]))[job_id]
    if job.ended:
        return None
    pipeline.cancelled(job)
    document.state = pipeline.document_state(job)
    await tables.jobs.save_all([job], [document], [])
    return job


def _none() -> NotFound:
    return NotFound("There is no such task.")

"""Text tasks: what they found, and their end. A task is a job whose document nobody else sees."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.errors import IllegalState, NotFound
from mesh.ids import to_uuid
from pagemesh.results.v1 import text_tasks_pb2 as pb
from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceServicer
from services.results import convert
from services.results.control import Control
from services.results.document_eraser import DocumentEraser
from services.results.erasure import Erasure
from services.results.records import JobRecord
from services.results.sharing import Sharing
from services.results.store import Store, Transaction
from services.results.tombstones import message

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class TextTaskServicer(TextTaskServiceServicer):
    """Text tasks."""

    def __init__(self, store: Store, control: Control, sharing: Sharing, erasure: Erasure) -> None:
        self._store = store
        self._control = control
        self._sharing = sharing
        self._erasure = erasure

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
        async with self._store.reading() as tables:
            job = await _task(tables, task_id, owner)
        if not job.ended:
            try:
                cancelled = await self._control.cancel(job.organization_id, job.id, owner, is_repeat=True)
                return pb.DeleteTextTaskResponse(cancelled=convert.job_message(cancelled))
            except IllegalState:  # it has ended meanwhile
                pass
        if not await self._control.delete(job.organization_id, job.document_id, owner, of_task=True):
            raise _none()
        tombstone = await self._erasure.erase_now(DocumentEraser.kind, job.document_id)
        return pb.DeleteTextTaskResponse(erasure=message(tombstone))


async def _task(tables: Transaction, task_id: UUID, owner: UUID | None) -> JobRecord:
    job = await tables.jobs.get(UUID(identity.current().organization_id), task_id, owner)
    if job is None or job.type != "text_task":
        raise _none()
    return job


def _none() -> NotFound:
    return NotFound("There is no such task.")

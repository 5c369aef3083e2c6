"""Text tasks: what they found, and their end. A task is a job whose document nobody else sees."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.errors import IllegalState, NotFound
from mesh.ids import to_uuid
from pagemesh.results.v1 import text_tasks_pb2 as pb
from pagemesh.results.v1.job_pb2 import Job, JobType
from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceServicer
from services.results import convert
from services.results.control import Control
from services.results.ephemeral import Ephemeral
from services.results.erasure import Erasure
from services.results.records import JobRecord
from services.results.sharing import Sharing
from services.results.store import Store, Transaction
from services.results.tombstones import in_memory, message

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class TextTaskServicer(TextTaskServiceServicer):
    """Text tasks."""

    def __init__(
        self, store: Store, control: Control, sharing: Sharing, erasure: Erasure, ephemeral: Ephemeral
    ) -> None:
        self._store = store
        self._ephemeral = ephemeral
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
            analysis = await tables.analyses.of_job(job.id) if job else None
        if job is None:
            await self._require_task(task_id, owner)
            return pb.GetTextTaskResultResponse(
                analysis=await self._ephemeral.work.result_of(_organization(), task_id, owner)
            )
        if analysis is None:
            raise NotFound("The task has found nothing.")
        return pb.GetTextTaskResultResponse(analysis=convert.analysis_message(analysis))

    async def DeleteTextTask(self, request: pb.DeleteTextTaskRequest, context: "Context") -> pb.DeleteTextTaskResponse:
        """See the proto."""
        owner, task_id = await self._sharing.owner(), to_uuid(request.task_id, "task_id")
        async with self._store.reading() as tables:
            job = await _task(tables, task_id, owner)
        if job is None:
            return await self._delete_in_memory(task_id, owner)
        if not job.ended:
            try:
                cancelled = await self._control.cancel(job.organization_id, job.id, owner, is_repeat=True)
                return pb.DeleteTextTaskResponse(cancelled=convert.job_message(cancelled))
            except IllegalState:  # it has ended meanwhile
                pass
        if not await self._control.delete(job.organization_id, job.document_id, owner, of_task=True):
            raise _none()
        tombstone = await self._erasure.erase_now("task", job.document_id)
        return pb.DeleteTextTaskResponse(erasure=message(tombstone))

    async def _require_task(self, task_id: UUID, owner: UUID | None) -> Job:
        """The zero-log task. Raises NotFound."""
        asking = self._ephemeral.work.job(_organization(), task_id, owner)
        job = await in_memory(asking, self._store, _organization(), task_id, owner, "task")
        if job.type != JobType.JOB_TYPE_TEXT_TASK:
            raise _none()
        return job

    async def _delete_in_memory(self, task_id: UUID, owner: UUID | None) -> pb.DeleteTextTaskResponse:
        job = await self._require_task(task_id, owner)
        if not job.HasField("completed_at"):
            with suppress(IllegalState):  # it has just ended
                cancelled = await self._ephemeral.cancel(_organization(), task_id, owner)
                return pb.DeleteTextTaskResponse(cancelled=cancelled)
        erased = await self._ephemeral.work.delete(_organization(), UUID(job.document_id), owner, hidden=True)
        if erased is None:
            raise _none()
        return pb.DeleteTextTaskResponse(erasure=message(await self._erasure.signed(erased)))


def _organization() -> UUID:
    return UUID(identity.current().organization_id)


async def _task(tables: Transaction, task_id: UUID, owner: UUID | None) -> JobRecord | None:
    """The task; None when the record has none of that id. Raises NotFound for another kind of job."""
    job = await tables.jobs.get(_organization(), task_id, owner)
    if job is not None and job.type != "text_task":
        raise _none()
    return job


def _none() -> NotFound:
    return NotFound("There is no such task.")

"""Statuses of tasks as they go over the wire. Finished ones are remembered, so that polling them asks no service."""

from collections import OrderedDict

import orjson

from mesh import client
from mesh.errors import NotFound
from pagemesh.results.v1 import job_pb2
from pagemesh.results.v1.text_tasks_pb2 import GetTextTaskResultRequest
from services.gateway.feed import Entry, Key
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.tasks import render

_REMEMBERED_BYTES = 32 << 20
_LARGEST_BYTES = 1 << 20


class TaskBodies:
    """Bodies by task, the least recently used of which are forgotten first."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._remembered: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0

    async def of(self, entry: Entry) -> bytes:
        """The task's status, with its result when it is completed. Raises what asking for that raises."""
        job = entry.job
        if job.state != job_pb2.JOB_STATE_COMPLETED:
            return orjson.dumps(render.task(job))
        key = (job.organization_id, job.id)
        if key not in self._remembered:
            body = await self._finished(job)
            self._remember(key, body)
            return body
        self._remembered.move_to_end(key)
        return self._remembered[key]

    def forget(self, key: Key) -> None:
        """Keeps nothing of a task that was erased."""
        self._size -= len(self._remembered.pop(key, b""))

    async def _finished(self, job: job_pb2.Job) -> bytes:
        request = GetTextTaskResultRequest(task_id=job.id)
        answer = await client.call(self._neighbours.text_tasks.GetTextTaskResult, request)
        return orjson.dumps(render.task(job, answer.analysis))

    def _remember(self, key: Key, body: bytes) -> None:
        if len(body) > _LARGEST_BYTES or key in self._remembered:
            return
        self._remembered[key] = body
        self._size += len(body)
        while self._size > _REMEMBERED_BYTES:
            self._size -= len(self._remembered.popitem(last=False)[1])


def require_task(entry: Entry) -> Entry:
    """The entry, if it is a task's. Raises NotFound."""
    if entry.job.type != job_pb2.JOB_TYPE_TEXT_TASK:
        raise NotFound("There is no such task.")
    return entry

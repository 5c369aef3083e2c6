"""The table `tasks`: the outbox, and until a task's row is deleted the proof that it is unfinished."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.store.documents import as_json

_COLUMNS = "id, job_id, kind, lane, pages, payload, headers, attempt, sequence, withdrawn"

INSERT = """
    INSERT INTO tasks (id, job_id, kind, lane, pages, payload, headers)
    SELECT id, job_id, kind, lane, CAST(pages AS integer[]), payload, CAST(:task_headers AS jsonb)
    FROM unnest(CAST(:task_ids AS uuid[]), CAST(:task_job_ids AS uuid[]), CAST(:task_kinds AS text[]),
                CAST(:task_lanes AS text[]), CAST(:task_pages AS text[]), CAST(:task_payloads AS bytea[]))
         AS new (id, job_id, kind, lane, pages, payload)
"""
_INSERT = text(INSERT)
_BY_ID = text(f"SELECT {_COLUMNS} FROM tasks WHERE id = ANY(:ids)")
# A row that somebody holds is about to be deleted, as a rule; else its check comes and publishing again is dropped
# by the broker as a repeat.
_PUBLISHED = text("""
    UPDATE tasks SET sequence = published.sequence,
                     check_at = now() + CASE WHEN withdrawn THEN interval '0' ELSE interval '15 seconds' END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:sequences AS bigint[]))
         AS published (id, attempt, sequence)
    WHERE tasks.id = published.id AND tasks.attempt = published.attempt
          AND tasks.id IN (SELECT id FROM tasks WHERE id = ANY(:ids) FOR UPDATE SKIP LOCKED)
""")
_DUE = text(f"""
    UPDATE tasks SET check_at = now() + interval '15 seconds'
    WHERE id IN (SELECT id FROM tasks WHERE check_at < now() ORDER BY check_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")
_AGAIN = text(f"""
    UPDATE tasks SET attempt = attempt + 1, sequence = NULL, check_at = now() + interval '2 seconds'
    WHERE id = :id AND attempt = :attempt
    RETURNING {_COLUMNS}
""")
_WITHDRAW = text(f"""
    UPDATE tasks SET withdrawn = true, check_at = now() + interval '1 second'
    WHERE id IN (SELECT id FROM tasks WHERE job_id = ANY(:job_ids) ORDER BY id FOR UPDATE)
    RETURNING {_COLUMNS}
""")
_FORGET = text("""
    DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE id = ANY(:ids) ORDER BY id FOR UPDATE)
""")
_DEPTH = text("""
    SELECT kind, lane, sum(greatest(1, cardinality(pages)))::bigint AS units
    FROM tasks WHERE NOT withdrawn GROUP BY kind, lane
""")
_CHECK_ALL = text("""
    UPDATE tasks SET check_at = now() WHERE id IN (SELECT id FROM tasks FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True)
class TaskRecord:
    """A task that is not done."""

    id: UUID
    job_id: UUID
    kind: str
    lane: str
    pages: tuple[int, ...]
    payload: bytes
    """A `pagemesh.work.v1.Task`, its attempt left out."""
    headers: dict[str, str] = field(default_factory=dict)
    attempt: int = 1
    sequence: int | None = None
    """Where it stands in the stream; None while the broker has not confirmed it."""
    withdrawn: bool = False
    """Nobody wants it any more: its message is to be taken back."""


class Tasks:
    """Unfinished tasks of all jobs."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(self, tasks: Sequence[TaskRecord], headers: dict[str, str]) -> None:
        """Records the intent to publish the tasks."""
        if tasks:
            await self._connection.execute(_INSERT, values(tasks, headers))

    async def get(self, ids: Collection[UUID]) -> dict[UUID, TaskRecord]:
        """Those of the tasks that are not done."""
        return {row.id: _task(row) for row in await self._connection.execute(_BY_ID, {"ids": list(ids)})}

    async def published(self, confirmed: Sequence[tuple[UUID, int, int]]) -> None:
        """Notes (task, attempt, sequence) of tasks that the broker has confirmed."""
        ids, attempts, sequences = zip(*confirmed, strict=True)
        values = {"ids": list(ids), "attempts": list(attempts), "sequences": list(sequences)}
        await self._connection.execute(_PUBLISHED, values)

    async def due(self, limit: int) -> list[TaskRecord]:
        """Tasks whose check is due, each for one replica alone; the next check is put off."""
        return [_task(row) for row in await self._connection.execute(_DUE, {"limit": limit})]

    async def again(self, task: TaskRecord) -> TaskRecord | None:
        """The task's next attempt; None when it is done or somebody else has begun one."""
        row = (await self._connection.execute(_AGAIN, {"id": task.id, "attempt": task.attempt})).one_or_none()
        return _task(row) if row else None

    async def withdraw(self, job_ids: Collection[UUID]) -> list[TaskRecord]:
        """Says that the jobs' tasks are not wanted any more; answers them."""
        return [_task(row) for row in await self._connection.execute(_WITHDRAW, {"job_ids": list(job_ids)})]

    async def forget(self, ids: Collection[UUID]) -> None:
        """Deletes tasks whose messages are gone."""
        await self._connection.execute(_FORGET, {"ids": list(ids)})

    async def depth(self) -> dict[tuple[str, str], int]:
        """What is unfinished by kind and lane: pages, or tasks where these have none."""
        return {(row.kind, row.lane): row.units for row in await self._connection.execute(_DEPTH)}

    async def check_all(self) -> None:
        """Makes every task due: the broker may have lost them."""
        await self._connection.execute(_CHECK_ALL)


def values(tasks: Sequence[TaskRecord], headers: dict[str, str]) -> dict[str, Any]:
    """The parameters of INSERT."""
    return {
        "task_ids": [task.id for task in tasks],
        "task_job_ids": [task.job_id for task in tasks],
        "task_kinds": [task.kind for task in tasks],
        "task_lanes": [task.lane for task in tasks],
        "task_pages": ["{" + ",".join(map(str, task.pages)) + "}" for task in tasks],
        "task_payloads": [task.payload for task in tasks],
        "task_headers": as_json(headers),
    }


def _task(row: Row[Any]) -> TaskRecord:
    return TaskRecord(**{**row._mapping, "pages": tuple(row.pages), "payload": bytes(row.payload)})

"""The tables `runs` and `run_jobs`."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.runs import RunRecord
from services.results.store.documents import as_json

_NAMES = tuple(field.name for field in fields(RunRecord))
_RUN_COLUMNS = ", ".join(f"r.{name}" for name in _NAMES)

_INSERT = text("""
    INSERT INTO runs (id, organization_id, user_id, document_id, asked)
    VALUES (:id, :organization_id, :user_id, :document_id, CAST(:asked AS jsonb))
    ON CONFLICT (id) DO NOTHING
""")
_INSERT_JOBS = text("""
    INSERT INTO run_jobs (run_id, job_id, position)
    SELECT :run_id, job_id, position
    FROM unnest(CAST(:job_ids AS uuid[])) WITH ORDINALITY AS new (job_id, position)
""")
_VISIBLE = """
    FROM runs r JOIN documents d ON d.id = r.document_id AND d.deleted_at IS NULL
    WHERE r.organization_id = :organization_id AND (CAST(:owner AS uuid) IS NULL OR d.user_id = :owner)
"""
_BY_ID = text(f"SELECT {_RUN_COLUMNS} {_VISIBLE} AND r.id = :id")
# As `services.results.runs.state_of`.
STATE = """
    CASE WHEN bool_or(j.state = 'failed' AND j.type <> 'analysis') THEN 'failed'
         WHEN bool_or(j.state = 'cancelled' AND j.type <> 'analysis') THEN 'cancelled'
         WHEN bool_or(j.state IN ('pending', 'running'))
         THEN CASE WHEN bool_and(j.state = 'pending') THEN 'pending' ELSE 'processing' END
         WHEN count(*) FILTER (WHERE j.type = 'analysis') = 0
              OR bool_or(j.state = 'completed' AND j.type = 'analysis') THEN 'completed'
         WHEN bool_or(j.state = 'failed') THEN 'failed'
         ELSE 'cancelled' END
"""
_IN_STATE = f"""
    AND (CAST(:state AS text) = '' OR :state = (
        SELECT {STATE} FROM run_jobs m JOIN jobs j ON j.id = m.job_id WHERE m.run_id = r.id))
"""
_LIST = text(f"""
    SELECT {_RUN_COLUMNS} {_VISIBLE} {_IN_STATE} ORDER BY r.created_at DESC, r.id DESC LIMIT :limit OFFSET :offset
""")
_COUNT = text(f"SELECT count(*) {_VISIBLE} {_IN_STATE}")
# Locked before the jobs are looked at: of two transactions that end a run's last jobs, one has to see both ends.
_LOCK_TOLD = text("""
    SELECT id FROM runs
    WHERE id IN (SELECT run_id FROM run_jobs WHERE job_id = ANY(:job_ids)) AND asked ? 'callback_url'
    ORDER BY id FOR UPDATE
""")
_ENDED = text(f"""
    SELECT {_RUN_COLUMNS} FROM runs r
    WHERE r.id = ANY(:ids)
          AND NOT EXISTS (SELECT FROM run_jobs m JOIN jobs j ON j.id = m.job_id
                          WHERE m.run_id = r.id AND j.state IN ('pending', 'running'))
""")


class Runs:
    """Runs of all organizations; every read for a caller names one, and whose documents alone count: None for all."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(self, run: RunRecord) -> bool:
        """Records a run; False when its id was there before."""
        values = {name: getattr(run, name) for name in _NAMES} | {"asked": as_json(run.asked)}
        return bool((await self._connection.execute(_INSERT, values)).rowcount)

    async def add_jobs(self, run_id: UUID, job_ids: Sequence[UUID]) -> None:
        """Says which jobs a new run is made of, the reading first."""
        await self._connection.execute(_INSERT_JOBS, {"run_id": run_id, "job_ids": list(job_ids)})

    async def get(self, organization_id: UUID, run_id: UUID, owner: UUID | None) -> RunRecord | None:
        """The run, or None when the organization has no such or its document was deleted."""
        values = {"id": run_id, "organization_id": organization_id, "owner": owner}
        row = (await self._connection.execute(_BY_ID, values)).one_or_none()
        return RunRecord(**row._mapping) if row else None

    async def ended_with(self, job_ids: Collection[UUID]) -> list[RunRecord]:
        """Runs with somebody to tell whose last jobs have ended, one of these jobs among them.

        They are held until the transaction that has ended these jobs ends itself.
        """
        told = list((await self._connection.execute(_LOCK_TOLD, {"job_ids": list(job_ids)})).scalars())
        rows = await self._connection.execute(_ENDED, {"ids": told}) if told else ()
        return [RunRecord(**row._mapping) for row in rows]

    async def list(
        self, organization_id: UUID, owner: UUID | None, state: str, limit: int, offset: int
    ) -> tuple[list[RunRecord], int]:
        """A list's worth of runs, newest first, and how many match in all."""
        match: dict[str, Any] = {"organization_id": organization_id, "owner": owner, "state": state}
        rows = await self._connection.execute(_LIST, {**match, "limit": limit, "offset": offset})
        total = (await self._connection.execute(_COUNT, match)).scalar_one()
        return [RunRecord(**row._mapping) for row in rows], total

"""The table `jobs`."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import DocumentRecord, JobRecord, Problem
from services.results.store.documents import as_json
from services.results.store.runs import Runs
from services.results.store.webhooks import Webhooks

_NAMES = tuple(field.name for field in fields(JobRecord))
_DOCUMENT_NAMES = tuple(field.name for field in fields(DocumentRecord))
_COLUMNS = ", ".join(f"j.{name}" for name in _NAMES)
_SAVED = (
    *("id", "config", "state", "stage", "progress", "pages_total", "pages_done", "pages_failed", "pages_ocr"),
    *("text_length", "table_count", "attempts", "error", "result", "ended", "estimated_seconds_left"),
)
_SAVED_OF_DOCUMENT = ("id", "state", "page_count", "metadata")
_DOCUMENT_COLUMNS = ", ".join(f"d.{name} AS d_{name}" for name in _DOCUMENT_NAMES)

# One statement, and so one trip and one transaction, for what every upload does. A repeat with the same ids inserts
# nothing.
_SUBMIT = text("""
    WITH document AS (
        INSERT INTO documents (id, organization_id, user_id, filename, original_filename, file_size, mime_type, sha256,
                               storage_key, state, hidden, created_at, updated_at)
        SELECT :document_id, :organization_id, :user_id, :filename, :original_filename, :file_size, :mime_type,
               :sha256, :storage_key, :document_state, :hidden, now(), now()
        WHERE NOT EXISTS (SELECT FROM jobs WHERE id = :job_id)
              AND NOT EXISTS (SELECT FROM ephemeral WHERE id = :job_id OR document_id = :document_id)
        ON CONFLICT (id) DO NOTHING RETURNING id, created_at
    ), job AS (
        INSERT INTO jobs (id, organization_id, user_id, document_id, type, priority, config, state, stage, progress,
                          estimated_seconds_left, created_at, updated_at)
        SELECT :job_id, :organization_id, :user_id, id, :type, :priority, CAST(:config AS jsonb), :state, :stage, 0,
               CAST(:estimated_seconds_left AS integer), created_at, created_at
        FROM document
        ON CONFLICT (id) DO NOTHING RETURNING id
    ), used AS (
        INSERT INTO usage (organization_id, documents, storage_bytes)
        SELECT :organization_id, 1, :file_size FROM document
    )
    INSERT INTO tasks (id, job_id, kind, lane, pages, payload, headers)
    SELECT :task_id, id, :kind, :lane, '{}', :payload, CAST(:headers AS jsonb) FROM job
    RETURNING (SELECT created_at FROM document) AS created_at
""")
_INSERT = text("""
    INSERT INTO jobs (id, organization_id, user_id, document_id, type, priority, config, state, stage, progress,
                      estimated_seconds_left)
    VALUES (:id, :organization_id, :user_id, :document_id, :type, :priority, CAST(:config AS jsonb), :state, :stage,
            :progress, :estimated_seconds_left)
    ON CONFLICT (id) DO NOTHING
""")
# Jobs, their documents and the tasks that are done: one statement for a whole batch. Tasks are locked in one order,
# so that two transactions never wait for each other. Whoever adds a waiting analysis, or a run, has locked the reading
# job before (`_LOCK_READING`), and so have we: `waited_for` and `run_is_told` miss none. A retried job keeps the time
# of its first start.
_SAVE = text("""
    WITH saved_documents AS (
        UPDATE documents
        SET state = new.state, page_count = new.page_count, metadata = new.metadata, updated_at = now()
        FROM jsonb_to_recordset(CAST(:documents AS jsonb))
             AS new (id uuid, state text, page_count integer, metadata jsonb)
        WHERE documents.id = new.id
    ), done_tasks AS (
        DELETE FROM tasks WHERE id IN (
            SELECT id FROM tasks WHERE id = ANY(:done) OR job_id = ANY(:ended) ORDER BY id FOR UPDATE)
    )
    UPDATE jobs
    SET config = new.config, state = new.state, stage = new.stage, progress = new.progress,
        pages_total = new.pages_total, pages_done = new.pages_done, pages_failed = new.pages_failed,
        pages_ocr = new.pages_ocr, text_length = new.text_length, table_count = new.table_count,
        attempts = new.attempts, error = new.error, estimated_seconds_left = new.estimated_seconds_left,
        revision = jobs.revision + 1, updated_at = now(),
        started_at = CASE WHEN new.attempts = 0 THEN jobs.started_at ELSE coalesce(jobs.started_at, now()) END,
        completed_at = CASE WHEN new.ended THEN coalesce(jobs.completed_at, now()) END,
        result = CASE WHEN new.state IN ('completed', 'cancelled')
            THEN new.result || jsonb_build_object(
                'processing_time_ms', round(extract(epoch FROM clock_timestamp() - jobs.created_at) * 1000))
            ELSE new.result END
    FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS new (
        id uuid, config jsonb, state text, stage text, progress integer, pages_total integer, pages_done integer,
        pages_failed integer, pages_ocr integer, text_length bigint, table_count integer, attempts integer,
        error jsonb, result jsonb, ended boolean, estimated_seconds_left integer)
    WHERE jobs.id = new.id
    RETURNING jobs.id, revision, started_at, completed_at, updated_at, jobs.result, document_id,
              EXISTS (SELECT FROM jobs w WHERE w.document_id = jobs.document_id AND w.stage = 'waiting') AS waited_for,
              new.ended AND EXISTS (SELECT FROM run_jobs m JOIN runs r ON r.id = m.run_id
                                    WHERE m.job_id = jobs.id AND r.asked ? 'callback_url') AS run_is_told
""")
_LOCK_READING = text("""
    SELECT id FROM jobs
    WHERE organization_id = :organization_id AND document_id = :document_id AND type <> 'analysis' FOR SHARE
""")
_LOCK = text(f"""
    SELECT {_COLUMNS}, {_DOCUMENT_COLUMNS}
    FROM jobs j JOIN documents d ON d.id = j.document_id
    WHERE j.id = ANY(:ids) ORDER BY j.id FOR UPDATE OF j
""")
_WAITING = text("""
    SELECT id FROM jobs WHERE document_id = ANY(:document_ids) AND stage = 'waiting'
""")
_VISIBLE = "FROM jobs j JOIN documents d ON d.id = j.document_id AND d.deleted_at IS NULL"
_OWNED = "(CAST(:owner AS uuid) IS NULL OR d.user_id = :owner)"
_BY_ID = text(f"SELECT {_COLUMNS} {_VISIBLE} WHERE j.id = :id AND j.organization_id = :organization_id AND {_OWNED}")
_OF_DOCUMENT = text(f"""
    SELECT {_COLUMNS} FROM jobs j
    WHERE j.organization_id = :organization_id AND j.document_id = :document_id ORDER BY j.created_at
""")
_OF_RUNS = text(f"""
    SELECT m.run_id, {_COLUMNS} FROM run_jobs m JOIN jobs j ON j.id = m.job_id
    WHERE m.run_id = ANY(:run_ids) ORDER BY m.run_id, m.position
""")
_READING = text(f"""
    SELECT {_COLUMNS} FROM jobs j
    WHERE j.organization_id = :organization_id AND j.document_id = :document_id AND j.type <> 'analysis'
""")
_MATCH = f"""
    {_VISIBLE}
    WHERE j.organization_id = :organization_id AND {_OWNED}
    AND (CAST(:state AS text) = '' OR j.state = :state)
    AND (CAST(:type AS text) = '' OR j.type = :type)
    AND (CAST(:document_id AS uuid) IS NULL OR j.document_id = :document_id)
"""
_LIST = text(f"SELECT {_COLUMNS} {_MATCH} ORDER BY j.created_at DESC, j.id DESC LIMIT :limit OFFSET :offset")
_COUNT = text(f"SELECT count(*) {_MATCH}")


class Jobs:
    """Jobs of all organizations; every read for a caller names one, and whose documents alone count: None for all."""

    def __init__(self, connection: AsyncConnection, webhooks: Webhooks, runs: Runs) -> None:
        self._connection = connection
        self._webhooks = webhooks
        self._runs = runs

    async def submit(
        self, document: DocumentRecord, job: JobRecord, task: dict[str, Any], headers: dict[str, str]
    ) -> bool:
        """Records a document, its reading job and the first task; False when the ids were there before."""
        values = {name: getattr(document, name) for name in _DOCUMENT_NAMES} | _values(job) | task
        values |= {"document_id": document.id, "document_state": document.state, "headers": as_json(headers)}
        values |= {"job_id": job.id, "state": job.state}
        row = (await self._connection.execute(_SUBMIT, values)).one_or_none()
        if row:
            document.created_at = document.updated_at = job.created_at = job.updated_at = row.created_at
        return row is not None

    async def insert(self, job: JobRecord) -> bool:
        """Records a job on a document that is there; False when its id was there before."""
        return bool((await self._connection.execute(_INSERT, _values(job))).rowcount)

    async def save_all(
        self, jobs: Collection[JobRecord], documents: Collection[DocumentRecord], done: Collection[UUID]
    ) -> set[UUID]:
        """Saves jobs and documents as the pipeline left them and forgets tasks that are done, or whose job has ended.

        Whoever wants word of a job that has ended, or of a run with it, will get it. Tasks of cancelled jobs stay,
        since their messages are to be taken back. Fills in the jobs' revisions and times. Answers the documents that
        analyses wait for.
        """
        if not jobs:
            return set()
        values = {
            "jobs": as_json([{name: getattr(job, name) for name in _SAVED} for job in jobs]),
            "documents": as_json(
                [{name: getattr(document, name) for name in _SAVED_OF_DOCUMENT} for document in documents]
            ),
            "done": list(done),
            "ended": [job.id for job in jobs if job.ended and job.state != "cancelled"],
        }
        by_id = {job.id: job for job in jobs}
        waited_for, run_is_told = set(), []
        for row in await self._connection.execute(_SAVE, values):
            job = by_id[row.id]
            job.revision, job.started_at, job.completed_at = row.revision, row.started_at, row.completed_at
            job.updated_at, job.result = row.updated_at, row.result
            if row.waited_for:
                waited_for.add(row.document_id)
            if row.run_is_told:
                run_is_told.append(row.id)
        await self.tell_ends(jobs, run_is_told)
        return waited_for

    async def tell_ends(self, jobs: Collection[JobRecord], of_runs: Collection[UUID]) -> None:
        """Whoever wants word of those of the jobs that have ended, or of runs with the named ones, will get it."""
        await self._webhooks.ended(jobs)
        if of_runs:
            await self._webhooks.runs_ended(await self._runs.ended_with(of_runs))

    async def lock_reading(self, organization_id: UUID, document_id: UUID) -> None:
        """Holds the reading job of the organization's document as it is until the transaction ends."""
        await self._connection.execute(_LOCK_READING, {"organization_id": organization_id, "document_id": document_id})

    async def lock(self, ids: Collection[UUID]) -> dict[UUID, tuple[JobRecord, DocumentRecord]]:
        """The jobs with their documents, held until the transaction ends; in one order, so that nobody deadlocks."""
        rows = await self._connection.execute(_LOCK, {"ids": sorted(ids)})
        return {row.id: (_job(row), _document(row)) for row in rows}

    async def waiting_for(self, document_ids: Collection[UUID]) -> list[UUID]:
        """Ids of the analyses that wait for any of the documents."""
        return list((await self._connection.execute(_WAITING, {"document_ids": list(document_ids)})).scalars())

    async def get(self, organization_id: UUID, job_id: UUID, owner: UUID | None) -> JobRecord | None:
        """The job, or None when the organization has no such or its document was deleted."""
        values = {"id": job_id, "organization_id": organization_id, "owner": owner}
        row = (await self._connection.execute(_BY_ID, values)).one_or_none()
        return _job(row) if row else None

    async def of_document(self, organization_id: UUID, document_id: UUID) -> list[JobRecord]:
        """Jobs of the organization's document, oldest first."""
        values = {"organization_id": organization_id, "document_id": document_id}
        return [_job(row) for row in await self._connection.execute(_OF_DOCUMENT, values)]

    async def of_runs(self, run_ids: Collection[UUID]) -> dict[UUID, list[JobRecord]]:
        """The jobs of each run, the reading first."""
        found: dict[UUID, list[JobRecord]] = {run_id: [] for run_id in run_ids}
        for row in await self._connection.execute(_OF_RUNS, {"run_ids": list(run_ids)}):
            found[row.run_id].append(_job(row))
        return found

    async def reading(self, organization_id: UUID, document_id: UUID) -> JobRecord | None:
        """The job that reads the organization's document."""
        values = {"organization_id": organization_id, "document_id": document_id}
        row = (await self._connection.execute(_READING, values)).one_or_none()
        return _job(row) if row else None

    async def list(
        self,
        organization_id: UUID,
        owner: UUID | None,
        state: str,
        job_type: str,
        document_id: UUID | None,
        limit: int,
        offset: int,
    ) -> tuple[list[JobRecord], int]:
        """A list's worth of jobs, newest first, and how many match in all."""
        match: dict[str, Any] = {"organization_id": organization_id, "owner": owner, "state": state, "type": job_type}
        match["document_id"] = document_id
        rows = await self._connection.execute(_LIST, {**match, "limit": limit, "offset": offset})
        total = (await self._connection.execute(_COUNT, match)).scalar_one()
        return [_job(row) for row in rows], total


def _values(job: JobRecord) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in _NAMES}
    return values | {"config": as_json(job.config)}


def _job(row: Row[Any]) -> JobRecord:
    values = {name: row._mapping[name] for name in _NAMES}
    values["error"] = Problem(**row.error) if row.error else None
    return JobRecord(**values)


def _document(row: Row[Any]) -> DocumentRecord:
    return DocumentRecord(**{name: row._mapping[f"d_{name}"] for name in _DOCUMENT_NAMES})

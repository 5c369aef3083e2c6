"""What was read on arrival: a document, the job that reads it, its pages and what comes next, in one statement."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import DocumentRecord, JobRecord, PageRecord
from services.results.store import pages as page_rows
from services.results.store import tasks as task_rows
from services.results.store.documents import as_json
from services.results.store.tasks import TaskRecord

# Each row is written once, as the pipeline left it: inserting it as it was before and updating it would cost the server
# more than twice as much. A repeat with the same ids inserts nothing.
_INSERT = text(f"""
    WITH document AS (
        INSERT INTO documents (id, organization_id, user_id, filename, original_filename, file_size, mime_type, sha256,
                               storage_key, state, page_count, metadata, hidden, created_at, updated_at)
        SELECT :document_id, :organization_id, :user_id, :filename, :original_filename, :file_size, :mime_type,
               :sha256, :storage_key, :document_state, CAST(:page_count AS integer), CAST(:metadata AS jsonb), :hidden,
               now() - make_interval(secs => :seconds), now()
        WHERE NOT EXISTS (SELECT FROM jobs WHERE id = :job_id)
              AND NOT EXISTS (SELECT FROM ephemeral WHERE id = :job_id OR document_id = :document_id)
        ON CONFLICT (id) DO NOTHING RETURNING id, created_at
    ), job AS (
        INSERT INTO jobs (id, organization_id, user_id, document_id, type, priority, config, state, stage, progress,
                          pages_total, pages_done, pages_failed, pages_ocr, text_length, table_count, attempts, error,
                          result, estimated_seconds_left, created_at, updated_at, started_at, completed_at)
        SELECT :job_id, :organization_id, :user_id, id, :type, :priority, CAST(:config AS jsonb), :state, :stage,
               :progress, :pages_total, :pages_done, :pages_failed, :pages_ocr, :text_length, :table_count, :attempts,
               CAST(:error AS jsonb),
               CAST(:result AS jsonb) || CASE WHEN :completed THEN jsonb_build_object('processing_time_ms',
                   round(extract(epoch FROM clock_timestamp() - created_at) * 1000)) ELSE '{{}}' END,
               CAST(:estimated_seconds_left AS integer), created_at, now(), now(), CASE WHEN :ended THEN now() END
        FROM document
        ON CONFLICT (id) DO NOTHING RETURNING id, created_at, updated_at, started_at, completed_at, result
    ), page AS (
        INSERT INTO pages (document_id, {page_rows.COLUMNS})
        SELECT document.id, new.* FROM document CROSS JOIN unnest({page_rows.ARRAYS}) AS new
    ), used AS (
        INSERT INTO usage (organization_id, documents, storage_bytes, pages)
        SELECT :organization_id, 1, :file_size, :pages_done FROM document
    ), task AS (
        {task_rows.INSERT} WHERE EXISTS (SELECT FROM job)
    )
    SELECT created_at, updated_at, started_at, completed_at, result FROM job
""")
_OF_DOCUMENT = tuple(field.name for field in fields(DocumentRecord))
_OF_JOB = tuple(field.name for field in fields(JobRecord))


class Arrivals:
    """Documents that are recorded together with what they hold."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(
        self,
        document: DocumentRecord,
        job: JobRecord,
        pages: Collection[PageRecord],
        tasks: Sequence[TaskRecord],
        headers: dict[str, str],
        seconds: float,
    ) -> bool:
        """Records all of it, and the intent to publish the tasks; False when one of the ids was there before.

        Document and job are as old as the work on them, which began so many seconds ago. Fills in their times.
        """
        values = {name: getattr(document, name) for name in _OF_DOCUMENT} | _of_job(job) | page_rows.arrays(pages)
        values |= task_rows.values(tasks, headers)
        values |= {"document_id": document.id, "document_state": document.state, "job_id": job.id, "seconds": seconds}
        values["metadata"] = as_json(document.metadata)
        row = (await self._connection.execute(_INSERT, values)).one_or_none()
        if row is None:
            return False
        document.created_at, document.updated_at = row.created_at, row.updated_at
        for name, value in row._mapping.items():
            setattr(job, name, value)
        return True


def _of_job(job: JobRecord) -> dict[str, Any]:
    return {name: getattr(job, name) for name in _OF_JOB} | {
        "config": as_json(job.config),
        "error": None if job.error is None else as_json(job.error),
        "result": None if job.result is None else as_json(job.result),
        "ended": job.ended,
        "completed": job.state == "completed",
    }

"""What was read on arrival: a document, the job that reads it, its pages and what comes next, in one statement."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import DocumentRecord, JobRecord, PageRecord
from services.results.store import pages as page_rows
from services.results.store import tasks as task_rows
from services.results.store.documents import as_json
from services.results.store.tasks import TaskRecord

_DOCUMENT = {
    "id": "uuid",
    "organization_id": "uuid",
    "user_id": "uuid",
    "filename": "text",
    "original_filename": "text",
    "file_size": "bigint",
    "mime_type": "text",
    "sha256": "text",
    "storage_key": "text",
    "state": "text",
    "page_count": "integer",
    "metadata": "jsonb",
    "hidden": "boolean",
}
_JOB = {
    "id": "uuid",
    "organization_id": "uuid",
    "user_id": "uuid",
    "document_id": "uuid",
    "type": "text",
    "priority": "integer",
    "config": "jsonb",
    "state": "text",
    "stage": "text",
    "progress": "integer",
    "pages_total": "integer",
    "pages_done": "integer",
    "pages_failed": "integer",
    "pages_ocr": "integer",
    "text_length": "bigint",
    "table_count": "integer",
    "attempts": "integer",
    "error": "jsonb",
    "estimated_seconds_left": "integer",
}


def _given(name: str, types: Mapping[str, str]) -> str:
    """A row of the parameter's values; few parameters of few types let the driver find a statement that it knows."""
    return f"jsonb_to_record(CAST(:{name} AS jsonb)) AS new ({', '.join(map(' '.join, types.items()))})"


def _names(types: Mapping[str, str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in types)


# Each row is written once, as the pipeline left it: inserting it as it was before and updating it would cost the server
# more than twice as much. A repeat with the same ids inserts nothing.
_INSERT = text(f"""
    WITH document AS (
        INSERT INTO documents ({_names(_DOCUMENT)}, created_at, updated_at)
        SELECT {_names(_DOCUMENT, "new.")}, now() - make_interval(secs => :seconds), now()
        FROM {_given("document", _DOCUMENT)}
        WHERE NOT EXISTS (SELECT FROM jobs WHERE id = :job_id)
              AND NOT EXISTS (SELECT FROM ephemeral WHERE id = :job_id OR document_id = :document_id)
        ON CONFLICT (id) DO NOTHING RETURNING organization_id, file_size, created_at
    ), job AS (
        INSERT INTO jobs ({_names(_JOB)}, result, created_at, updated_at, started_at, completed_at)
        SELECT {_names(_JOB, "new.")},
               new.result || CASE WHEN new.state = 'completed' THEN jsonb_build_object('processing_time_ms',
                   round(extract(epoch FROM clock_timestamp() - document.created_at) * 1000)) ELSE '{{}}' END,
               document.created_at, now(), now(), CASE WHEN new.ended THEN now() END
        FROM document CROSS JOIN {_given("job", {**_JOB, "result": "jsonb", "ended": "boolean"})}
        ON CONFLICT (id) DO NOTHING RETURNING id, pages_done, created_at, updated_at, started_at, completed_at, result
    ), page AS (
        INSERT INTO pages (document_id, {page_rows.COLUMNS})
        SELECT CAST(:document_id AS uuid), new.* FROM document CROSS JOIN unnest({page_rows.ARRAYS}) AS new
    ), used AS (
        INSERT INTO usage (organization_id, documents, storage_bytes, pages)
        SELECT organization_id, 1, file_size, pages_done FROM document CROSS JOIN job
    ), task AS (
        {task_rows.INSERT} WHERE EXISTS (SELECT FROM job)
    )
    SELECT created_at, updated_at, started_at, completed_at, result FROM job
""")


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
        values = {
            "document": as_json({name: getattr(document, name) for name in _DOCUMENT}),
            "job": as_json({name: getattr(job, name) for name in (*_JOB, "result", "ended")}),
            "document_id": document.id,
            "job_id": job.id,
            "seconds": seconds,
        }
        values |= page_rows.arrays(pages) | task_rows.values(tasks, headers)
        row = (await self._connection.execute(_INSERT, values)).one_or_none()
        if row is None:
            return False
        document.created_at, document.updated_at = row.created_at, row.updated_at
        for name, value in row._mapping.items():
            setattr(job, name, value)
        return True

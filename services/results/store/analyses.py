"""The table `analyses`: one row a job at most."""

from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import AnalysisRecord
from services.results.store.documents import as_json

_NAMES = tuple(field.name for field in fields(AnalysisRecord) if field.name != "engine")

_INSERT = text("""
    WITH made AS (
        INSERT INTO analyses (id, document_id, job_id, analysis_type, result_data, confidence, model_version,
                              processing_time_ms, input_tokens, output_tokens, total_tokens, cost_usd, prompt_sha256,
                              template, template_version, started_at)
        VALUES (:id, :document_id, :job_id, :analysis_type, CAST(:result_data AS jsonb), :confidence, :model_version,
                :processing_time_ms, :input_tokens, :output_tokens, :total_tokens, :cost_usd, :prompt_sha256,
                :template, :template_version, :started_at)
        ON CONFLICT (job_id) DO NOTHING
        RETURNING document_id, total_tokens
    ), used AS (
        INSERT INTO usage (organization_id, tokens)
        SELECT d.organization_id, m.total_tokens FROM made m JOIN documents d ON d.id = m.document_id
        WHERE m.total_tokens > 0
    )
    SELECT count(*) FROM made
""")
_ENGINES = """
    (SELECT coalesce(string_agg(DISTINCT p.engine, ', '), '') FROM pages p
     WHERE p.document_id = analyses.document_id AND p.engine <> '') AS engine
"""
_LIST = text(f"""
    SELECT {", ".join(_NAMES)}, {_ENGINES} FROM analyses
    WHERE document_id = :document_id AND (CAST(:analysis_type AS text) = '' OR analysis_type = :analysis_type)
    ORDER BY created_at DESC, id DESC
""")
_OF_JOB = text(f"SELECT {', '.join(_NAMES)}, {_ENGINES} FROM analyses WHERE job_id = :job_id")


class Analyses:
    """Analyses of documents; whoever reads them has looked the document up for its caller before."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(self, analysis: AnalysisRecord) -> bool:
        """Records an analysis; False when its job has one already."""
        values: dict[str, Any] = {name: getattr(analysis, name) for name in _NAMES}
        values["result_data"] = as_json(analysis.result_data)
        return bool((await self._connection.execute(_INSERT, values)).scalar_one())

    async def list(self, document_id: UUID, analysis_type: str) -> list[AnalysisRecord]:
        """The document's analyses, newest first."""
        parameters = {"document_id": document_id, "analysis_type": analysis_type}
        return [_analysis(row) for row in await self._connection.execute(_LIST, parameters)]

    async def of_job(self, job_id: UUID) -> AnalysisRecord | None:
        """What the job found, if it has found anything."""
        row = (await self._connection.execute(_OF_JOB, {"job_id": job_id})).one_or_none()
        return _analysis(row) if row else None


def _analysis(row: Row[Any]) -> AnalysisRecord:
    return AnalysisRecord(**row._mapping)

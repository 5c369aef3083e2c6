"""Records to and from messages."""

from datetime import datetime
from typing import Any
from uuid import uuid5

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import pages
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.results.v1.analysis_pb2 import Analysis, AnalysisConfig, TokenUsage
from pagemesh.results.v1.job_pb2 import Document, DocumentState, Job, JobConfig, JobResult, JobState, JobType
from pagemesh.results.v1.outcome_pb2 import Failure, PageOutcome
from pagemesh.results.v1.page_pb2 import Page, PageSource
from services.results.records import AnalysisRecord, DocumentRecord, JobRecord, PageRecord, Problem


def timestamp(moment: datetime | None) -> Timestamp | None:
    """A moment as messages carry it."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def document_message(record: DocumentRecord) -> Document:
    """A document for a caller of its organization."""
    return Document(
        id=str(record.id),
        user_id=str(record.user_id),
        filename=record.filename,
        original_filename=record.original_filename,
        file_size=record.file_size,
        mime_type=record.mime_type,
        sha256=record.sha256,
        storage_key=record.storage_key,
        state=DocumentState.Value(f"DOCUMENT_STATE_{record.state.upper()}"),
        page_count=record.page_count,
        metadata=record.metadata,
        created_at=timestamp(record.created_at),
        updated_at=timestamp(record.updated_at),
        hidden=record.hidden,
    )


def job_message(record: JobRecord) -> Job:
    """A job for a caller of its organization; the password stays inside, and what its template says."""
    config = job_config(record)
    config.ClearField("password")
    if config.analysis.HasField("template"):
        config.analysis.template.ClearField("pieces")
    job = Job(
        id=str(record.id),
        organization_id=str(record.organization_id),
        user_id=str(record.user_id),
        document_id=str(record.document_id),
        type=JobType.Value(f"JOB_TYPE_{record.type.upper()}"),
        state=JobState.Value(f"JOB_STATE_{record.state.upper()}"),
        stage=record.stage,
        progress=record.progress,
        priority=record.priority,
        config=config,
        pages_total=record.pages_total,
        pages_done=record.pages_done,
        pages_failed=record.pages_failed,
        pages_ocr=record.pages_ocr,
        attempts=record.attempts,
        revision=record.revision,
        estimated_seconds_left=record.estimated_seconds_left,
        started_at=timestamp(record.started_at),
        completed_at=timestamp(record.completed_at),
        created_at=timestamp(record.created_at),
        updated_at=timestamp(record.updated_at),
    )
    if record.result is not None and record.state in ("completed", "cancelled"):
        job.result.CopyFrom(ParseDict(record.result, JobResult(), ignore_unknown_fields=True))
        job.pages_spent.extend(record.result.get("pages_spent", ()))
    if record.error is not None:
        job.error.CopyFrom(Failure(code=record.error.code, message=record.error.message))
    return job


def job_config(record: JobRecord) -> JobConfig:
    """What was asked of a job, as a message."""
    return ParseDict(record.config, JobConfig(), ignore_unknown_fields=True)


def config_record(config: JobConfig) -> dict[str, Any]:
    """What is asked of a job, as the record keeps it."""
    return MessageToDict(config, preserving_proto_field_name=True)


def analysis_config_record(config: AnalysisConfig, callback_url: str = "") -> dict[str, Any]:
    """What is asked of an analysis, as the record keeps it."""
    return config_record(JobConfig(analysis=config, callback_url=callback_url))


def page_record(outcome: PageOutcome) -> PageRecord:
    """A settled page as the record keeps it."""
    if outcome.WhichOneof("end") != "content":
        problem = Problem(outcome.failure.code or "unreadable_page", outcome.failure.message)
        return PageRecord(number=outcome.number, problem=problem)
    content = outcome.content
    return PageRecord(
        number=outcome.number,
        width=content.width,
        height=content.height,
        source="ocr" if content.source == PageSource.PAGE_SOURCE_OCR else "text",
        language=content.language,
        confidence=content.confidence if content.HasField("confidence") else None,
        text=content.text,
        table_count=content.table_count,
        engine=content.engine,
        layout=content.layout,
        layout_key=content.layout_key,
    )


def page_message(record: PageRecord, layout: bytes, include_lines: bool) -> Page:
    """A page for a caller; `layout` is the record's own or what the blob store holds for it."""
    page = pages.unpack(layout)
    if not include_lines:
        page.ClearField("lines")
    page.number, page.width, page.height = record.number, record.width, record.height
    page.source = PageSource.PAGE_SOURCE_OCR if record.source == "ocr" else PageSource.PAGE_SOURCE_TEXT
    page.language, page.text, page.engine = record.language, record.text, record.engine
    if record.confidence is not None:
        page.confidence = record.confidence
    return page


def analysis_record(job: JobRecord, outcome: AnalysisOutcome) -> AnalysisRecord:
    """An analysis as the record keeps it; its id follows from the job, so that a repeat is the same one."""
    config = job.config.get("analysis", {})
    return AnalysisRecord(
        id=uuid5(job.id, "analysis"),
        document_id=job.document_id,
        job_id=job.id,
        analysis_type=config.get("analysis_type", ""),
        result_data=MessageToDict(outcome.result_data),
        confidence=outcome.confidence,
        model_version=outcome.model_version,
        processing_time_ms=outcome.processing_time_ms,
        input_tokens=outcome.token_usage.input_tokens,
        output_tokens=outcome.token_usage.output_tokens,
        total_tokens=outcome.token_usage.total_tokens,
        cost_usd=outcome.cost_usd if outcome.HasField("cost_usd") else None,
        prompt_sha256=outcome.prompt_sha256,
        template=config.get("template", {}).get("name", ""),
        template_version=config.get("template", {}).get("version", 0),
        started_at=job.started_at or job.created_at,
    )


def analysis_message(record: AnalysisRecord) -> Analysis:
    """An analysis for a caller."""
    return Analysis(
        id=str(record.id),
        document_id=str(record.document_id),
        job_id=str(record.job_id),
        analysis_type=record.analysis_type,
        result_data=ParseDict(record.result_data, Struct()),
        confidence=record.confidence,
        model_version=record.model_version,
        processing_time_ms=record.processing_time_ms,
        token_usage=TokenUsage(
            input_tokens=record.input_tokens, output_tokens=record.output_tokens, total_tokens=record.total_tokens
        ),
        cost_usd=record.cost_usd,
        prompt_sha256=record.prompt_sha256,
        started_at=timestamp(record.started_at),
        created_at=timestamp(record.created_at),
        template=record.template,
        template_version=record.template_version,
        engine=record.engine,
    )

"""Runs as the API shows them."""

from collections.abc import Sequence
from typing import cast

import orjson

from pagemesh.results.v1 import analysis_pb2, job_pb2, runs_pb2
from services.gateway import polling
from services.gateway.surfaces.platform import render
from services.gateway.surfaces.platform.shapes import Analysis, JobError, JobPages
from services.gateway.surfaces.runs import models, shapes

STATES: dict["runs_pb2.RunState.ValueType", models.RunState] = {
    runs_pb2.RUN_STATE_PENDING: "pending",
    runs_pb2.RUN_STATE_PROCESSING: "processing",
    runs_pb2.RUN_STATE_COMPLETED: "completed",
    runs_pb2.RUN_STATE_FAILED: "failed",
    runs_pb2.RUN_STATE_CANCELLED: "cancelled",
}
ENDED = frozenset({runs_pb2.RUN_STATE_COMPLETED, runs_pb2.RUN_STATE_FAILED, runs_pb2.RUN_STATE_CANCELLED})
_JOB_STATES: dict["job_pb2.JobState.ValueType", models.RunState] = {
    job_pb2.JOB_STATE_PENDING: "pending",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_COMPLETED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}
_KINDS = ("fetch", "inspect", "extract", "ocr", "analyze", "deliver")


def accepted(run: runs_pb2.Run) -> shapes.RunAccepted:
    """A run that was just accepted: work on it may have begun, but the answer speaks of its acceptance."""
    told: shapes.RunAccepted = {
        "id": run.id,
        "state": "pending",
        "source": _source(run),
        "created_at": render.time(run.created_at),
    }
    if run.zero_log:
        told["zero_log"], told["expires_at"] = True, render.time(run.expires_at)
    return told


def body(run: runs_pb2.Run) -> bytes:
    """A run as it goes over the wire."""
    return orjson.dumps(status(run))


def status(run: runs_pb2.Run) -> shapes.Run:
    """A run."""
    reading = _reading(run)
    shown: shapes.Run = {
        "id": run.id,
        "state": STATES.get(run.state, "pending"),
        "source": _source(run),
        "config": _config(run),
        "document_id": _document_id(run),
        "progress": run.progress,
        "pages": _pages(reading) if reading else None,
        "estimated_seconds_left": _seconds_left(run),
        "tasks": [_task(job) for job in run.jobs],
        "result": _result(run) if run.HasField("result") else None,
        "error": {"code": run.error.code, "message": run.error.message} if run.HasField("error") else None,
        "created_at": render.time(run.created_at),
        "started_at": render.time(run.started_at) if run.HasField("started_at") else None,
        "completed_at": render.time(run.completed_at) if run.HasField("completed_at") else None,
        "updated_at": render.time(run.updated_at),
    }
    if run.zero_log:
        shown["zero_log"], shown["expires_at"] = True, render.time(run.expires_at)
    return shown


def retry_after(run: runs_pb2.Run) -> int:
    """Seconds until it is worth asking again."""
    reading = _reading(run)
    return render.retry_after(reading) if reading else polling.retry_seconds(None, 0, 0)


def queue(waiting: Sequence[runs_pb2.QueuedWork]) -> shapes.Queue:
    """What is unfinished; every kind is there."""
    kinds: dict[str, shapes.Waiting] = {kind: {"depth": 0, "oldest_age_ms": None} for kind in _KINDS}
    kinds |= {one.kind: {"depth": one.depth, "oldest_age_ms": one.oldest_age_ms} for one in waiting}
    return {"kinds": kinds, "total": sum(one.depth for one in waiting)}


def _source(run: runs_pb2.Run) -> shapes.Source:
    kind = run.source.WhichOneof("source")
    return cast("shapes.Source", {kind: getattr(run.source, kind)} if kind else {})


def _config(run: runs_pb2.Run) -> shapes.Config:
    return {
        "mode": render.MODES.get(run.mode, "mixed"),
        "analyses": [one.analysis_type for one in run.analyses],
        "prompt": next((one.prompt for one in run.analyses if one.prompt), None),
        "languages": run.languages,
        "priority": run.priority,
    }


def _document_id(run: runs_pb2.Run) -> str | None:
    """None for a text, whose document nobody can ask for."""
    return None if run.source.HasField("text") else run.document_id


def _reading(run: runs_pb2.Run) -> job_pb2.Job | None:
    return next((job for job in run.jobs if job.type != job_pb2.JOB_TYPE_ANALYSIS), None)


def _pages(reading: job_pb2.Job) -> JobPages:
    return {
        "total": reading.pages_total,
        "done": reading.pages_done,
        "failed": reading.pages_failed,
        "ocr": reading.pages_ocr,
    }


def _seconds_left(run: runs_pb2.Run) -> int | None:
    if run.state in ENDED or not run.HasField("started_at"):
        return None
    known = [left for job in run.jobs if (left := render.seconds_left(job)) is not None]
    return max(known, default=None)


def _task(job: job_pb2.Job) -> shapes.Task:
    is_analysis = job.type == job_pb2.JOB_TYPE_ANALYSIS
    return {
        "id": job.id,
        "kind": job.config.analysis.analysis_type if is_analysis else render.JOB_TYPES[job.type],
        "state": _JOB_STATES.get(job.state, "pending"),
        "progress": job.progress,
        "attempts": job.attempts,
        "error": _error(job),
        "started_at": render.time(job.started_at) if job.HasField("started_at") else None,
        "completed_at": render.time(job.completed_at) if job.HasField("completed_at") else None,
    }


def _error(job: job_pb2.Job) -> JobError | None:
    return {"code": job.error.code, "message": job.error.message} if job.HasField("error") else None


def _result(run: runs_pb2.Run) -> shapes.Result:
    result = run.result
    return {
        "metadata": _metadata(run),
        "analyses": _analyses(run),
        "metrics": _metrics(run),
        "provenance": {
            "engines": list(result.engines),
            "models": sorted({one.model_version for one in result.analyses}),
            "started_at": render.time(run.started_at) if run.HasField("started_at") else None,
            "completed_at": render.time(run.completed_at) if run.HasField("completed_at") else None,
        },
    }


def _metadata(run: runs_pb2.Run) -> shapes.Metadata:
    document = run.result.document
    return {
        "document_id": _document_id(run),
        "filename": document.original_filename,
        "mime_type": document.mime_type,
        "file_size": document.file_size,
        "sha256": document.sha256,
        "pages": document.page_count,
        "language": run.result.language or None,
        "properties": {key: document.metadata[key] for key in sorted(document.metadata)},
    }


def _analyses(run: runs_pb2.Run) -> dict[str, Analysis | shapes.Failed]:
    made = {one.job_id: one for one in run.result.analyses}
    found: dict[str, Analysis | shapes.Failed] = {}
    for job in run.jobs:
        if job.id in made:
            found[made[job.id].analysis_type] = render.analysis(made[job.id])
        elif job.type == job_pb2.JOB_TYPE_ANALYSIS:
            found[job.config.analysis.analysis_type] = {"error": _error(job) or _CANCELLED}
    return found


_CANCELLED: JobError = {"code": "cancelled", "message": "It was cancelled."}


def _metrics(run: runs_pb2.Run) -> shapes.Metrics:
    reading, analyses = run.result.reading, run.result.analyses
    return {
        "processing_time_ms": run.completed_at.ToMilliseconds() - run.created_at.ToMilliseconds(),
        "page_count": reading.page_count,
        "ocr_page_count": reading.ocr_page_count,
        "pages_failed": [{"page": one.page, "code": one.code, "message": one.message} for one in reading.pages_failed],
        "text_length": reading.text_length,
        "table_count": reading.table_count,
        "token_usage": {
            "input_tokens": sum(one.token_usage.input_tokens for one in analyses),
            "output_tokens": sum(one.token_usage.output_tokens for one in analyses),
            "total_tokens": sum(one.token_usage.total_tokens for one in analyses),
        },
        "cost_usd": _cost(analyses),
    }


def _cost(analyses: Sequence[analysis_pb2.Analysis]) -> float | None:
    """The sum; None when a model that was asked does not tell."""
    asked = [one for one in analyses if one.token_usage.total_tokens]
    if not all(one.HasField("cost_usd") for one in asked):
        return None
    return sum((one.cost_usd for one in asked), start=0.0)
